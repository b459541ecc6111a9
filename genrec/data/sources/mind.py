"""MIND: Microsoft's news with clicks and with what was shown beside them.

Wu et al. (2020), "MIND: A Large-scale Dataset for News Recommendation", ACL. Each line of
``behaviors.tsv`` is one impression: who saw which news when, what of it they clicked, and what they
had clicked before the data begin. Those earlier clicks have no times; here they get the time of the
user's first impression, which is the latest that they can have had.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.downloads import Download
from genrec.data.sources.files import TableFile
from genrec.data.sources.folders import one_of
from genrec.data.sources.lines import read_fields
from genrec.data.sources.sound_events import sound_events
from genrec.errors import ConfigError

log = logging.getLogger(__name__)

DOWNLOAD = Download(
    "MIND",
    "mind",
    "the page 'MIND: Microsoft News Recommendation Dataset' (msnews.github.io)",
    "Microsoft Research License; research use only",
)
PARTS = ("train", "dev", "test")
TIME = "%m/%d/%Y %I:%M:%S %p"


def load(
    folder: str | Path | None = None,
    parts: Sequence[str] = ("train",),
    *,
    impressions: bool = True,
    broken: str = "error",
) -> Dataset:
    """Readers, their clicks, and news with category, subcategory and abstract.

    The table ``impressions`` has one row for each news shown: ``impression_id``, ``user_id``,
    ``time`` (seconds), ``item_id`` and ``clicked`` (null in ``test``, which does not tell).

    Args:
        folder: holds ``behaviors.tsv`` and ``news.tsv``, or a folder for each part that does:
            ``train``, ``MINDsmall_train`` or ``MINDlarge_train``.
        parts: of ``train``, ``dev``, ``test``, in the order of time.
        impressions: whether to keep that table; the large edition's has 84 million rows.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many.

    Raises:
        ConfigError: no such part, or none.
        InputError: files are missing (names all of them), or have broken lines.
    """
    if not parts:
        raise ConfigError(f"parts is empty; name some of {', '.join(PARTS)}.")
    for part in parts:
        one_of("parts", part, PARTS)
    where = DOWNLOAD.at(folder)
    wanted = {
        f"{what} of {part}": [
            *(f"{place}/{what}.tsv" for place in _places(part)),
            *([f"{what}.tsv"] if len(parts) == 1 else []),
        ]
        for part in parts
        for what in ("behaviors", "news")
    }
    files = DOWNLOAD.files(where, wanted)
    news = pl.concat([_news(files[f"news of {part}"], broken) for part in parts])
    news = news.unique("item_id", keep="first", maintain_order=True)
    events: list[pl.DataFrame] = []
    shown: list[pl.DataFrame] = []
    for part in parts:
        earlier, seen = _behaviors(files[f"behaviors of {part}"], part, broken)
        for before in events:
            # A later part tells a user's whole past again.
            earlier = earlier.join(
                before, on=["user_id", "item_id"], how="anti", maintain_order="left"
            )
        clicks = seen.filter(pl.col("clicked").fill_null(value=False))
        events += [earlier, clicks.select(earlier.columns)]
        shown.append(seen)
    return assemble(
        Catalog(news),
        pl.concat(events),
        name=f"mind-{'-'.join(parts)}",
        unknown="drop",
        time_unit="s",
        extras={"impressions": pl.concat(shown)} if impressions else None,
    )


def _places(part: str) -> list[str]:
    return [part, f"MINDsmall_{part}", f"MINDlarge_{part}", f"MIND{part}"]


def _news(path: Path, broken: str) -> pl.DataFrame:
    names = [
        "item_id", "category", "subcategory", "title", "text", "_address", "_titles", "_abstracts",
    ]  # fmt: skip
    table = read_fields(path, names, separator="\t", broken=broken, at_least=5).table
    return table.select("item_id", "title", "text", "category", "subcategory")


def _behaviors(path: Path, part: str, broken: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Clicks from before the part (``user_id``, ``item_id``, ``time``), and the impressions."""
    names = ["impression_id", "user_id", "time", "history", "shown"]
    file = read_fields(path, names, separator="\t", broken=broken)
    table = sound_events(
        path,
        TableFile(file.table.rename({"shown": "item_id"}), file.rows),
        broken=broken,
        time_format=TIME,
    )
    first = table.sort("time", maintain_order=True).unique(
        "user_id", keep="first", maintain_order=True
    )
    earlier = (
        first.select("user_id", pl.col("history").str.split(" ").alias("item_id"), "time")
        .explode("item_id")
        .filter(pl.col("item_id").fill_null("") != "")
    )
    cell = pl.col("item_id")
    seen = (
        table.select(
            (pl.lit(f"{part}:") + pl.col("impression_id")).alias("impression_id"),
            "user_id",
            "time",
            cell.str.split(" "),
        )
        .explode("item_id")
        .filter(cell.fill_null("") != "")
        .with_columns(
            cell.str.replace(r"-[01]$", ""),
            (cell.str.extract(r"-([01])$") == "1").alias("clicked"),
        )
    )
    return earlier, seen
