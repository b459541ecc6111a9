import numpy as np
import pytest

from genrec.data.toy_oracle import read_picture
from genrec.data.toy_scenes import draw_scene
from genrec.errors import ConfigError


def test_the_same_arguments_give_the_same_pixels_and_another_seed_others():
    first, again, other = (np.asarray(draw_scene("teal", "dots", seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_wall_has_the_hue_that_was_asked_for():
    red, _, blue = np.asarray(draw_scene("red", "plain"), float)[:80].mean((0, 1))
    assert red > blue + 20


def test_an_unknown_colour_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="teal"):
        draw_scene("teel", "dots")


def test_a_scene_shows_no_product():
    assert not read_picture(np.asarray(draw_scene("blue", "plain"))).sure
