"""Steam: who reviewed which game, with genres, tags and prices (Python literals, one a line).

Kang and McAuley (2018), "Self-Attentive Sequential Recommendation", and Pathak et al. (2017).
Python literals are read at some twenty thousand lines a second, so the whole takes minutes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.downloads import Download, zipped
from genrec.data.sources.files import TableFile
from genrec.data.sources.json_lines import Record, read_records, read_scalars
from genrec.data.sources.sound_events import sound_events, without_repeats

DOWNLOAD = Download(
    "the Steam Video Game and Bundle Data",
    "steam",
    "the page 'Recommender Systems and Personalization Datasets' of J. McAuley, UCSD "
    "(cseweb.ucsd.edu/~jmcauley/datasets.html)",
    "no formal licence; offered for research, with citation",
)


def load(folder: str | Path | None = None, *, broken: str = "error") -> Dataset:
    """Players, by the name that they review under, and games.

    Args:
        folder: holds ``steam_reviews.json.gz`` (or ``steam_new.json.gz``) and
            ``steam_games.json.gz``.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many.

    Raises:
        InputError: files are missing (names all of them), or have broken lines.
    """
    files = DOWNLOAD.files(
        DOWNLOAD.at(folder),
        {
            "reviews": zipped("steam_reviews.json", "steam_new.json"),
            "games": zipped("steam_games.json"),
        },
    )
    keys = {"username": "user_id", "product_id": "item_id", "date": "time"}
    file = read_scalars(files["reviews"], dict.fromkeys(keys, pl.String), broken=broken)
    events = sound_events(
        files["reviews"],
        TableFile(file.table.rename(keys), file.rows),
        broken=broken,
        time_format="%Y-%m-%d",
    )
    kinds = dict.fromkeys(_PICKS, pl.String) | {"price": pl.Float64}
    games = read_records(files["games"], _PICKS, kinds, broken=broken).table
    games = games.drop_nulls("item_id").unique("item_id", keep="first", maintain_order=True)
    played = events.select(pl.col("item_id").unique(maintain_order=True))
    items = played.join(games, on="item_id", how="left", maintain_order="left")
    return assemble(
        Catalog(items),
        without_repeats(events, "steam"),
        name="steam",
        time_unit="s",
    )


def _listed(key: str) -> Any:
    def pick(record: Record) -> str | None:
        words = record.get(key)
        return ", ".join(map(str, words)) if isinstance(words, list) and words else None

    return pick


def _price(record: Record) -> float | None:
    price = record.get("price")
    if isinstance(price, str) and "free" in price.lower():
        return 0.0
    if isinstance(price, int | float) and math.isfinite(price) and price >= 0:
        return float(price)
    return None


_PICKS = {
    "item_id": lambda record: str(record["id"]) if record.get("id") else None,
    "title": lambda record: record.get("title") or record.get("app_name"),
    "developer": lambda record: record.get("developer"),
    "genres": _listed("genres"),
    "tags": _listed("tags"),
    "price": _price,
}
