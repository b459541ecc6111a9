import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs the extra 'media'")

from genrec.creatives.film.overlay import Overlay


def poster(height=60, width=100):
    """A panel left of the picture, a letter that covers and a shade that half covers it."""
    ground = np.full((height, width, 3), 200, np.uint8)
    graphics = np.zeros((height, width, 4), np.uint8)
    graphics[20:30, 60:70] = (10, 20, 30, 255)
    graphics[40:50, 60:70] = (0, 0, 0, 128)
    return graphics, ground, (40, 0, 100, 60)


def test_a_frame_is_seen_where_nothing_stands_over_it_and_nowhere_else():
    graphics, ground, box = poster()
    overlay = Overlay.of(graphics, ground, box, (100, 60))
    frame = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    made = overlay.over(frame)
    assert (made[:, :40] == 200).all()
    clear = ~overlay.covered()
    clear[:, :40] = False
    assert np.array_equal(made[clear], frame[clear[:, 40:]])
    assert (made[20:30, 60:70] == (10, 20, 30)).all()
    half = made[40:50, 60:70] - frame[40:50, 20:30].astype(float) * 127 / 255
    assert np.abs(half).max() < 2


def test_without_a_poster_frames_are_as_they_are():
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert np.array_equal(Overlay.none((64, 48)).over(frame), frame)


@pytest.mark.parametrize("size", [(50, 30), (50, 40), (50, 24), (128, 72)])
def test_a_poster_fills_a_film_of_another_shape_of_sides(size):
    graphics, ground, box = poster()
    overlay = Overlay.of(graphics, ground, box, size)
    assert overlay.size == size
    across, down = overlay.picture_size
    assert (across, down) == (round(size[0] * 0.6), size[1])
    made = overlay.over(np.full((down, across, 3), 90, np.uint8))
    assert made.shape == (size[1], size[0], 3)
    # Above and below the poster its edges go on.
    assert (made[0, -3:] == 90).all()
    assert np.abs(made[-1, :5].astype(int) - 200).max() <= 1
