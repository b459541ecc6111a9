"""MovieLens: who rated which film when. Every rating is an event, whatever its stars."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.folders import data_folder, data_root, one_of, read_columns
from genrec.data.sources.movielens_files import FILE_EDITIONS, read_edition
from genrec.data.sources.sound_events import at_least_stars

log = logging.getLogger(__name__)

PREPARED = ("ml100k", "ml-latest-small")
EDITIONS = tuple(dict.fromkeys((*PREPARED, *FILE_EDITIONS)))


def load(
    edition: str = "ml100k",
    folder: str | Path | None = None,
    *,
    min_rating: float = 0.0,
    ratings: bool = False,
    broken: str = "error",
) -> Dataset:
    """Raters and films, with year and genres; 100K and 1M have their raters' demographics.

    Args:
        edition: ``ml-100k``, ``ml-1m``, ``ml-10m``, ``ml-20m``, ``ml-25m``, ``ml-32m`` or
            ``ml-latest`` of GroupLens's files; ``ml100k`` of the prepared tables, and where these
            are not there of GroupLens's. Of ``ml-latest-small`` there are both likewise.
        folder: holds GroupLens's files; by default the edition's of the benchmark data.
        min_rating: leave out ratings of fewer stars (of 5).
        ratings: keep the stars of each event as the table ``reviews``.
        broken: lines of GroupLens's files that cannot be read: ``error`` or ``drop``.

    Raises:
        ConfigError: no such edition, or no rating can reach ``min_rating``.
        InputError: files are missing or damaged.
    """
    one_of("edition", edition, EDITIONS)
    if folder is None and edition in PREPARED and (data_root() / "movielens").is_dir():
        films, rated, raters = _prepared(edition)
        extras: dict[str, pl.DataFrame] = {}
    else:
        files = "ml-100k" if edition == "ml100k" else edition
        films, rated, raters, extras = read_edition(files, folder, broken)
    kept = at_least_stars(rated, min_rating)
    films = _with_bare(films, kept)
    events = kept.select("user_id", "item_id", "time")
    if ratings:
        extras = {**extras, "reviews": kept.select("user_id", "item_id", "rating", "time")}
    name = f"movielens-{edition}"
    return assemble(films, events, name=name, time_unit="s", user_table=raters, extras=extras)


def _with_bare(films: Catalog, rated: pl.DataFrame) -> Catalog:
    """The films, and those that were rated without an entry, by their ids."""
    ids = rated.select(pl.col("item_id").cast(pl.String).unique(maintain_order=True))
    bare = ids.join(films.table, on="item_id", how="anti", maintain_order="left")
    if not bare.height:
        return films
    log.warning(
        "%d of %d rated films have no entry, such as '%s'; they are known by their ids",
        bare.height,
        ids.height,
        bare["item_id"][0],
    )
    return Catalog(
        pl.concat([films.table, bare.with_columns(title="item_id")], how="diagonal_relaxed")
    )


def _prepared(edition: str) -> tuple[Catalog, pl.DataFrame, pl.DataFrame | None]:
    folder = data_folder("movielens")
    if edition == "ml100k":
        ratings = read_columns(
            folder / "ml100k-inter.parquet", ["user_id", "item_id", "rating", "timestamp"]
        )
        films = read_columns(
            folder / "ml100k-item.parquet", ["item_id", "movie_title", "release_year", "class"]
        ).select(
            "item_id",
            title="movie_title",
            year=pl.col("release_year").cast(pl.Int64, strict=False),
            genres=pl.col("class").str.replace_all(" ", ", "),
        )
        raters = read_columns(
            folder / "ml100k-user.parquet", ["user_id", "age", "gender", "occupation", "zip_code"]
        ).with_columns(pl.col("user_id").cast(pl.String))
    else:
        ratings = read_columns(
            folder / "ml-latest-small-ratings.parquet",
            ["userId", "movieId", "rating", "timestamp"],
        ).rename({"userId": "user_id", "movieId": "item_id"})
        year = r"\s*\((\d{4})\)\s*$"
        films = read_columns(
            folder / "ml-latest-small-movies.parquet", ["movieId", "title", "genres"]
        ).select(
            item_id="movieId",
            title=pl.col("title").str.replace(year, ""),
            year=pl.col("title").str.extract(year).cast(pl.Int64),
            genres=pl.col("genres")
            .replace("(no genres listed)", None)
            .str.replace_all("|", ", ", literal=True),
        )
        raters = None
    return Catalog(films), ratings.rename({"timestamp": "time"}), raters
