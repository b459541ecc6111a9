"""MovieLens as GroupLens hands it out: the formats of 100K, of 1M and 10M, and of 20M and later.

Harper and Konstan (2015), "The MovieLens Datasets", ACM TiiS 5(4).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.sources.downloads import Download, optional_file
from genrec.data.sources.files import TableFile
from genrec.data.sources.lines import read_columns_of, read_fields
from genrec.data.sources.sound_events import sound_events

Parts = tuple[Catalog, pl.DataFrame, pl.DataFrame | None, dict[str, pl.DataFrame]]
"""Films, ratings with ``rating`` and ``time``, raters, further tables."""

_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
_YEAR = r"\s*\((\d{4})[^)]*\)\s*$"
_EVENT = ("user_id", "item_id", "rating", "time")


def read_edition(edition: str, folder: str | Path | None, broken: str) -> Parts:
    """The tables of one edition, from the files as they were unpacked.

    Raises:
        InputError: files are missing (names all of them), or have broken lines.
    """
    download = Download(
        f"MovieLens {edition.removeprefix('ml-').upper()}",
        edition,
        "the page 'MovieLens' of GroupLens (grouplens.org/datasets/movielens)",
        "research use; no redistribution, no commercial use without permission",
    )
    return _READERS[edition](download, download.at(folder), broken)


def _first(download: Download, where: Path, broken: str) -> Parts:
    names = {"ratings": ["u.data"], "films": ["u.item"], "raters": ["u.user"]}
    files = download.files(where, names)
    columns = ["item_id", "title", "_date", "_video", "_address", *(f"g{n}" for n in range(19))]
    films = read_fields(
        files["films"], columns, separator="|", encoding=_encoding(files["films"]), broken=broken
    ).table
    genres = pl.concat_list(
        pl.when(pl.col(f"g{n}") == "1").then(pl.lit(genre))
        for n, genre in enumerate(_GENRES)
        if genre != "unknown"
    )
    films = films.with_columns(genres.list.drop_nulls().list.join(", ").alias("genres"))
    raters = read_fields(
        files["raters"],
        ["user_id", "age", "gender", "occupation", "zip_code"],
        separator="|",
        broken=broken,
    ).table.with_columns(pl.col("age").cast(pl.Int64, strict=False))
    ratings = read_fields(files["ratings"], _EVENT, separator="\t", broken=broken)
    return _films(films), _ratings(files["ratings"], ratings, broken), raters, {}


def _colons(download: Download, where: Path, broken: str) -> Parts:
    wanted = {"ratings": ["ratings.dat"], "films": ["movies.dat"]}
    if download.folder == "ml-1m":
        wanted["raters"] = ["users.dat"]
    files = download.files(where, wanted)
    films = read_fields(
        files["films"],
        ["item_id", "title", "genres"],
        separator="::",
        encoding=_encoding(files["films"]) if download.folder == "ml-1m" else "utf-8",
        broken=broken,
    ).table
    raters = None
    if "raters" in files:
        names = ["user_id", "gender", "age", "occupation", "zip_code"]
        raters = read_fields(files["raters"], names, separator="::", broken=broken).table
        raters = raters.with_columns(pl.col("age").cast(pl.Int64, strict=False))
    ratings = read_fields(files["ratings"], _EVENT, separator="::", broken=broken)
    return _films(films), _ratings(files["ratings"], ratings, broken), raters, {}


def _commas(download: Download, where: Path, broken: str) -> Parts:
    files = download.files(where, {"ratings": ["ratings.csv"], "films": ["movies.csv"]})
    films = read_columns_of(files["films"], ["movieId", "title", "genres"], broken=broken).table
    columns = {"userId": "user_id", "movieId": "item_id", "rating": "rating", "timestamp": "time"}
    ratings = read_columns_of(files["ratings"], list(columns), broken=broken)
    extras = {}
    if tags := optional_file(where, "tags.csv"):
        names = ["userId", "movieId", "tag", "timestamp"]
        extras["tags"] = (
            read_columns_of(tags, names, broken=broken)
            .table.rename({"userId": "user_id", "movieId": "item_id", "timestamp": "time"})
            .with_columns(pl.col("time").cast(pl.Int64, strict=False))
        )
    table = TableFile(ratings.table.rename(columns), ratings.rows)
    return (
        _films(films.rename({"movieId": "item_id"})),
        _ratings(files["ratings"], table, broken),
        None,
        extras,
    )


def _encoding(path: Path) -> str:
    # GroupLens wrote Latin-1. Copies saved anew are UTF-8, which no Latin-1 title is by chance.
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _films(table: pl.DataFrame) -> Catalog:
    genres = pl.col("genres").replace(["(no genres listed)", ""], None)
    return Catalog(
        table.select(
            "item_id",
            pl.col("title").str.replace(_YEAR, ""),
            pl.col("title").str.extract(_YEAR).cast(pl.Int64).alias("year"),
            genres.str.replace_all("|", ", ", literal=True).alias("genres"),
        )
    )


def _ratings(path: Path, file: TableFile, broken: str) -> pl.DataFrame:
    return sound_events(path, file, broken=broken, time_unit="s", numbers=("rating",))


_READERS: dict[str, Callable[[Download, Path, str], Parts]] = {
    "ml-100k": _first,
    "ml-1m": _colons,
    "ml-10m": _colons,
    **dict.fromkeys(("ml-20m", "ml-25m", "ml-32m", "ml-latest", "ml-latest-small"), _commas),
}
FILE_EDITIONS = tuple(_READERS)
