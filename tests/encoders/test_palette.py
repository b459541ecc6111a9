import io

import numpy as np
import pytest

from genrec.data.toy_pictures import draw
from genrec.encoders.palette import COLOUR_BINS, DIMENSIONS, PaletteEncoder, palette_vector
from genrec.errors import InputError


def vector(kind, colour, pattern, seed=0):
    return palette_vector(np.asarray(draw(kind, colour, pattern, seed=seed)))


def far(one, other):
    return float(np.linalg.norm(one - other))


def test_both_parts_are_shares_that_add_up():
    found = vector("mug", "red", "dots")
    assert found.shape == (DIMENSIONS,)
    assert np.square(found[:COLOUR_BINS]).sum() == pytest.approx(1, abs=1e-5)
    assert np.square(found[COLOUR_BINS:]).sum() == pytest.approx(1, abs=1e-5)


def test_a_colour_is_nearer_to_itself_on_another_product_than_to_another_colour():
    red_mug = vector("mug", "red", "plain")
    assert far(red_mug, vector("bag", "red", "plain", 1)) < far(
        red_mug, vector("mug", "blue", "plain", 1)
    )


def test_a_pattern_is_nearer_to_itself_than_to_another():
    texture = slice(COLOUR_BINS, None)
    striped = vector("shirt", "green", "stripes")[texture]
    assert far(striped, vector("cushion", "green", "stripes", 1)[texture]) < far(
        striped, vector("shirt", "green", "checks", 1)[texture]
    )


def test_an_even_picture_has_a_vector_too():
    found = palette_vector(np.full((20, 20, 3), 200, np.uint8))
    assert np.isfinite(found).all() and found.any()


def test_the_encoder_gives_the_vectors_of_the_files(tmp_path):
    buffer = io.BytesIO()
    picture = draw("mug", "red", "dots")
    picture.save(buffer, "PNG")
    found = PaletteEncoder(cache=tmp_path).encode_contents([buffer.getvalue()])
    assert np.allclose(found[0], palette_vector(np.asarray(picture)) / np.sqrt(2), atol=1e-5)


def test_a_broken_file_is_named():
    with pytest.raises(InputError, match="1 of 1"):
        PaletteEncoder().encode_contents([b"no picture"])
