import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.film.motion import WHOLE
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.scenes import Words, frames_of_shots, storyboard
from genrec.errors import ConfigError

BOX = (0.3, 0.35, 0.7, 0.8)
WORDS = Words("Alba lamp", "For your living room", "Linen and oak", "$48.00", "Have a look")


def test_six_seconds_have_two_scenes_and_fifteen_three():
    six, fifteen = (storyboard(WORDS, BOX, seconds=n, seed=0) for n in (6, 15))
    assert [shot.role for shot in six] == ["opening", "offer"]
    assert [shot.role for shot in fifteen] == ["opening", "detail", "offer"]
    for shots in (six, fifteen):
        assert shots[0].headline == "For your living room"
        last = shots[-1]
        assert (last.headline, last.price, last.call) == ("Alba lamp", "$48.00", "Have a look")
        assert sum(shot.share for shot in shots) == pytest.approx(1)
    assert fifteen[1].headline == "Linen and oak"


def test_the_same_seed_moves_the_camera_the_same_way():
    one, two = (storyboard(WORDS, BOX, seconds=15, seed=5) for _ in range(2))
    assert one == two
    ways = {str(storyboard(WORDS, BOX, seconds=15, seed=n)[1].move) for n in range(12)}
    assert len(ways) > 3


def test_an_ad_with_a_name_alone_still_makes_a_film():
    shots = storyboard(Words("Alba lamp"), WHOLE, seconds=15, seed=0)
    assert [shot.headline for shot in shots] == ["Alba lamp"] * 3
    assert all(shot.move.start == shot.move.end == WHOLE for shot in shots)


@given(st.integers(1, 900), st.sampled_from([6, 15]))
def test_scenes_have_as_many_frames_as_the_film(frames, seconds):
    counts = frames_of_shots(storyboard(WORDS, BOX, seconds=seconds, seed=0), frames)
    assert sum(counts) == frames
    assert min(counts) >= 0


def test_what_no_placement_sells_is_refused_with_all_that_is_wrong():
    with pytest.raises(ConfigError) as error:
        FilmOptions(seconds=7, format="storry", side=65, fps=0, drift=2)
    told = str(error.value)
    for words in ("seconds is 7", "did you mean 'story'", "side is 65", "fps is 0", "drift is 2"):
        assert words in told
    assert FilmOptions(format="wide", side=360).size == (640, 360)
    assert FilmOptions(seconds=15, fps=30).frames == 450
