import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw
from genrec.diffusion.copies import copied, distances, look_of, near_copy


def drawn(seed, side=96):
    """A few soft blobs of colour."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (5, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def jpeg(pixels, quality=60):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))


def resized(pixels, side):
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


@given(st.integers(0, 10_000))
def test_a_picture_is_at_no_distance_from_itself(seed):
    look = look_of(drawn(seed))
    assert distances(look, look) == (0, 0.0)


@given(st.integers(0, 10_000))
def test_a_compressed_a_resized_and_a_brighter_copy_are_found(seed):
    pixels = drawn(seed)
    brighter = (pixels.astype(float) * 0.96 + 8).astype(np.uint8)
    own = look_of(pixels)
    assert all(
        near_copy(own, look_of(copy)) for copy in (jpeg(pixels), resized(pixels, 61), brighter)
    )


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_distances_are_the_same_both_ways(one, other):
    a, b = look_of(drawn(one)), look_of(drawn(other))
    assert distances(a, b) == distances(b, a)


def test_different_pictures_are_no_copies():
    looks = [look_of(drawn(seed)) for seed in range(60)]
    pairs = [(a, b) for n, a in enumerate(looks) for b in looks[:n]]
    assert len(pairs) == 1770
    assert not [pair for pair in pairs if near_copy(*pair)]


def test_different_products_before_the_same_wall_are_no_copies():
    designs = [(k, c, p) for k in SHAPES for c in list(COLOURS)[::3] for p in PATTERNS[::2]]
    looks = [look_of(np.asarray(draw(*one, seed=n))) for n, one in enumerate(designs)]
    pairs = [(a, b) for n, a in enumerate(looks) for b in looks[:n]]
    assert len(pairs) > 500
    assert not [pair for pair in pairs if near_copy(*pair)]


def test_the_same_form_in_another_colour_is_no_copy():
    pixels = drawn(1)
    assert not copied(pixels[..., ::-1].copy(), [pixels])


def test_flat_pictures_are_told_apart_by_their_colour():
    white, grey = np.full((32, 32, 3), 255, np.uint8), np.full((32, 32, 3), 200, np.uint8)
    assert distances(look_of(white), look_of(grey))[0] == 0
    assert copied(white, [grey, white]) == [1]


def test_without_a_history_nothing_is_copied():
    assert copied(drawn(1), []) == []
