"""Real data written out in their makers' formats come back as the prepared tables have them."""

import polars as pl
import pytest

from genrec.data.dataset import Dataset
from genrec.data.sources.folders import data_folder
from genrec.data.sources.movielens_files import _GENRES

pytestmark = pytest.mark.realdata


def same_histories(ours, theirs):
    """Whether each user has the same items at the same times, in whatever order of one second."""

    def rows(data):
        return sorted(
            (str(data.users[user]), data.catalog.ids[item], time)
            for user, item, time in data.events.select("user", "item", "time").iter_rows()
        )

    return rows(ours) == rows(theirs)


def test_movielens_100k_by_tabs_and_bars(tmp_path):
    folder = data_folder("movielens")
    ratings = pl.read_parquet(folder / "ml100k-inter.parquet")
    ratings.select(
        "user_id", "item_id", pl.col("rating").cast(pl.Int64), pl.col("timestamp").cast(pl.Int64)
    ).write_csv(tmp_path / "u.data", separator="\t", include_header=False)
    lines = []
    for film in pl.read_parquet(folder / "ml100k-item.parquet").iter_rows(named=True):
        given = set((film["class"] or "").split())
        flags = "|".join(str(int(genre in given)) for genre in _GENRES)
        year = f" ({film['release_year']})" if str(film["release_year"]).isdigit() else ""
        lines.append(f"{film['item_id']}|{film['movie_title']}{year}||||{flags}")
    (tmp_path / "u.item").write_bytes("\n".join(lines).encode("latin-1", "replace"))
    raters = pl.read_parquet(folder / "ml100k-user.parquet")
    raters.select("user_id", "age", "gender", "occupation", "zip_code").write_csv(
        tmp_path / "u.user", separator="|", include_header=False
    )
    prepared = Dataset.load("movielens", edition="ml100k")
    ours = Dataset.load("movielens", edition="ml-100k", folder=tmp_path)
    assert (len(ours.users), len(ours.catalog), len(ours)) == (943, 1682, 100_000)
    assert same_histories(ours, prepared)
    one, other = ours.catalog["50"], prepared.catalog["50"]
    assert (one.title, one.attributes["year"]) == (other.title, other.attributes["year"])


def test_movielens_latest_small_as_csv(tmp_path):
    folder = data_folder("movielens")
    for table in ("ratings", "movies", "tags"):
        pl.read_parquet(folder / f"ml-latest-small-{table}.parquet").write_csv(
            tmp_path / f"{table}.csv"
        )
    prepared = Dataset.load("movielens", edition="ml-latest-small")
    ours = Dataset.load("movielens", edition="ml-latest-small", folder=tmp_path)
    assert same_histories(ours, prepared)
    assert ours.catalog.table.sort("item_id")["genres"].to_list() == (
        prepared.catalog.table.sort("item_id")["genres"].to_list()
    )


def test_invoices_as_csv(tmp_path):
    table = pl.read_parquet(data_folder("online-retail") / "online_retail.parquet")
    table.with_columns(pl.col("InvoiceDate").cast(pl.Datetime)).write_csv(
        tmp_path / "data.csv", datetime_format="%m/%d/%Y %H:%M"
    )
    prepared = Dataset.load("online_retail")
    ours = Dataset.load("online_retail", folder=tmp_path)
    assert (len(ours.users), len(ours.catalog), len(ours)) == (4335, 3659, 396_370)
    assert same_histories(ours, prepared)


def test_amazon_sequences_as_reviews(tmp_path):
    prepared = Dataset.load("amazon2014", domain="beauty")
    # The prepared tables have an order and no times; any rising times will do.
    events = prepared.events.with_row_index("time")
    users = pl.Series(prepared.users.tolist())
    ids = pl.Series(prepared.catalog.ids)
    reviews = events.select(
        users.gather(events["user"]).alias("reviewerID"),
        ids.gather(events["item"]).alias("asin"),
        pl.lit(5.0).alias("overall"),
        (1_300_000_000 + pl.col("time").cast(pl.Int64)).alias("unixReviewTime"),
    )
    reviews.write_ndjson(tmp_path / "reviews_Beauty_5.json")
    meta = "".join(
        f"{ {'asin': item.id, 'title': item.title, 'categories': [['Beauty']]}!r}\n"
        for item in prepared.catalog
    )
    (tmp_path / "meta_Beauty.json").write_text(meta)
    ours = Dataset.load("amazon_reviews", domain="Beauty", edition="2014", folder=tmp_path)
    assert (len(ours.users), len(ours.catalog), len(ours)) == (22_363, 12_101, 198_502)
    for user in (0, 11, 22_000):
        name = str(prepared.users[user])
        theirs = [prepared.catalog.ids[item] for item in prepared.history(name).items]
        assert [ours.catalog.ids[item] for item in ours.history(name).items] == theirs
