"""Amazon's reviews with metadata as UCSD hands them out: the editions of 2014, 2018 and 2023.

McAuley et al. 2015 (2014), Ni et al. 2019 (2018), Hou et al. 2024 (2023, items are
``parent_asin``). The source ``amazon2014`` reads prepared tables instead.

Left out, with the count in the log: what stands in the data twice (one user, one item, one time).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.downloads import Download, zipped
from genrec.data.sources.files import TableFile
from genrec.data.sources.folders import one_of
from genrec.data.sources.item_files import media_at, with_images
from genrec.data.sources.json_lines import Record, read_records, read_scalars
from genrec.data.sources.lines import read_columns_of, read_fields
from genrec.data.sources.plain_text import plain_text
from genrec.data.sources.sound_events import at_least_stars, sound_events, without_repeats
from genrec.errors import ConfigError

log = logging.getLogger(__name__)

LONGEST_TEXT = 2000
_TEXTS = ("headline", "text")
_TERMS = "no formal licence; offered for research, with citation"
_PRICE = re.compile(r"^\$?\s*(\d{1,3}(?:,\d{3})*|\d+)(\.\d+)?$")


@dataclass(frozen=True, slots=True)
class _Edition:
    download: Download
    forms: Mapping[str, list[str]]
    meta: list[str]
    keys: Mapping[str, str]
    ratings: tuple[str, ...]
    unit: str


_OLD_KEYS = {
    "user_id": "reviewerID", "item_id": "asin", "rating": "overall", "time": "unixReviewTime",
    "headline": "summary", "text": "reviewText",
}  # fmt: skip
_NEW_KEYS = {
    "user_id": "user_id", "item_id": "parent_asin", "rating": "rating", "time": "timestamp",
    "headline": "title", "text": "text",
}  # fmt: skip

EDITIONS = {
    "2014": _Edition(
        Download(
            "Amazon product data 2014",
            "amazon-2014",
            "the page 'Amazon product data' of J. McAuley, UCSD (jmcauley.ucsd.edu/data/amazon)",
            _TERMS,
        ),
        {
            "5core": zipped("reviews_{}_5.json"),
            "all": zipped("reviews_{}.json"),
            "ratings": zipped("ratings_{}.csv"),
        },
        zipped("meta_{}.json"),
        _OLD_KEYS,
        ("user_id", "item_id", "rating", "time"),
        "s",
    ),
    "2018": _Edition(
        Download(
            "Amazon review data 2018",
            "amazon-2018",
            "the page 'Amazon Review Data (2018)' of J. Ni, UCSD (nijianmo.github.io/amazon)",
            _TERMS,
        ),
        {
            "5core": zipped("{}_5.json"),
            "all": zipped("{}.json"),
            "ratings": zipped("{}.csv"),
        },
        zipped("meta_{}.json"),
        _OLD_KEYS,
        ("item_id", "user_id", "rating", "time"),
        "s",
    ),
    "2023": _Edition(
        Download(
            "Amazon Reviews 2023",
            "amazon-2023",
            "the page 'Amazon Reviews'23' of the McAuley Lab, UCSD (amazon-reviews-2023.github.io)",
            _TERMS,
        ),
        {"all": zipped("{}.jsonl"), "ratings": zipped("{}.csv")},
        zipped("meta_{}.jsonl"),
        _NEW_KEYS,
        (),
        "ms",
    ),
}


def load(
    domain: str,
    edition: str = "2023",
    form: str = "",
    folder: str | Path | None = None,
    *,
    min_rating: float = 0.0,
    reviews: bool = False,
    broken: str = "error",
) -> Dataset:
    """Reviewers and the products that they reviewed; title, text, price, brand and category.

    Items that the metadata lack are known by their ids. Pictures are taken from a folder (or zip
    archive) ``images`` of files ``<item id>.jpg``, where there is one.

    Args:
        domain: as the files are called: ``Beauty``, ``Office_Products``, ``Video_Games``, …
        edition: ``2014``, ``2018`` or ``2023``.
        form: ``5core`` (2014 and 2018), ``all`` (every review) or ``ratings`` (a CSV without
            texts; of 2023 also the 5-core); left out, the first of these that the edition has.
        folder: holds the reviews and ``meta_…``; by default ``amazon-2014`` and so on of the
            benchmark data.
        min_rating: leave out reviews of fewer stars (of 5).
        reviews: keep rating, headline and text of each review as the table ``reviews``.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many.

    Raises:
        ConfigError: no such edition or form, or reviews of a form without texts.
        InputError: files are missing (names all of them), or have broken lines.
    """
    about = EDITIONS[one_of("edition", str(edition), list(EDITIONS))]
    form = one_of("form", form or next(iter(about.forms)), list(about.forms))
    if reviews and form == "ratings":
        raise ConfigError("form is 'ratings', which has no texts; reviews=true needs another form.")
    where = about.download.at(folder)
    files = about.download.files(
        where,
        {
            "reviews": [name.format(domain) for name in about.forms[form]],
            "metadata": [name.format(domain) for name in about.meta],
        },
    )
    events = _events(about, form, files["reviews"], texts=reviews, broken=broken)
    events = without_repeats(at_least_stars(events, min_rating), files["reviews"].name)
    items = _items(files["metadata"], events, broken)
    items, media = with_images(items, media_at(where, "images"), pl.col("item_id") + ".jpg")
    kept = ["user_id", "item_id", "time", "rating", "headline", "text"]
    return assemble(
        Catalog(items, media=media),
        events.select("user_id", "item_id", "time"),
        name=f"amazon{edition}-{domain.lower()}",
        time_unit="s",
        extras={"reviews": events.select(kept)} if reviews else None,
    )


def _events(about: _Edition, form: str, path: Path, *, texts: bool, broken: str) -> pl.DataFrame:
    if form != "ratings":
        keys = {ours: theirs for ours, theirs in about.keys.items() if texts or ours not in _TEXTS}
        kinds: dict[str, Any] = dict.fromkeys(keys.values(), pl.String)
        kinds |= {keys["rating"]: pl.Float64, keys["time"]: pl.Int64}
        file = read_scalars(path, kinds, broken=broken)
        table = file.table.rename({theirs: ours for ours, theirs in keys.items()})
    elif about.ratings:
        file = read_fields(path, about.ratings, separator=",", broken=broken)
        table = file.table
    else:
        keys = {ours: theirs for ours, theirs in about.keys.items() if ours not in _TEXTS}
        file = read_columns_of(path, list(keys.values()), broken=broken)
        table = file.table.rename({theirs: ours for ours, theirs in keys.items()})
    return sound_events(
        path,
        TableFile(table, file.rows),
        broken=broken,
        time_unit=about.unit,
        numbers=("rating",),
    )


def _items(path: Path, events: pl.DataFrame, broken: str) -> pl.DataFrame:
    """The reviewed items, in the order in which they first appear among the events."""
    reviewed = events.select(pl.col("item_id").unique(maintain_order=True))
    wanted = set(reviewed["item_id"])

    def of_wanted(pick: Callable[[Record], Any]) -> Callable[[Record], Any]:
        # Most of a large file is about items that nobody reviewed here.
        return lambda record: pick(record) if _id(record) in wanted else None

    picks = {name: of_wanted(pick) for name, pick in _PICKS.items()}
    kinds = dict.fromkeys(_PICKS, pl.String) | {"price": pl.Float64}
    found = read_records(path, picks, kinds, broken=broken).table
    found = found.drop_nulls("item_id").unique("item_id", keep="first", maintain_order=True)
    bare = reviewed.height - found.height
    if bare:
        log.info("%s: %d of %d items have no entry", path.name, bare, reviewed.height)
    table = reviewed.join(found, on="item_id", how="left", maintain_order="left")
    return table.with_columns(pl.col("title").fill_null(pl.col("item_id")))


def _id(record: Record) -> str | None:
    name = record.get("parent_asin") or record.get("asin")
    return name if isinstance(name, str) else None


def _price(record: Record) -> float | None:
    price = record.get("price")
    if isinstance(price, int | float):
        return float(price) if 0 <= price < float("inf") else None
    if not isinstance(price, str) or not (found := _PRICE.match(price.strip())):
        # Ranges such as "$3.99 - $12.50" and what else stands there are no price.
        return None
    return float(found[1].replace(",", "") + (found[2] or ""))


def _text(record: Record) -> str:
    parts: list[Any] = []
    for key in ("description", "features", "feature"):
        value = record.get(key)
        parts += value if isinstance(value, list) else [value]
    return plain_text(parts, most=LONGEST_TEXT)


def _brand(record: Record) -> str | None:
    details = record.get("details")
    named = details.get("Brand") if isinstance(details, dict) else None
    return plain_text(record.get("brand") or named or record.get("store")) or None


def _category(record: Record) -> str | None:
    path = record.get("categories") or record.get("category") or []
    if isinstance(path, list) and path and isinstance(path[0], list):
        path = path[0]
    names = [plain_text(name) for name in path] if isinstance(path, list) else []
    # The root is the domain itself and says nothing.
    return " > ".join(name for name in names[1:] if name) or None


_PICKS: dict[str, Callable[[Record], Any]] = {
    "item_id": _id,
    "title": lambda record: plain_text(record.get("title")) or None,
    "text": _text,
    "price": _price,
    "brand": _brand,
    "category": _category,
}
