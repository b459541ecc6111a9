"""Headlines of the Upworthy Research Archive: randomised tests of 2013 to 2015.

Matias, Munger, Le Quere and Ebersole (2021), "The Upworthy Research Archive", Scientific
Data 8:195.
"""

from __future__ import annotations

import polars as pl

from genrec.data.copy_tests import CopyTests, copy_tests, one_line
from genrec.data.rows import TABLE_ROWS
from genrec.data.sources.files import read_parquet
from genrec.data.sources.folders import data_folder
from genrec.errors import InputError

_COLUMNS = {
    "test": "clickability_test_id",
    "text": "headline",
    "shown_with": "eyecatcher_id",
    "impressions": "impressions",
    "clicks": "clicks",
}


def load() -> CopyTests:
    """The archive's exploratory tests, one row for each headline and picture of a test.

    ``shown_with`` is the picture, so that arms in one group differ in their headline. Packages of
    a test with the same headline and picture differ in text that readers saw elsewhere; their
    counts are added up, and ``share`` is how many there were.

    Raises:
        InputError: the folder is absent or damaged.
    """
    path = data_folder("upworthy") / "upworthy_exploratory_clean.parquet"
    whole = read_parquet(path)
    if lacking := [name for name in _COLUMNS.values() if name not in whole.columns]:
        raise InputError(f"{path} is not the archive: {', '.join(lacking)} missing.")
    table = whole.select(pl.col(name).alias(key) for key, name in _COLUMNS.items())
    table = table.with_columns(one_line(table["text"]), pl.col("shown_with").fill_null("none"))
    added = table.group_by("test", "text", "shown_with", maintain_order=True).agg(
        pl.col("impressions", "clicks").sum(), share=pl.len().cast(pl.Float64)
    )
    several = added.filter(pl.len().over("test") > 1)
    return copy_tests(several, rows=TABLE_ROWS, name=str(path))
