import itertools

import numpy as np
import pytest

from genrec.data.toy_oracle import read_picture
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw

EVERYTHING = list(itertools.product(SHAPES, COLOURS, PATTERNS))


def read(kind, colour, pattern, seed):
    picture = draw(kind, colour, pattern, seed=seed).resize((64, 64))
    seen = read_picture(np.asarray(picture))
    return (seen.kind, seen.colour, seen.pattern), seen.sure


@pytest.mark.parametrize("number", range(0, len(EVERYTHING), 13))
def test_a_clean_drawing_is_read_as_what_it_was_drawn_from(number):
    assert read(*EVERYTHING[number], seed=number) == (EVERYTHING[number], True)


@pytest.mark.slow
def test_every_combination_is_read_right():
    wrong = [one for n, one in enumerate(EVERYTHING) if read(*one, seed=500 + n)[0] != one]
    assert wrong == []


def test_noise_is_nothing_to_be_sure_of():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert not read_picture(noise).sure


def test_an_empty_wall_is_no_product():
    assert not read_picture(np.full((64, 64, 3), 240, np.uint8)).sure


@pytest.mark.parametrize("kind", list(SHAPES))
def test_checks_whose_columns_are_fainter_than_their_rows_are_checks(kind):
    checks, stripes = (
        np.asarray(draw(kind, "blue", pattern, seed=3).resize((64, 64)), float)
        for pattern in ("checks", "stripes")
    )
    mixed = (0.75 * checks + 0.25 * stripes).round().astype(np.uint8)
    assert read_picture(mixed).pattern == "checks"
