import io
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.encoders import ItemVectors
from genrec.encoders.image import ImageEncoder
from genrec.errors import ConfigError, InputError
from tests.small_towers import VISION_TOWERS, vision_folder

COLOURS = ("red", "green", "blue", "black", "white")


def picture(colour, size=(40, 40), kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    return {name: vision_folder(name, folder / name) for name in VISION_TOWERS}


def catalog(folder, files):
    """Items whose files hold these bytes; ``None`` names no file, ``b''`` is one that is absent."""
    folder.mkdir(exist_ok=True)
    names = []
    for number, content in enumerate(files):
        name = None if content is None else f"{number}.png"
        if content:
            (folder / name).write_bytes(content)
        names.append(name)
    ids = [f"i{number}" for number in range(len(files))]
    table = pl.DataFrame({"item_id": ids, "title": ids, "image": names})
    return Catalog(table.with_columns(pl.col("image").cast(pl.String)), media=MediaFolder(folder))


@pytest.fixture
def five(tmp_path):
    return catalog(tmp_path / "pictures", [picture(colour) for colour in COLOURS])


@pytest.mark.parametrize("name", VISION_TOWERS)
def test_any_tower_gives_vectors_that_do_not_depend_on_the_batch(towers, five, tmp_path, name):
    dimensions = VISION_TOWERS[name][1]
    one = ImageEncoder(towers[name], cache=tmp_path / "a", batch_size=1, workers=1).encode(five)
    all_ = ImageEncoder(towers[name], cache=tmp_path / "b", batch_size=5).encode(five)
    assert one.vectors.shape == (5, dimensions)
    np.testing.assert_allclose(np.linalg.norm(one.vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(one.vectors, all_.vectors, atol=2e-2)
    distances = np.linalg.norm(one.vectors[:, None] - one.vectors[None], axis=2)
    assert distances[~np.eye(5, dtype=bool)].min() > 1e-3


def test_vectors_are_those_of_the_model_itself(towers, five):
    import torch
    from transformers import AutoImageProcessor, CLIPModel

    model = CLIPModel.from_pretrained(towers["clip"]).eval()
    processor = AutoImageProcessor.from_pretrained(towers["clip"], backend="pil")
    with torch.inference_mode():
        pixels = processor(images=Image.new("RGB", (40, 40), "red"), return_tensors="pt")
        expected = model.get_image_features(**pixels).pooler_output[0].numpy()
    found = ImageEncoder(towers["clip"], normalise=False).encode_contents([picture("red")])[0]
    # bfloat16 where the machine computes in it.
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


def test_files_that_cannot_be_used_are_masked_and_listed_with_their_items(towers, tmp_path):
    animated = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(
        animated, "GIF", save_all=True, append_images=[Image.new("RGB", (20, 20), "blue")]
    )
    files = [
        picture("red"),
        picture("red")[:50],
        picture("red", (1, 1)),
        b"not a picture",
        b"",
        None,
        picture("blue", kind="JPEG"),
        animated.getvalue(),
        picture("black", (20_000, 8)),
    ]
    found = ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(
        catalog(tmp_path / "pictures", files)
    )
    assert found.mask.tolist() == [True, False, False, False, False, False, True, True, False]
    assert [one.item_id for one in found.problems] == ["i1", "i2", "i3", "i4", "i8"]
    reasons = " | ".join(one.problem for one in found.problems)
    for reason in ("truncated", "1 x 1", "known format", "no such file", "20000 x 8"):
        assert reason in reasons
    assert np.isfinite(found.vectors).all()
    assert (np.linalg.norm(found.vectors[found.mask], axis=1) > 0.99).all()


def test_what_was_left_out_is_kept_with_the_vectors(towers, tmp_path):
    found = ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(
        catalog(tmp_path / "pictures", [picture("red"), b"broken"])
    )
    found.save(tmp_path / "vectors")
    assert ItemVectors.load(tmp_path / "vectors").problems == found.problems
    assert found.problems[0].file == "1.png"


def test_paths_out_of_the_folder_and_links_are_left_out(towers, tmp_path):
    (tmp_path / "secret.png").write_bytes(picture("red"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "good.png").write_bytes(picture("red"))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    names = ["good.png", "../secret.png", str(tmp_path / "secret.png"), "link.png"]
    table = pl.DataFrame({"item_id": list("abcd"), "title": list("abcd"), "image": names})
    found = ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(
        Catalog(table, media=MediaFolder.at(folder))
    )
    assert found.mask.tolist() == [True, False, False, False]
    assert [one.item_id for one in found.problems] == ["b", "c", "d"]


def test_when_nothing_can_be_used_every_problem_is_named(towers, tmp_path):
    broken = catalog(tmp_path / "pictures", [b"1", b"2", b""])
    with pytest.raises(InputError, match="None of the 3 files") as caught:
        ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(broken)
    assert len(caught.value.problems) == 3


def test_a_catalogue_without_pictures_or_without_their_place_is_refused(towers, five):
    encoder = ImageEncoder(towers["vit"])
    with pytest.raises(InputError, match="No item of the catalogue names a file"):
        encoder.encode(catalog(five.media.root, [None]))
    with pytest.raises(InputError, match="not where they lie"):
        encoder.encode(five.with_media(None))


def test_a_second_run_reads_the_cache_and_runs_no_model(towers, five, tmp_path, monkeypatch):
    first = ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(five)
    again = ImageEncoder(towers["vit"], cache=tmp_path / "cache")
    opened = []
    monkeypatch.setattr(again, "prepare", opened.append)
    second = again.encode(five)
    assert opened == []
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_a_changed_file_is_encoded_again_and_a_copy_is_not(towers, five, tmp_path):
    first = ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(five)
    (five.media.root / "0.png").write_bytes(picture("yellow"))
    (five.media.root / "1.png").write_bytes(picture("blue"))
    second = ImageEncoder(towers["vit"], cache=tmp_path / "cache").encode(five)
    assert np.abs(first.vectors[0] - second.vectors[0]).max() > 1e-3
    np.testing.assert_array_equal(second.vectors[1], first.vectors[2])


def test_progress_is_told_in_items_and_reaches_the_end(towers, five, tmp_path):
    told = []
    ImageEncoder(towers["vit"], cache=tmp_path / "cache", batch_size=2).encode(
        five, lambda done, total: told.append((done, total))
    )
    assert told[0] == (0, 5)
    assert told[-1] == (5, 5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_texts_have_vectors_in_the_space_of_the_pictures(towers, name):
    encoder = ImageEncoder(towers[name], batch_size=2)
    alone = encoder.encode_texts(["striped red mug"])
    among = encoder.encode_texts(["blue lamp", "striped red mug", "red " * 40])
    assert among.shape == (3, encoder.dimensions)
    np.testing.assert_allclose(alone[0], among[1], atol=2e-2)


def test_a_tower_without_words_says_so(towers):
    with pytest.raises(ConfigError, match="no text tower"):
        ImageEncoder(towers["vit"]).encode_texts(["red mug"])


@pytest.mark.parametrize(
    "name", ["./nothing", "../runs/nothing", "runs/nothing/tower", "/no/tower"]
)
def test_a_folder_that_is_not_there_is_named_and_no_hub_is_asked(name):
    with pytest.raises(ConfigError, match=f"could not be loaded: there is no {re.escape(name)}"):
        _ = ImageEncoder(name).model


def test_unfit_options_are_refused_together():
    with pytest.raises(ConfigError, match=r"batch_size is 0.*workers is -1"):
        ImageEncoder("x", batch_size=0, workers=-1)
