import numpy as np
import pytest

pytest.importorskip("resvg_py", reason="needs the extra 'ads'")

from genrec.creatives.artist import NOBODY
from genrec.creatives.media import PICTURE, MediaJob, Says
from genrec.creatives.photos import Photos
from genrec.creatives.picture_options import PictureOptions
from genrec.creatives.studio import Order, Studio
from genrec.diffusion.picture import COPY_OF_HISTORY, UNSAFE, Picture, PictureJob
from tests.creatives.small_pictures import photographed


class Palette:
    """Paints walls of one colour each, and says which of them nobody may see."""

    model, identity, reads_taste, taste_dims = "palette", {}, False, 0

    def __init__(self, flagged=(), flag=COPY_OF_HISTORY):
        self.flagged, self.flag, self.asked = flagged, flag, []

    def job(self, wish, *, attempt=0):
        return PictureJob("a wall", wish.seed + attempt)

    def paint(self, wishes, *, attempt=0, progress=None):
        self.asked.append((len(wishes), attempt))
        made = []
        for wish in wishes:
            shade = np.linspace(235, 180, 64)[:, None, None] * np.array([1.0, 0.92, 0.85])
            pixels = np.broadcast_to(shade, (64, 64, 3)).astype(np.uint8)
            flags = (self.flag,) if attempt in self.flagged else ()
            made.append(Picture(pixels, wish.seed + attempt, flags, self.model, "like number 3"))
        return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return Photos(photographed(tmp_path_factory.mktemp("photos")).catalog)


def order(photos, item="p0", number=0, **says):
    words = Says(**{"headline": "Teal lamp", "price": "$4.50", "call": "Have a look", **says})
    job = MediaJob(f"{number:032x}", PICTURE, item, -1, "en", 0, "leaderboard", words)
    return Order(job, photos.catalog[item], None, NOBODY)


def test_one_batch_paints_the_first_background_of_every_scene(photos):
    artist = Palette()
    studio = Studio(photos, PictureOptions(layouts=("leaderboard",)), artist=artist)
    orders = [order(photos, item, n) for n, item in enumerate(("p0", "p1", "p0"))]
    made = dict(medium_of(studio.make(orders)))
    assert len(made) == 3
    # Two scenes for three orders, in one call.
    assert artist.asked[0] == (2, 0)
    assert {one.background for one in made.values()} <= {"painted", "plain"}


def medium_of(made):
    return ((medium.id, medium) for medium, _ in made)


def test_a_flagged_background_is_painted_again_and_told(photos):
    artist = Palette(flagged=(0,))
    studio = Studio(photos, PictureOptions(layouts=("leaderboard",)), artist=artist)
    ((medium, content),) = studio.make([order(photos)])
    assert content
    assert artist.asked[:2] == [(1, 0), (1, 1)]
    assert medium.flags == (COPY_OF_HISTORY,)
    assert any("like number 3" in note for note in medium.notes)


def test_where_all_are_flagged_a_plain_one_is_taken(photos):
    options = PictureOptions(layouts=("leaderboard",), attempts=2)
    studio = Studio(photos, options, artist=Palette(flagged=(0, 1)))
    ((medium, content),) = studio.make([order(photos)])
    assert content
    assert (medium.background, medium.model) == ("plain", "")
    assert medium.source == "compositeSynthetic"
    assert len(medium.tries) == 2


@pytest.mark.parametrize(
    ("flag", "allowed", "shown"),
    [(UNSAFE, False, False), (UNSAFE, True, True), (COPY_OF_HISTORY, True, False)],
)
def test_what_is_flagged_is_noted_and_shown_only_if_that_is_allowed(photos, flag, allowed, shown):
    options = PictureOptions(
        layouts=("leaderboard",), attempts=1, safety="checker", allow_unsafe=allowed
    )
    studio = Studio(photos, options, artist=Palette(flagged=(0,), flag=flag))
    ((medium, content),) = studio.make([order(photos, "p1")])
    assert content
    assert medium.flags == (flag,)
    assert (medium.background == "painted") == shown
    assert medium.details.get("flags", []) == ([flag] if shown else [])
    assert any("like number 3" in note for note in medium.notes)
    assert any("allow_unsafe" in note for note in medium.notes) == shown


def test_words_that_do_not_fit_are_left_out_and_told(photos):
    studio = Studio(photos, PictureOptions(layouts=("leaderboard",)))
    long = "A lamp of linen and oak that stands wherever light is wanted, " * 4
    ((medium, content),) = studio.make([order(photos, headline=long.strip())])
    assert content
    assert "the whole title did not fit" in " ".join(medium.notes)
    ((medium, _),) = studio.make([order(photos, disclosure="so " * 300)])
    assert "disclosure" in medium.failure


def test_a_photo_that_is_no_picture_costs_only_its_own_orders(photos):
    studio = Studio(photos, PictureOptions(layouts=("leaderboard",)))
    orders = [order(photos, "p3", 1), order(photos, "p0", 2), order(photos, "p2", 3)]
    made = dict(medium_of(studio.make(orders)))
    failures = {medium.item: bool(medium.failure) for medium in made.values()}
    assert failures == {"p0": False, "p2": True, "p3": True}
