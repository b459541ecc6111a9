import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs the extra 'media'")

from PIL import Image

from genrec.creatives.film.identity import Identity
from genrec.creatives.film.motion import WHOLE, Move, moved
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.scenes import Words, storyboard
from genrec.data.toy_pictures import draw
from genrec.errors import InputError

LIMIT = FilmOptions().drift
SIDE = 240


def photo(kind="mug", colour="teal", pattern="dots"):
    return np.asarray(draw(kind, colour, pattern).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def mug():
    """A picture, where its product is, and that product."""
    picture = photo()
    red, _, blue = (picture[..., one].astype(int) for one in range(3))
    product = np.zeros((SIDE, SIDE), bool)
    rows, columns = np.nonzero(blue - red > 30)
    product[rows.min() : rows.max(), columns.min() : columns.max() - 30] = True
    product &= blue - red > 12
    return picture, product, Identity(picture, product)


def test_the_key_frame_is_itself(mug):
    assert mug[2].drift(mug[0]) < 1e-3


def test_a_camera_that_moves_changes_no_product(mug):
    picture, product, identity = mug
    rows, columns = np.flatnonzero(product.any(1)), np.flatnonzero(product.any(0))
    box = (columns[0] / SIDE, rows[0] / SIDE, columns[-1] / SIDE, rows[-1] / SIDE)
    for shot in storyboard(Words("mug"), box, seconds=15, seed=1):
        frames = list(moved(picture, shot.move, size=(160, 160), frames=4))
        assert identity.drifts(frames).max() < LIMIT


def test_grain_of_a_camera_changes_no_product(mug):
    noise = np.random.default_rng(0).normal(0, 15, mug[0].shape)
    assert mug[2].drift(np.clip(mug[0] + noise, 0, 255).astype(np.uint8)) < LIMIT


@pytest.mark.parametrize(
    ("colour", "pattern"),
    [("red", "dots"), ("green", "dots"), ("teal", "plain"), ("teal", "checks")],
)
def test_another_colour_or_pattern_is_another_product(mug, colour, pattern):
    assert mug[2].drift(photo(colour=colour, pattern=pattern)) > LIMIT


def test_a_product_that_is_gone_is_another_product(mug):
    assert mug[2].drift(np.full_like(mug[0], 235)) > LIMIT
    assert mug[2].drift(photo(kind="lamp")) > LIMIT


def test_a_picture_without_a_product_is_refused(mug):
    with pytest.raises(InputError, match="shows no product"):
        Identity(mug[0], np.zeros((SIDE, SIDE), bool))
    assert Move(WHOLE, WHOLE).at(0.3) == WHOLE
