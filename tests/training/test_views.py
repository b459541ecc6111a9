"""A tower that learns from pictures alone: its loss, its views, and what it comes to see."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.encoders.image import ImageEncoder
from genrec.errors import ConfigError
from genrec.training.alignment import contrast
from genrec.training.content_options import ViewsConfig
from genrec.training.views import save_tower, train_tower, two_views

TINY = ViewsConfig(side=16, patch=8, width=16, blocks=1, heads=2, steps=40, batch_size=16)


def pictures(count: int = 32) -> np.ndarray:
    """One plain colour each."""
    colours = np.random.default_rng(0).integers(0, 256, (count, 3, 1, 1))
    return np.broadcast_to(colours, (count, 3, 16, 16)).astype(np.uint8)


def test_the_contrast_equals_its_formula() -> None:
    vectors = torch.eye(2)
    assert contrast(vectors, vectors, 0.5).item() == pytest.approx(
        math.log(1 + math.exp(-2)), abs=1e-6
    )


def test_views_keep_colours_and_differ_in_what_they_show() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(3, 16, 16, dtype=torch.uint8)
    picture[0, :, :8], picture[2, :, 8:] = 255, 255
    views = two_views([picture] * 50)["pixels"]
    assert views.shape == (100, 3, 16, 16)
    assert views.abs().max() <= 1 + 1e-5
    # Nothing green is ever made up, and no two views of a picture are the same.
    assert (views[:, 1] < -1 + 1e-5).all()
    assert not any(torch.equal(one, other) for one, other in zip(*views.chunk(2), strict=True))


def test_training_tells_pictures_apart_and_is_repeatable(tmp_path) -> None:
    first, result = train_tower(pictures(), TINY, folder=tmp_path / "a")
    second, _ = train_tower(pictures(), TINY, folder=tmp_path / "b")
    assert result is not None
    assert result.losses[-1] < 0.6 * result.losses[0]
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_no_steps_keep_the_random_weights(tmp_path) -> None:
    tower, result = train_tower(pictures(), ViewsConfig(side=16, steps=0), folder=tmp_path)
    assert result is None
    assert not tower.training


def shop(folder) -> Catalog:
    """Four pictures, a file that is none, and an item without one."""
    for number, picture in enumerate(pictures(4)):
        Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{number}.png")
    (folder / "4.png").write_bytes(b"no picture")
    names = [f"{number}.png" for number in range(5)] + [None]
    table = {"item_id": [f"i{n}" for n in range(6)], "title": ["thing"] * 6, "image": names}
    return Catalog(pl.DataFrame(table), media=MediaFolder.at(folder))


def test_a_stored_tower_is_read_by_the_image_encoder(tmp_path) -> None:
    (tmp_path / "pictures").mkdir()
    catalog = shop(tmp_path / "pictures")
    tower, _ = train_tower(pictures(4), TINY, folder=tmp_path / "fit")
    save_tower(tower, 16, tmp_path / "tower")
    encoder = ImageEncoder(str(tmp_path / "tower"), cache=tmp_path / "cache", normalise=False)
    vectors = encoder.encode(catalog)
    assert vectors.mask.tolist() == [True] * 4 + [False] * 2
    pixels = torch.from_numpy(pictures(4)).float() / 127.5 - 1
    with torch.no_grad():
        expected = tower(pixel_values=pixels).last_hidden_state.mean(dim=1).numpy()
    assert vectors.vectors[:4] == pytest.approx(expected, abs=0.05)


def test_options_that_do_not_fit_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"(?s)batch_size is 1.*patches of 7"):
        ViewsConfig(patch=7, batch_size=1)
