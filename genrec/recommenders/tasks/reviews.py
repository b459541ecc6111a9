"""What users said of items that they chose: stars, headlines and texts, beside the event.

A review counts only with its event: what was said of a held-out choice is held out with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.sequences import Sequences

TABLE = "reviews"
COLUMNS = ("user_id", "item_id", "rating")


@dataclass(frozen=True)
class Reviews:
    """Reviews of events. All of shape (reviews,).

    Attributes:
        users: rows of the histories that the events are in.
        places: of the event in its history.
        items: catalogue positions.
        ratings: stars; NaN where there are none.
        headlines, texts: empty where there are none.
    """

    users: np.ndarray
    places: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    headlines: Sequence[str]
    texts: Sequence[str]

    @staticmethod
    def of(dataset: Dataset, events: Sequences) -> Reviews | None:
        """The reviews of these events; ``None`` if the data have none.

        Of an item that a user chose twice, the first review belongs to the first event here.

        Args:
            dataset: its extra table ``reviews`` has ``user_id``, ``item_id``, ``rating`` and maybe
                ``time``, ``headline`` and ``text``.
        """
        table = dataset.extras.get(TABLE)
        if table is None or not set(COLUMNS) <= set(table.columns):
            return None
        said = _said(table).with_columns(_turn("user_id", "item_id"))
        owners = np.repeat(np.arange(len(events)), events.lengths)
        happened = pl.DataFrame(
            {
                "user": owners,
                "place": np.arange(len(owners)) - np.repeat(events.offsets[:-1], events.lengths),
                "item": events.items.astype(np.int64),
                "user_id": pl.Series([str(user) for user in events.users], dtype=pl.String)[owners],
                "item_id": dataset.catalog.table["item_id"][events.items],
            }
        ).with_columns(_turn("user_id", "item_id"))
        found = happened.join(
            said, on=["user_id", "item_id", "turn"], how="inner", maintain_order="left"
        )
        return Reviews(
            found["user"].to_numpy(),
            found["place"].to_numpy(),
            found["item"].to_numpy(),
            found["rating"].fill_null(float("nan")).to_numpy(),
            found["headline"].to_list(),
            found["text"].to_list(),
        )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def rated(self) -> np.ndarray:
        """Which of them have stars, numbers of reviews."""
        return np.flatnonzero(np.isfinite(self.ratings))

    @property
    def told(self) -> np.ndarray:
        """Which of them have a text, numbers of reviews."""
        return np.array([n for n, text in enumerate(self.texts) if text.strip()], np.int64)

    @property
    def headed(self) -> np.ndarray:
        """Which of them have a text and a headline, numbers of reviews."""
        return np.array([n for n in self.told if self.headlines[n].strip()], np.int64)


def _said(table: pl.DataFrame) -> pl.DataFrame:
    if "time" in table.columns:
        table = table.sort("time", maintain_order=True)
    texts = [
        (pl.col(name).cast(pl.String).fill_null("") if name in table.columns else pl.lit(""))
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
        .alias(name)
        for name in ("headline", "text")
    ]
    ids = [pl.col(name).cast(pl.String) for name in ("user_id", "item_id")]
    return table.select(*ids, pl.col("rating").cast(pl.Float64, strict=False), *texts)


def _turn(*keys: str) -> pl.Expr:
    """How often the same pair has come before."""
    return pl.int_range(pl.len()).over(keys).alias("turn")
