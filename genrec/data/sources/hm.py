"""H&M: two years of purchases of clothes, with photos (Kaggle, 2022).

A customer's purchases of one day are one basket; the lines of a day come in no order.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.downloads import Download, optional_file, zipped
from genrec.data.sources.files import TableFile, read_table
from genrec.data.sources.item_files import media_at, with_images
from genrec.data.sources.lines import read_columns_of
from genrec.data.sources.sound_events import sound_events
from genrec.errors import ConfigError, InputError, nearest

DOWNLOAD = Download(
    "H&M Personalized Fashion Recommendations",
    "hm",
    "the page 'Data' of that competition on Kaggle (kaggle.com)",
    "the competition's rules: non-commercial use, after agreeing to them",
)
_ATTRIBUTES = {
    "product_type_name": "article_type",
    "product_group_name": "group",
    "graphical_appearance_name": "pattern",
    "colour_group_name": "colour",
    "department_name": "department",
    "index_group_name": "range",
    "garment_group_name": "garment",
}
_CUSTOMER = ("age", "club_member_status", "fashion_news_frequency")


def load(folder: str | Path | None = None, *, since: str = "", broken: str = "error") -> Dataset:
    """Customers, articles with attributes and the median price, days as baskets.

    Prices are in the competition's own unit, which it does not tell. Photos come from the folder
    (or archive) ``images``, where there is one: ``010/0108775015.jpg``.

    Args:
        folder: holds ``articles.csv``, ``transactions_train.csv`` and, if there, ``customers.csv``.
        since: leave out purchases before this day, such as ``2020-06-01``; all of them take some
            10 GB of memory.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many.

    Raises:
        ConfigError: ``since`` is no day.
        InputError: files are missing (names all of them), or have broken lines.
    """
    _check_day(since)
    where = DOWNLOAD.at(folder)
    files = DOWNLOAD.files(
        where,
        {"articles": ["articles.csv"], "transactions": zipped("transactions_train.csv")},
    )
    path = files["transactions"]
    keys = {"customer_id": "user_id", "article_id": "item_id", "t_dat": "time", "price": "price"}
    file = read_columns_of(path, list(keys), broken=broken)
    table = file.table.rename(keys)
    if since:
        rows = pl.col("time") >= since
        numbers = table.with_row_index("row_").filter(rows)["row_"]
        table = table.filter(rows)
        if not table.height:
            newest = file.table["t_dat"].sort()[-1]
            raise InputError(
                f"{path} has no purchase since {since}; the newest is of {newest}. Name an earlier "
                "day: data.options.since=…"
            )
        file = TableFile(table, file.rows.of(numbers))
    events = sound_events(
        path, TableFile(table, file.rows), broken=broken, time_format="%Y-%m-%d", numbers=("price",)
    )
    sold = events.group_by("item_id").agg(pl.col("price").median())
    items = _articles(files["articles"]).join(
        sold, on="item_id", how="inner", maintain_order="left"
    )
    picture = pl.col("item_id").str.slice(0, 3) + "/" + pl.col("item_id") + ".jpg"
    items, media = with_images(items, media_at(where, "images"), picture)
    day = pl.col("user_id") + " " + pl.col("time").cast(pl.String)
    return assemble(
        Catalog(items, media=media),
        events.select("user_id", "item_id", "time", day.alias("basket_id")),
        name="hm",
        unknown="drop",
        time_unit="s",
        user_table=_customers(where, events, broken),
    )


def _check_day(since: str) -> None:
    # Days are compared as text: '2020-6-1' would come after all of 2020-06.
    try:
        usual = not since or date.fromisoformat(since).isoformat() == since
    except ValueError:
        usual = False
    if not usual:
        raise ConfigError(f"since is '{since}'; write a day as YYYY-MM-DD, such as 2020-06-01.")


def _articles(path: Path) -> pl.DataFrame:
    table = read_table(path, named=False).table
    needed = ("article_id", "prod_name", "detail_desc")
    if missing := [name for name in needed if name not in table.columns]:
        raise InputError(
            f"{path} has another header than it should have.",
            [f"no column '{name}'; {nearest(name, table.columns)}" for name in missing],
        )
    own = [pl.col(a).alias(b) for a, b in _ATTRIBUTES.items() if a in table.columns]
    return table.select(
        pl.col("article_id").alias("item_id"),
        pl.col("prod_name").alias("title"),
        pl.col("detail_desc").alias("text"),
        *own,
    )


def _customers(where: Path, events: pl.DataFrame, broken: str) -> pl.DataFrame | None:
    path = optional_file(where, *zipped("customers.csv"))
    if path is None:
        return None
    table = read_columns_of(path, ["customer_id"], also=_CUSTOMER, broken=broken).table
    table = table.rename({"customer_id": "user_id"})
    if "age" in table.columns:
        table = table.with_columns(pl.col("age").cast(pl.Float64, strict=False).cast(pl.Int64))
    bought = events.select(pl.col("user_id").unique())
    return table.join(bought, on="user_id", how="semi", maintain_order="left")
