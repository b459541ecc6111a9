import numpy as np
import pytest

from genrec.data.dataset import Dataset
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, SIZE, draw
from genrec.data.toy_shop import choice_probabilities, load, match
from genrec.errors import ConfigError


@pytest.fixture(scope="module")
def shop():
    return load(items=120, shoppers=200)


def test_the_shop_has_the_size_asked_for_and_is_a_registered_source(shop):
    assert len(shop.catalog) == 120
    assert len(shop.users) == 200
    named = Dataset.load("toy_shop", items=120, shoppers=200)
    assert named.fingerprint == shop.fingerprint


def test_another_seed_is_another_shop(shop):
    assert load(items=120, shoppers=200, seed=1).fingerprint != shop.fingerprint


def test_more_shoppers_leave_the_products_as_they_are(shop):
    assert load(items=120, shoppers=5).catalog.fingerprint == shop.catalog.fingerprint


def test_no_word_of_the_catalogue_gives_away_colour_or_pattern(shop):
    hidden = {*COLOURS, *PATTERNS}
    for item in shop.catalog:
        words = set(item.describe().lower().replace(".", " ").replace(":", " ").split())
        assert not words & hidden


def test_colour_and_pattern_do_not_follow_from_what_words_say(shop):
    oracle = shop.extras["oracle"]
    for kind in SHAPES:
        of_kind = oracle.filter(oracle["kind"] == kind)
        assert of_kind["colour"].n_unique() >= 4
        assert of_kind["pattern"].n_unique() >= 3


def test_nobody_chooses_the_same_twice_and_times_ascend(shop):
    for history in shop.sequences:
        assert 5 <= len(history) <= 20
        assert len(set(history.items.tolist())) == len(history)
        assert (np.diff(history.times) >= 0).all()
        assert (np.diff(history.baskets) >= 0).all()


def test_a_match_is_the_sum_that_the_tastes_say(shop):
    scores = match(shop)
    taste = shop.extras["tastes"].row(0, named=True)
    assert shop.users[0] == taste["user_id"]
    row = shop.extras["oracle"].row(7, named=True)
    price = shop.catalog[7].price
    expected = (
        (row["kind"] in taste["kinds"])
        + (row["colour"] in taste["colours"])
        + 0.5 * (row["pattern"] == taste["pattern"])
        - max(price / taste["budget"] - 1, 0)
    )
    assert scores[0, 7] == pytest.approx(expected)


def test_a_match_follows_the_items_that_are_left(shop):
    fewer = shop.core(3)
    scores = match(fewer)
    assert scores.shape == (len(fewer.users), len(fewer.catalog))
    user, item = str(fewer.users[3]), fewer.catalog[5].id
    original = match(shop)[list(shop.users).index(user), shop.catalog.position(item)]
    assert scores[3, 5] == original


def test_choices_come_as_often_as_the_oracle_says():
    crowd = load(items=40, shoppers=3000)
    scores = match(crowd)
    first = np.array([history.items[0] for history in crowd.sequences])
    expected = np.mean([choice_probabilities(row, np.array([], int)) for row in scores], axis=0)
    observed = np.bincount(first, minlength=40) / len(first)
    # Five standard errors of a share, for the commonest item.
    assert np.abs(observed - expected).max() < 5 * np.sqrt(expected.max() / len(first))


def test_what_was_chosen_has_no_chance_left(shop):
    chances = choice_probabilities(match(shop)[0], np.array([3, 4]))
    assert chances.sum() == pytest.approx(1)
    assert not chances[[3, 4]].any()


def test_pictures_are_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        load(items=40, shoppers=1, seed=3, image_folder=tmp_path / name)
    first = sorted((tmp_path / "one").iterdir())
    assert len(first) == 40
    for picture in first:
        assert picture.read_bytes() == (tmp_path / "two" / picture.name).read_bytes()


def test_every_item_names_its_picture(shop):
    assert [item.image for item in shop.catalog] == [f"{item.id}.png" for item in shop.catalog]


@pytest.mark.parametrize("kind", SHAPES)
def test_a_picture_shows_its_colour_and_its_pattern(kind):
    plain = np.asarray(draw(kind, "red", "plain"), int)
    assert plain.shape == (SIZE, SIZE, 3)
    blue = np.asarray(draw(kind, "blue", "plain"), int)
    red_over_blue = (plain[..., 0] - plain[..., 2]) - (blue[..., 0] - blue[..., 2])
    assert (red_over_blue > 60).mean() > 0.1
    for pattern in PATTERNS[1:]:
        patterned = np.asarray(draw(kind, "red", pattern), int)
        assert (np.abs(patterned - plain).max(axis=2) > 40).mean() > 0.02


def test_too_small_a_shop_and_unknown_products_are_refused():
    with pytest.raises(ConfigError, match="at least 40 items"):
        load(items=10)
    with pytest.raises(ConfigError, match="did you mean 'mug'"):
        draw("mugg", "red", "plain")


def test_pictures_that_are_asked_for_lie_in_the_cache_and_the_catalogue_knows_where(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path))
    drawn = Dataset.load("toy_shop", items=40, shoppers=2, pictures=True)
    media = drawn.catalog.media
    assert media.root.is_relative_to(tmp_path)
    assert media.read(drawn.catalog[0].image).startswith(b"\x89PNG")
    assert Dataset.load("toy_shop", items=40, shoppers=2).catalog.media is None


def test_reviews_change_nothing_else_and_their_stars_follow_the_tastes(shop):
    said = load(items=120, shoppers=200, reviews=True)
    assert said.fingerprint == shop.fingerprint
    table = said.extras["reviews"]
    assert table.height == len(said)
    rows = {str(user): row for row, user in enumerate(said.users)}
    places = said.catalog.positions(table["item_id"].to_list())
    owners = np.array([rows[user] for user in table["user_id"]])
    scores = match(said)[owners, places]
    stars = table["rating"].to_numpy()
    assert set(stars) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert np.corrcoef(scores, stars)[0, 1] > 0.8
