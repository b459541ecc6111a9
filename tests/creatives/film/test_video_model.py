import numpy as np
import pytest

from genrec.creatives.film.identity import Identity
from genrec.creatives.film.making import MOVED, make_film
from genrec.creatives.film.motion import WHOLE, Move
from genrec.creatives.film.mux import inspect
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.overlay import Overlay
from genrec.creatives.film.scenes import Scene, Shot
from genrec.creatives.film.video_model import VideoModel
from genrec.errors import ConfigError

pytest.importorskip("diffusers", reason="needs the extra 'diffusion'")
pytest.importorskip("av", reason="needs the extra 'media'")


def scene(side=64):
    """A red block before a pale wall."""
    picture = np.full((side, side, 3), 225, np.uint8)
    product = np.zeros((side, side), bool)
    product[side // 3 : -side // 5, side // 3 : -side // 3] = True
    picture[product] = (190, 40, 30)
    shot = Shot("opening", 1.0, Move(WHOLE, WHOLE), "A block", prompt="it stands still")
    return Scene(shot, picture, product, Overlay.none((side, side)))


@pytest.mark.parametrize("family", ["ltx", "wan", "svd", "animatediff"])
def test_each_family_animates_a_picture_the_same_way_twice(family, tmp_path):
    from tests.creatives.film.small_videos import saved

    options = FilmOptions(model=saved(family, tmp_path / family), steps=1, side=64)
    model = VideoModel.load(options)
    frames = model.animate(scene(), frames=7, seed=3)
    assert len(frames) == 7
    assert {frame.shape for frame in frames} == {(64, 64, 3)}
    again = VideoModel.load(options).animate(scene(), frames=7, seed=3)
    assert np.array_equal(frames, again)
    other = model.animate(scene(), frames=7, seed=4)
    assert not np.array_equal(frames, other)
    assert model.identity["pipeline"] == model.kind.pipeline


def test_a_model_that_changes_the_product_is_not_shown(tmp_path):
    from tests.creatives.film.small_videos import saved

    options = FilmOptions(
        format="square", model=saved("svd", tmp_path / "svd"), steps=1, side=64, fps=1
    )
    # Random weights make noise of everything, the product included.
    film = make_film([scene()], options, animator=VideoModel.load(options))
    (check,) = film.checks
    assert check.made_by == MOVED
    assert check.rejected == check.frames == 6
    assert check.rejected_drift > options.drift
    assert "the product drifted" in film.notes[0]
    still = make_film([scene()], options)
    assert np.abs(film.still.astype(int) - still.still).max() == 0
    assert inspect(film.content).frames == 6


def test_frames_that_keep_the_product_are_shown():
    class Steady:
        """Holds the picture, a little darker each time."""

        name, identity = "steady", {}

        def animate(self, scene, *, frames, seed):
            return [(scene.picture * (1 - 0.001 * n)).astype(np.uint8) for n in range(frames)]

    options = FilmOptions(format="square", side=64, fps=1)
    film = make_film([scene()], options, animator=Steady())
    (check,) = film.checks
    assert (check.made_by, check.rejected) == ("steady", 0)
    assert check.drift < 0.02
    assert film.notes == ()
    assert Identity(scene().picture, scene().product).drift(film.still) < 0.05


def test_what_is_no_film_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be loaded"):
        VideoModel.load(FilmOptions(model=str(tmp_path / "nothing")))
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ConfigError, match="films are made by LTX, Wan"):
        VideoModel.load(FilmOptions(model=str(tmp_path)))
