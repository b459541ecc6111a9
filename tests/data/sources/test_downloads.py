"""Every loader of a public format on a small hand-made sample with a known answer."""

import json
import logging

import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, InputError
from tests.data.sources import small_downloads as small
from tests.data.sources.small_downloads import BEGIN, DAY, EVENTS, ITEMS, USERS


def amazon(write, **options):
    return write, "amazon_reviews", {"domain": "Tools", **options}


CASES = {
    "amazon 2014, 5-core": amazon(small.amazon2014, edition="2014"),
    "amazon 2014, all, Python's quotes": amazon(small.amazon2014, edition="2014", form="all"),
    "amazon 2014, ratings": amazon(small.amazon2014, edition=2014, form="ratings"),
    "amazon 2018, 5-core": amazon(small.amazon2018, edition="2018"),
    "amazon 2018, ratings": amazon(small.amazon2018, edition="2018", form="ratings"),
    "amazon 2023, all": amazon(small.amazon2023),
    "amazon 2023, 0-core": amazon(small.amazon2023, form="ratings"),
    "movielens 100k": (small.ml_100k, "movielens", {"edition": "ml-100k"}),
    "movielens 1m": (small.ml_1m, "movielens", {"edition": "ml-1m"}),
    "movielens 25m": (small.ml_25m, "movielens", {"edition": "ml-25m"}),
    "movielens 32m": (small.ml_25m, "movielens", {"edition": "ml-32m"}),
    "mind, two parts": (small.mind, "mind", {"parts": ["train", "dev"]}),
    "microlens": (small.microlens, "microlens", {}),
    "last.fm 1k": (small.lastfm_1k, "lastfm", {"edition": "1k"}),
    "last.fm 360k": (small.lastfm_360k, "lastfm", {"edition": "360k"}),
    "last.fm hetrec": (small.lastfm_hetrec, "lastfm", {"edition": "hetrec"}),
    "hm": (small.hm, "hm", {}),
    "yelp": (small.yelp, "yelp", {}),
    "steam": (small.steam, "steam", {}),
    "online retail": (small.online_retail, "online_retail", {}),
}  # fmt: skip
NEEDS = {  # files without which nothing can be loaded
    "amazon_reviews": 2, "movielens": 2, "mind": 4, "microlens": 2, "lastfm": 1, "hm": 2, "yelp": 2,
    "steam": 2, "online_retail": 1,
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_format_gives_the_same_histories(case, tmp_path):
    write, source, options = CASES[case]
    write(tmp_path)
    data = Dataset.load(source, folder=tmp_path, **options)
    assert (len(data.users), len(data.catalog), len(data)) == (USERS, ITEMS, USERS * EVENTS)
    titles = [item.title for item in data.catalog]
    assert len(set(titles)) == ITEMS
    # Who an item is can be told by the first user who took it: user 0 took item 0 first.
    first = data.sequences[0].items
    number = {int(position): place for place, position in enumerate(first)}
    second = next(
        data.sequences[row].items
        for row in range(USERS)
        if data.sequences[row].items[0] == first[1]
    )
    assert [number.get(int(item)) for item in second[: EVENTS - 1]] == list(range(1, EVENTS))


@pytest.mark.parametrize("case", [c for c in CASES if "360k" not in c and "hetrec" not in c])
def test_times_are_seconds_whatever_the_file_counts(case, tmp_path):
    write, source, options = CASES[case]
    write(tmp_path)
    times = Dataset.load(source, folder=tmp_path, **options).events["time"]
    # Last.fm's second play of a day, MIND's past at the first impression, files of whole days.
    slack = 3 * DAY if source == "mind" else DAY
    assert BEGIN - slack <= times.min() <= BEGIN + slack
    assert BEGIN + (EVENTS - 2) * DAY <= times.max() <= BEGIN + EVENTS * DAY


@pytest.mark.parametrize("source", NEEDS)
def test_missing_files_are_named_all_at_once_with_where_to_get_them(source, tmp_path, monkeypatch):
    options = {"domain": "Tools"} if source == "amazon_reviews" else {}
    options |= {"parts": ["train", "dev"]} if source == "mind" else {}
    options |= {"edition": "ml-25m"} if source == "movielens" else {}
    with pytest.raises(InputError) as caught:
        Dataset.load(source, folder=tmp_path / "nowhere", **options)
    assert len(caught.value.problems) == NEEDS[source]
    message = str(caught.value)
    assert "the page" in message and "is no folder" in message and "data.options.folder" in message
    if source not in ("online_retail",):
        monkeypatch.setenv("GENREC_DATA", str(tmp_path))
        with pytest.raises(InputError, match="GENREC_DATA"):
            Dataset.load(source, **options)


@pytest.mark.parametrize(
    ("case", "file", "line"),
    [
        ("amazon 2014, 5-core", "reviews_Tools_5.json.gz", '{"reviewerID": "A1", "asin": \n'),
        ("amazon 2014, all, Python's quotes", "meta_Tools.json.gz", "{'asin': 'B1', \n"),
        ("amazon 2014, ratings", "ratings_Tools.csv", "A1,B000000001,five,1400000000\n"),
        ("amazon 2018, ratings", "Tools.csv", "B000000001,A1,5.0\n"),
        ("amazon 2023, all", "Tools.jsonl", "[1, 2]\n"),
        ("amazon 2023, 0-core", "Tools.csv.gz", "AE1,B000000001,5.0,yesterday\n"),
        ("movielens 100k", "u.data", "1\t2\t3\n"),
        ("movielens 1m", "ratings.dat", "1::2::3::x\n"),
        ("movielens 25m", "ratings.csv", "1,,3.5,1400000000\n"),
        ("mind, two parts", "MINDsmall_dev/behaviors.tsv", "9\tU1\tnoon\tN1\tN2-1\n"),
        ("microlens", "MicroLens-50k_pairs.csv", "1,2\n"),
        ("last.fm 1k", "userid-timestamp-artid-artname-traid-traname.tsv", "user_000001\tx\n"),
        ("last.fm 360k", "usersha1-artmbid-artname-plays.tsv", "sha1\tm\tBand\t\n"),
        ("last.fm hetrec", "user_artists.dat", "2\t1\n"),
        ("hm", "transactions_train.csv", "2018-13-40,c,1,0.05,2\n"),
        ("yelp", "yelp_academic_dataset_review.json", "nonsense\n"),
        ("steam", "steam_reviews.json.gz", "{u'username': \n"),
    ],
)
def test_a_broken_line_is_named_and_left_out_when_asked(case, file, line, tmp_path, caplog):
    write, source, options = CASES[case]
    write(tmp_path)
    path = tmp_path / file
    text = small.gzip.open(path, "rt").read() if path.suffix == ".gz" else path.read_text()
    small.write(path, text + line)
    with pytest.raises(InputError) as caught:
        Dataset.load(source, folder=tmp_path, **options)
    assert len(caught.value.problems) == 1
    assert f"line {text.count(chr(10)) + 1}:" in caught.value.problems[0]
    assert "broken=drop" in str(caught.value)
    with caplog.at_level(logging.WARNING):
        data = Dataset.load(source, folder=tmp_path, broken="drop", **options)
    assert len(data) == USERS * EVENTS
    assert "1 broken rows" in caplog.text


def test_amazon_items_say_what_the_metadata_say(tmp_path):
    small.amazon2014(tmp_path / "a")
    small.amazon2018(tmp_path / "b")
    small.amazon2023(tmp_path / "c")
    load = {"domain": "Tools"}
    first = Dataset.load("amazon_reviews", edition="2014", folder=tmp_path / "a", **load).catalog
    hammer = first[small.asin(2)]
    assert hammer.title == "Hammer No. 2 & nails" and hammer.price == 5.5
    assert hammer.text == "For the 2th time"
    assert dict(hammer.attributes) == {"brand": "O'Brien", "category": "Hand > Hammers"}
    assert first[small.asin(ITEMS - 1)].title == small.asin(ITEMS - 1)
    second = Dataset.load("amazon_reviews", edition="2018", folder=tmp_path / "b", **load).catalog
    assert [second[small.asin(i)].price for i in range(4)] == [1299.0, 7.5, None, None]
    assert second[small.asin(0)].text == "Cuts. Sharp"
    assert second[small.asin(0)].attributes["category"] == "Hand & Power > Saws"
    third = Dataset.load("amazon_reviews", folder=tmp_path / "c", **load).catalog
    assert [third[small.asin(i)].price for i in range(4)] == [12.5, None, None, 9.99]
    assert [third[small.asin(i)].attributes["brand"] for i in (0, 1)] == ["Bohr", "Bohr & Co"]


def test_amazon_reviews_keep_their_texts_when_asked(tmp_path):
    small.amazon2014(tmp_path)
    data = Dataset.load(
        "amazon_reviews", domain="Tools", edition="2014", folder=tmp_path, reviews=True
    )
    review = data.extras["reviews"].row(0, named=True)
    assert (review["rating"], review["headline"], review["text"]) == (
        1.0,
        "Fine 0",
        "It's fine,\n0",
    )
    with pytest.raises(ConfigError, match="no texts"):
        Dataset.load("amazon_reviews", domain="Tools", form="ratings", reviews=True)


def test_what_stands_there_twice_counts_once(tmp_path):
    small.amazon2018(tmp_path)
    text = (tmp_path / "Tools.csv").read_text()
    small.write(tmp_path / "Tools.csv", text + text)
    data = Dataset.load(
        "amazon_reviews", domain="Tools", edition="2018", form="ratings", folder=tmp_path
    )
    assert len(data) == USERS * EVENTS


def test_fewer_stars_are_left_out(tmp_path):
    small.ml_1m(tmp_path)
    data = Dataset.load("movielens", edition="ml-1m", folder=tmp_path, min_rating=4)
    assert len(data) == sum(1 + item % 5 >= 4 for _, item, _ in small.events())
    with pytest.raises(ConfigError, match="min_rating is 6"):
        Dataset.load("movielens", edition="ml-1m", folder=tmp_path, min_rating=6)


def test_films_have_year_genres_and_raters(tmp_path):
    small.ml_100k(tmp_path / "a")
    small.ml_1m(tmp_path / "b")
    small.ml_25m(tmp_path / "c")
    old = Dataset.load("movielens", edition="ml-100k", folder=tmp_path / "a")
    film = old.catalog["3"]
    assert (film.title, dict(film.attributes)) == (
        "Café 2",
        {"year": 1995, "genres": "Adventure, Comedy"},
    )
    assert old.user_table.row(0) == ("1", 20, "F", "writer", "00000")
    film = Dataset.load("movielens", edition="ml-1m", folder=tmp_path / "b").catalog["1"]
    assert (film.title, film.attributes["genres"]) == ("Café: The 0", "Comedy, Crime")
    new = Dataset.load("movielens", edition="ml-25m", folder=tmp_path / "c")
    assert new.catalog["1"].title == "Café, The 0" and "genres" not in new.catalog["1"].attributes
    assert new.extras["tags"].row(0) == ("1", "2", "slow, grey", BEGIN)


def test_impressions_of_news_are_kept_beside_the_clicks(tmp_path):
    small.mind(tmp_path)
    data = Dataset.load("mind", folder=tmp_path, parts=["train", "dev"])
    shown = data.extras["impressions"]
    assert shown.height == USERS * 4 * 3
    assert shown.filter(pl.col("clicked")).height == USERS * 4
    assert shown["impression_id"].n_unique() == USERS * 4
    assert data.catalog["N3"].title == 'A "quoted" 3' and data.catalog["N3"].text == "About 3"
    without = Dataset.load("mind", folder=tmp_path, parts=["train"], impressions=False)
    assert not without.extras and len(without) == USERS * 5
    with pytest.raises(ConfigError, match="did you mean 'dev'"):
        Dataset.load("mind", folder=tmp_path, parts=["dve"])


def test_impressions_that_do_not_tell_clicks_have_none(tmp_path):
    small.mind(tmp_path)
    path = tmp_path / "MINDsmall_train" / "behaviors.tsv"
    path.write_text(path.read_text().replace("-0", "").replace("-1", ""))
    shown = Dataset.load("mind", folder=tmp_path).extras["impressions"]
    assert shown["clicked"].null_count() == shown.height


def test_short_films_have_titles_with_commas_and_the_files_that_are_there(tmp_path):
    small.microlens(tmp_path)
    data = Dataset.load("microlens", folder=tmp_path)
    assert data.catalog["1"].title == "Dogs, 0" and data.catalog["2"].title == 'Cats, and "1"'
    assert data.catalog["2"].attributes["views"] == 100
    assert data.catalog["2"].video == "MicroLens-50k_videos/2.mp4"
    assert data.catalog.media.read(data.catalog["2"].video) == b"film"
    assert sum(name is not None for name in data.catalog.files("image")) == 3
    again = Dataset.load("microlens", folder=tmp_path / "sequences")
    assert "time" not in again.events.columns
    assert [list(one.items) for one in again.sequences] == [
        list(one.items) for one in data.sequences
    ]


def test_music_by_track_and_with_repeats(tmp_path):
    small.lastfm_1k(tmp_path)
    kept = Dataset.load("lastfm", folder=tmp_path, repeats="keep")
    assert len(kept) == 2 * USERS * EVENTS
    tracks = Dataset.load("lastfm", folder=tmp_path, items="tracks")
    assert len(tracks.catalog) == 2 * ITEMS and len(tracks) == 2 * USERS * EVENTS
    assert tracks.catalog["Band 3 - Song 1"].attributes["artist"] == "Band 3"
    assert kept.user_table.height == USERS and kept.user_table["country"][0] == "Spain"
    with pytest.raises(ConfigError, match="items is 'tracks'"):
        Dataset.load("lastfm", edition="hetrec", folder=tmp_path, items="tracks")


def test_artists_have_the_tags_that_most_gave_them(tmp_path):
    small.lastfm_hetrec(tmp_path)
    data = Dataset.load("lastfm", edition="hetrec", folder=tmp_path)
    assert data.catalog["1"].attributes["tags"] == "chansón, rock"
    assert data.extras["plays"]["plays"][0] == 90


def test_clothes_have_photos_prices_and_days_as_baskets(tmp_path):
    small.hm(tmp_path)
    data = Dataset.load("hm", folder=tmp_path)
    item = data.catalog[small.article(1)]
    assert item.id == "0101775016" and item.image == "010/0101775016.jpg"
    assert item.text == 'Top, with "narrow" straps 1.' and item.price == pytest.approx(0.051)
    assert item.attributes["colour"] == "Black"
    assert data.catalog.media.read(item.image) == b"photo"
    assert data.catalog[small.article(5)].image is None
    assert "basket" in data.events.columns and data.user_table["age"][0] == 30
    since = small.written(BEGIN + 3 * DAY + DAY // 2, "%Y-%m-%d")
    later = Dataset.load("hm", folder=tmp_path, since=since)
    assert 0 < len(later) < len(data)


def test_places_can_be_chosen_and_have_a_photo(tmp_path):
    small.yelp(tmp_path)
    data = Dataset.load("yelp", folder=tmp_path, category="Restaurants", state="PA", reviews=True)
    wanted = {f"b{i}" for i in range(ITEMS) if i % 2 and i % 3}
    assert set(data.catalog.ids) == wanted
    assert data.catalog["b1"].image == "p1.jpg" and data.catalog["b5"].image is None
    assert set(data.extras["reviews"]["item_id"]) <= wanted
    assert data.extras["reviews"]["text"][0] == "Nice – yes"
    with pytest.raises(InputError, match="category 'Soop'"):
        Dataset.load("yelp", folder=tmp_path, category="Soop")


def test_games_have_genres_and_prices(tmp_path):
    small.steam(tmp_path)
    catalog = Dataset.load("steam", folder=tmp_path).catalog
    assert catalog["0"].price == 4.99 and catalog["1"].price == 0.0
    assert catalog["0"].attributes["genres"] == "Action, RPG"


def test_a_saved_spreadsheet_of_invoices_is_read(tmp_path):
    small.online_retail(tmp_path)
    data = Dataset.load("online_retail", folder=tmp_path)
    assert data.catalog["20001"].title == "Café set, £ 1"
    assert sorted(data.users)[0] == "17850"
    path = tmp_path / "Online Retail.csv"
    text = path.read_text("latin-1").replace("InvoiceNo", "Invoice").replace("UnitPrice", "Price")
    small.write(tmp_path / "b" / "online_retail_II.csv", text.replace("CustomerID", "Customer ID"))
    again = Dataset.load("online_retail", folder=tmp_path / "b")
    assert again.fingerprint == data.fingerprint


def test_other_headers_are_named_with_the_nearest_column(tmp_path):
    small.ml_25m(tmp_path)
    path = tmp_path / "ratings.csv"
    path.write_text(path.read_text().replace("movieId", "movie_id", 1))
    with pytest.raises(InputError, match=r"no column 'movieId'; did you mean 'movie_id'"):
        Dataset.load("movielens", edition="ml-25m", folder=tmp_path)
    path.write_text(path.read_text().replace("movie_id,rating", "movieId,movieId", 1))
    with pytest.raises(InputError, match="two columns are called 'movieId'"):
        Dataset.load("movielens", edition="ml-25m", folder=tmp_path)


def test_a_file_in_another_encoding_is_named_with_the_line(tmp_path):
    small.microlens(tmp_path)
    path = tmp_path / "MicroLens-50k_titles.csv"
    path.write_bytes(path.read_bytes() + "99,Café\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"line 14: byte 0xe9 is not utf-8"):
        Dataset.load("microlens", folder=tmp_path)


def test_a_cut_off_archive_is_one_plain_error(tmp_path):
    small.amazon2014(tmp_path)
    path = tmp_path / "reviews_Tools_5.json.gz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cut off or damaged"):
        Dataset.load("amazon_reviews", domain="Tools", edition="2014", folder=tmp_path)


def test_the_wrong_unit_of_times_is_said(tmp_path):
    small.amazon2023(tmp_path)
    path = tmp_path / "Tools.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    lines = (json.dumps({**one, "timestamp": one["timestamp"] * 10**6}) for one in records)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="outside the years 1900 to 2200"):
        Dataset.load("amazon_reviews", domain="Tools", folder=tmp_path)


def test_the_stars_of_movielens_are_kept_on_request(tmp_path):
    small.ml_1m(tmp_path)
    plain = Dataset.load("movielens", edition="ml-1m", folder=tmp_path)
    data = Dataset.load("movielens", edition="ml-1m", folder=tmp_path, ratings=True)
    said = data.extras["reviews"]
    assert "reviews" not in plain.extras
    assert said.height == len(data)
    films = said["item_id"].cast(int).to_numpy() - 1
    assert said["rating"].to_list() == (1 + films % 5).tolist()


@pytest.mark.parametrize(
    ("write", "name", "edition"),
    [
        (small.lastfm_1k, "lastfm", "1k"),
        (small.lastfm_360k, "lastfm", "360k"),
        (small.lastfm_hetrec, "lastfm", "hetrec"),
        (small.microlens, "microlens", "50k"),
    ],
)
def test_an_edition_may_be_spelled_in_capitals(write, name, edition, tmp_path):
    write(tmp_path)
    small_letters, capitals = (
        Dataset.load(name, edition=spelled, folder=tmp_path)
        for spelled in (edition, edition.upper())
    )
    assert len(capitals) and capitals.name == small_letters.name
    assert capitals.fingerprint == small_letters.fingerprint


def test_tracks_of_1k_in_capitals_are_known_too(tmp_path):
    small.lastfm_1k(tmp_path)
    tracks = Dataset.load("lastfm", edition="1K", items="tracks", folder=tmp_path)
    assert "artist" in tracks.catalog.attribute_names
