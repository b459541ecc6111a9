"""The Python of the pages, run as it stands after a few lines that make what it speaks of."""

import re

import pytest

from tests.test_docs import PAGES, blocks, run_python

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
# Run elsewhere, or not: page, a word of the block, and where or why not.
OTHERS = {
    ("README.md", "import genrec as gr"): "tests/test_docs.py",
    ("docs/own_data.md", "import genrec as gr"): "tests/test_docs.py",
    ("docs/own_data.md", "import csv"): "tests/test_docs.py",
    ("docs/chat.md", "Conversation("): "tests/test_docs_commands.py",
    ("docs/reward.md", "RewardModel"): "tests/test_docs_commands.py",
    ("docs/tasks.md", "Answering"): "tests/test_docs_commands.py",
    ("docs/fusion.md", "recommender.seeing"): (
        "one call of a reader's recommender; tests/recommenders/test_content.py makes it"
    ),
    ("docs/adaptation.md", "BitsAndBytesConfig"): (
        "wants weights from the hub; tests/llm/test_adapt.py with small ones"
    ),
    ("docs/images.md", "Painter.load"): (
        "wants weights of SDXL from the hub; tests/diffusion/test_painter.py with small ones"
    ),
    ("docs/preference.md", "learn_from_pairs"): (
        "trains SmolLM2 for minutes; tests/creatives/test_copy_preference.py a small model"
    ),
    ("docs/serving_vllm.md", "vllm_recommender("): "wants the environment of vLLM; make test-vllm",
    ("docs/serving_vllm.md", "VllmEngine("): "wants the environment of vLLM; make test-vllm",
}


def test_every_python_block_of_the_pages_is_run_or_says_why_not(repository):
    known = [*[(page, word) for page, word, *_ in SNIPPETS], *OTHERS]
    found = {
        (page, text): [word for where, word in known if where == page and word in text]
        for page in PAGES
        for text in blocks(repository, page, "python")
    }
    assert {place: words for place, words in found.items() if len(words) != 1} == {}
    assert len(found) == len(known) >= 20


def test_where_a_snippet_is_not_run_the_named_test_is_there(repository):
    named = {file for why in OTHERS.values() for file in re.findall(r"tests/[\w/]+\.py", why)}
    assert named
    assert [file for file in sorted(named) if not (repository / file).is_file()] == []


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
    printed = run_python(f"{before}\n{text}\n{after}\nprint('to the end')\n", tmp_path)
    assert printed.splitlines()[-1] == "to the end"
