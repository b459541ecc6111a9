import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("PIL", reason="needs the extra 'media'")

from genrec.creatives.film.motion import WHOLE, Move, moved, window

SHARES = st.floats(0, 1)


def boxes():
    return st.tuples(SHARES, SHARES, SHARES, SHARES).map(
        lambda one: (
            min(one[0], one[2]),
            min(one[1], one[3]),
            max(one[0], one[2]),
            max(one[1], one[3]),
        )
    )


def through(product, seen):
    """Where a product stands in a frame."""
    width = seen[2] - seen[0]
    return [(edge - seen[one % 2]) / width for one, edge in enumerate(product)]


@given(boxes(), st.tuples(SHARES, SHARES, SHARES, SHARES), st.floats(0.5, 1), SHARES, st.data())
def test_the_camera_keeps_the_product_in_its_room(product, margins, width, share, data):
    left, top, right, bottom = product
    room = (
        left * margins[0],
        top * margins[1],
        right + (1 - right) * margins[2],
        bottom + (1 - bottom) * margins[3],
    )
    aside = (data.draw(SHARES), data.draw(SHARES))
    near = window(product, room, width, aside=aside)
    for seen in (near, Move(WHOLE, near).at(share)):
        assert min(seen) >= -1e-9
        assert max(seen) <= 1 + 1e-9
        found = through(product, seen)
        assert all(found[one] >= room[one] - 1e-6 for one in (0, 1))
        assert all(found[one] <= room[one] + 1e-6 for one in (2, 3))


def test_a_still_window_shows_the_picture_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    frames = list(moved(picture, Move(WHOLE, WHOLE), size=(30, 40), frames=3))
    assert all(np.array_equal(frame, picture) for frame in frames)


def test_movement_is_smooth_and_the_same_every_time():
    x = np.linspace(0, 255, 160, dtype=np.uint8)
    picture = np.repeat(np.tile(x, (90, 1))[..., None], 3, axis=2)
    move = Move(WHOLE, (0.2, 0.1, 0.9, 0.8))
    frames = list(moved(picture, move, size=(80, 45), frames=40))
    again = list(moved(picture, move, size=(80, 45), frames=40))
    assert np.array_equal(frames, again)
    centre = np.array([float(frame[22, 40, 0]) for frame in frames])
    # A ramp that glides to the left: the middle gets brighter, without a jump or a step back.
    assert (np.diff(centre) >= 0).all()
    assert np.diff(centre).max() <= 2
