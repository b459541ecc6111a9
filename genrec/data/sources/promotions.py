"""Tables of campaigns and coupons beside your own events: who was sent what, who redeemed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from genrec.data.sources.files import TableFile
from genrec.errors import ConfigError, InputError, nearest

_DAY = "redemption_date"
# What each table must have; the two first are needed for any trait, the others for its evidence.
TABLES = {
    "campaigns": ("user_id", "campaign_id"),
    "coupon_redemptions": ("user_id", "campaign_id"),
    "coupons": ("coupon_upc", "item_id"),
}
_NEEDED = ("campaigns", "coupon_redemptions")


def read_promotions(
    files: Mapping[str, str | Path], read: Callable[[Path], TableFile]
) -> dict[str, pl.DataFrame]:
    """The tables by name, with ids as text and ``redemption_date`` as a date.

    Args:
        files: by a name of ``TABLES``.

    Raises:
        ConfigError: a table that there is not, or one that cannot be read without another.
        InputError: every problem of the files' columns and dates.
    """
    for name in files:
        if name not in TABLES:
            raise ConfigError(f"promotions has '{name}'; {nearest(name, TABLES)}")
    if missing := [name for name in _NEEDED if name not in files]:
        raise ConfigError(
            f"promotions lacks {' and '.join(missing)}: who was sent a campaign is held against "
            "who redeemed in it."
        )
    problems: list[str] = []
    made = {}
    for name, path in files.items():
        table = read(Path(path)).table
        lacking = [column for column in TABLES[name] if column not in table.columns]
        problems += [
            f"{path}: no column '{column}'; {nearest(column, table.columns)}" for column in lacking
        ]
        if not lacking:
            made[name] = _typed(table, str(path), problems)
    if problems:
        raise InputError("The promotions cannot be used.", problems)
    return made


def _typed(table: pl.DataFrame, path: str, problems: list[str]) -> pl.DataFrame:
    ids = [
        one for one in ("user_id", "campaign_id", "coupon_upc", "item_id") if one in table.columns
    ]
    table = table.with_columns(pl.col(ids).cast(pl.String))
    if _DAY not in table.columns or table[_DAY].dtype.is_temporal():
        return table
    days = table[_DAY].cast(pl.String).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    wrong = table.filter(days.is_null() & table[_DAY].is_not_null())
    if wrong.height:
        problems.append(
            f"{path}: {_DAY} '{wrong[_DAY][0]}' is no ISO date such as 2024-05-31 "
            f"({wrong.height:,} rows)"
        )
    return table.with_columns(days.alias(_DAY))
