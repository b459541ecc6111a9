import numpy as np
import pytest

from genrec.data import toy_shop
from genrec.data.toy_pictures import COLOURS, PATTERNS, draw
from genrec.encoders.palette import PaletteEncoder
from genrec.errors import InputError
from genrec.evaluation.closed_world import judge_closed_world
from tests.small import small_dataset

PICTURES = 10


@pytest.fixture(scope="module")
def shop():
    return toy_shop.load(items=60, shoppers=12, pictures=True)


@pytest.fixture(scope="module")
def vectors(shop):
    return PaletteEncoder().encode(shop.catalog)


class Artist:
    """Draws what words say; what they leave open as in the shop's item nearest to the taste."""

    def __init__(self, shop, vectors):
        self.items = shop.extras["oracle"].to_dicts()
        self.vectors, self.calls = vectors.vectors, []

    def __call__(self, jobs):
        self.calls.append([job.seed for job in jobs])
        return [self.drawn(job) for job in jobs]

    def drawn(self, job):
        words = job.prompt.replace(",", "").split()
        near = {} if job.taste is None else self.items[int(np.argmax(self.vectors @ job.taste))]
        colour = next((word for word in words if word in COLOURS), near.get("colour", "grey"))
        pattern = next((word for word in words if word in PATTERNS), near.get("pattern", "plain"))
        kind = next(word for word in words if word in {item["kind"] for item in self.items})
        return np.asarray(draw(kind, colour, pattern, seed=job.seed))


def judged(shop, vectors, paint, **options):
    users = [str(user) for user in shop.users]
    return judge_closed_world(shop, vectors, users, paint, pictures=PICTURES, **options)


def test_an_artist_who_knows_the_taste_meets_it_and_one_who_does_not_is_at_chance(shop, vectors):
    world = judged(shop, vectors, Artist(shop, vectors))
    assert world.taste.apart > 0.8 and world.taste.kind == 1.0
    assert 0.2 < world.no_taste.apart < 0.8
    assert world.attributes_kept == 1.0 and world.kept["pattern"] == 1.0


def test_a_near_copy_is_painted_anew_and_counted_only_if_it_stays_one(shop, vectors, monkeypatch):
    artist = Artist(shop, vectors)
    # The first two attempts at the first picture are near-copies, every attempt at the second is.
    first, second = 1000, 1001
    monkeypatch.setattr(
        "genrec.evaluation.closed_world.copied",
        lambda picture, history: [0] if id(picture) in marked else [],
    )
    marked, kept = set(), []

    def paint(jobs):
        pictures = artist(jobs)
        kept.extend(pictures)
        for job, picture in zip(jobs, pictures, strict=True):
            far = (job.seed - first) // 1_000_003
            if job.seed % 1_000_003 == second or (job.seed % 1_000_003 == first and far < 2):
                marked.add(id(picture))
        return pictures

    world = judged(shop, vectors, paint, attempts=3)
    assert world.near_copies_first == pytest.approx(2 / PICTURES)
    assert world.near_copies == pytest.approx(1 / PICTURES)
    assert [len(call) for call in artist.calls[:3]] == [PICTURES, 2, 2]


def test_only_the_toy_shop_has_known_tastes(vectors):
    with pytest.raises(InputError, match="toy_shop"):
        judge_closed_world(small_dataset(), vectors, ["a", "b"], lambda jobs: [], pictures=2)
