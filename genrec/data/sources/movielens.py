"""MovieLens: who rated which film when. Every rating is an event, whatever its stars."""

from __future__ import annotations

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.folders import data_folder, one_of, read_columns
from genrec.errors import ConfigError

EDITIONS = ("ml100k", "ml-latest-small")


def load(edition: str = "ml100k", *, min_rating: float = 0.0) -> Dataset:
    """Raters and films, with year and genres; ``ml100k`` has its raters' demographics.

    Args:
        min_rating: leave out ratings of fewer stars (of 5).

    Raises:
        ConfigError: no such edition, or no rating can reach ``min_rating``.
        InputError: the folder is absent or damaged.
    """
    folder = data_folder("movielens")
    if not 0 <= min_rating <= 5:
        raise ConfigError(f"min_rating is {min_rating}; stars go from 0 to 5.")
    if one_of("edition", edition, EDITIONS) == "ml100k":
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
    kept = ratings.filter(pl.col("rating") >= min_rating)
    events = kept.select("user_id", "item_id", time="timestamp")
    return assemble(Catalog(films), events, name=f"movielens-{edition}", user_table=raters)
