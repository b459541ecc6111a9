"""The Python of the pages, run as it stands after a few lines that make what it speaks of."""

import pytest

from tests.test_docs import blocks, run_python

PICTURES = """
import numpy as np
dice = np.random.default_rng(0)
grounds = np.array([(200, 40, 40), (40, 40, 200), (210, 50, 50)])
pictures = [
    np.clip(ground + dice.integers(-9, 9, (64, 64, 3)), 0, 255).astype(np.uint8)
    for ground in grounds
]
"""
TASTE = f"""{PICTURES}
from genrec.encoders.palette import palette_vector
taste = np.mean([palette_vector(picture) for picture in pictures], axis=0)
"""
LAMP = """
from PIL import Image, ImageDraw
photo = Image.new("RGB", (320, 400), "white")
ImageDraw.Draw(photo).polygon([(110, 60), (210, 60), (250, 190), (70, 190)], fill="#c8a060")
ImageDraw.Draw(photo).rectangle([150, 190, 170, 360], fill="#504030")
photo.save("lamp.png")
"""
LISTS = """
from pathlib import Path
import polars as pl
Path("lists").mkdir()
lists = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "rank": [1, 2]})
lists.write_parquet("lists/0.parquet")
"""
NEW_ITEMS = """
from pathlib import Path
import genrec as gr
folder, shop = Path("ids"), gr.Dataset.load("toy_shop", items=60, shoppers=20)
old, new_catalog = shop.catalog.take(range(50)), shop.catalog.take(range(50, 60))
ids = gr.SemanticIdTokenizer(levels=2, codebook_size=16)
ids.save(folder, ids.fit(old, gr.TextEncoder().encode(old)))
new_vectors = gr.TextEncoder().encode(new_catalog)
"""
PHOTOS = """
import sys
import zipfile
import polars as pl
from PIL import Image
with zipfile.ZipFile("photos.zip", "w") as archive:
    for name, colour in (("a", "red"), ("b", "blue")):
        with archive.open(f"{name}.png", "w") as file:
            Image.new("RGB", (40, 40), colour).save(file, "png")
names = ["a", "b", "c"]
images = [f"{name}.png" for name in names]
table = pl.DataFrame({"item_id": names, "title": names, "image": images})
"""
# Page, a word of the block, what stands before it, and what must be true after it.
SNIPPETS = [
    ("docs/batch.md", "lists/", LISTS, "assert best['item_id'].to_list() == ['x']"),
    ("docs/layout.md", "lamp.png", LAMP, "assert Image.open('ad.png').size == (1080, 1350)"),
    (
        "docs/images.md",
        "Verifier.fit",
        PICTURES,
        "assert Verifier.load(Path('models/verifier')) is not None",
    ),
    (
        "docs/product_diffusion.md",
        "a mug",
        TASTE,
        "assert picture.pixels.shape[2] == 3 and picture.pixels.std() > 5",
    ),
    ("docs/semantic_ids.md", "tokenizer.add", NEW_ITEMS, "assert len(index) == 60"),
    ("docs/reward.md", "LinearBandit", "", "assert 0 <= decision.number"),
    ("docs/profiles.md", "build_profiles", "", "assert first.evidence and len(careful.traits)"),
    ("docs/copy.md", "Copywriter()", "", "assert copy.fields and copy.channel == 'search'"),
    (
        "docs/multimodal.md",
        "ImageEncoder(",
        PHOTOS,
        "assert vectors.mask.tolist() == [True, True, False] and len(vectors.problems) == 1",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "word", "before", "after"), SNIPPETS, ids=[f"{one[0]} {one[1]}" for one in SNIPPETS]
)
def test_a_snippet_does_what_its_page_says(page, word, before, after, repository, tmp_path):
    (text,) = [text for text in blocks(repository, page, "python") if word in text]
    if "openai/clip" in text:
        from tests.small_towers import vision_folder

        folder = vision_folder("clip", tmp_path / "tower")
        text = text.replace("openai/clip-vit-base-patch32", str(folder))
    run_python(f"{before}\n{text}\n{after}\n", tmp_path)
