"""MiniOneRec's own published files: windows as CSV with lists as Python writes them.

Its repository has ``train``, ``valid`` and ``test`` (folders of one CSV for each domain), ``info``
(lines of semantic ID, title, item id) and ``index`` (``….item.json`` with what items say). Knows
the files, not what becomes of them.
"""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from genrec.data.rows import found
from genrec.data.sources.files import TableFile, read_table
from genrec.data.sources.lines import read_fields
from genrec.errors import InputError, nearest

log = logging.getLogger(__name__)

PARTS = ("train", "valid", "test")
_LISTS = ("history_item_id", "history_item_title")
_COLUMNS = ("user_id", "history_item_id", "item_id", "history_item_title", "item_title")


def read_published(folder: Path, stem: str) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The items, and the windows of each part that is there; only ``train`` may be missing.

    Items have ``item_id``, ``title``, ``description`` and ``brand``, the last two null where no
    ``….item.json`` tells them. Windows have ``user_id``, ``history_item_id`` (a list) and
    ``item_id``, as text, in the order of the file.

    Args:
        stem: what the domain's files begin with.

    Raises:
        InputError: files are missing or cannot be read; every problem found.
    """
    files = {part: _found(folder, part, stem, ".csv") for part in PARTS}
    if missing := [part for part in ("valid", "test") if files[part] is None]:
        raise InputError(
            f"{folder} lacks {len(missing)} file(s) of MiniOneRec's {stem}. Name the folder that "
            "holds its folders train, valid, test and info: data.options.folder=…",
            [f"{part}: {part}/{stem}*.csv or {stem}*{part}*.csv" for part in missing],
        )
    windows = {part: _windows(path) for part, path in files.items() if path is not None}
    about = _found(folder, "info", stem, ".txt")
    items = _titles(windows) if about is None else _listed(about)
    items = items.join(_told(folder, stem), on="item_id", how="left", maintain_order="left")
    kept = ["user_id", "history_item_id", "item_id"]
    return items, {part: table.select(kept) for part, table in windows.items()}


def events_of_windows(windows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Each user's events: the history of the first window, then what every window leads to."""
    rows = windows.with_row_index("row")
    before = pl.col("item_id").shift().over("user_id")
    apart = rows.filter(before != pl.col("history_item_id").list.last())
    if apart.height:
        log.warning(
            "%s: %d of %d training windows do not go on from their user's one before; the order "
            "of the file is taken as the order of events",
            name,
            apart.height,
            rows.height,
        )
    first = rows.unique("user_id", keep="first", maintain_order=True)
    begin = first.select("row", "user_id", item_id="history_item_id", last=False)
    then = rows.select("row", "user_id", "item_id", last=True)
    began = begin.filter(pl.col("item_id").list.len() > 0).explode("item_id")
    events = pl.concat([began, then]).sort("row", "last", maintain_order=True)
    return events.select("user_id", "item_id")


def _found(folder: Path, part: str, stem: str, ending: str) -> Path | None:
    """The domain's file of one part, in a folder of its own or beside the others.

    Raises:
        InputError: there are several.
    """
    there = sorted({*(folder / part).glob(f"{stem}*{ending}")}) or sorted(
        folder.glob(f"{stem}*{part}*{ending}")
    )
    if len(there) > 1:
        raise InputError(
            f"{folder} has {len(there)} files of {stem}'s part '{part}'. Leave one of them there.",
            [str(path) for path in there],
        )
    return there[0] if there else None


def _windows(path: Path) -> pl.DataFrame:
    file: TableFile = read_table(path, named=False)
    missing = [name for name in _COLUMNS if name not in file.table.columns]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} column(s).",
            [f"no column '{name}'; {nearest(name, file.table.columns)}" for name in missing],
        )
    table, problems = file.table.select(_COLUMNS), []
    for name in ("user_id", "item_id"):
        problems += found(table[name].is_null(), None, f"{name} is empty", file.rows)
    for name in _LISTS:
        lists = pl.Series(name, [_list(cell) for cell in table[name]], dtype=pl.List(pl.String))
        what = f"{name} is {{value}}, not a list such as [3, 5]"
        problems += found(lists.is_null(), table[name], what, file.rows)
        table = table.with_columns(lists)
    ids, titles = (table[name].list.len() for name in _LISTS)
    what = "history_item_id and history_item_title are not equally long"
    problems += found(ids != titles, None, what, file.rows)
    if problems:
        raise InputError(f"{path} has {len(problems)} problem(s). Fetch it anew.", problems)
    return table


def _list(cell: str | None) -> list[str] | None:
    try:
        value = ast.literal_eval(cell or "")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return [str(one) for one in value] if isinstance(value, list) else None


def _listed(path: Path) -> pl.DataFrame:
    """The items of a file of semantic IDs, titles and item ids."""
    table = read_fields(path, ["_sid", "title", "item_id"], separator="\t").table
    return table.with_columns(pl.col("item_id").str.strip_chars()).select("item_id", "title")


def _titles(windows: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The items that the windows name, by number where their ids are numbers."""
    named = []
    for table in windows.values():
        past = table.select(item_id="history_item_id", title="history_item_title")
        filled = past.filter(pl.col("item_id").list.len() > 0)
        named.append(filled.explode("item_id", "title"))
        named.append(table.select("item_id", title="item_title"))
    items = pl.concat(named).unique("item_id", keep="first", maintain_order=True)
    return items.sort(pl.col("item_id").cast(pl.Int64, strict=False), maintain_order=True)


def _told(folder: Path, stem: str) -> pl.DataFrame:
    """Description and brand by item, of ``….item.json``; without it, of no item."""
    path = _found(folder, "index", stem, ".item.json") or _found(folder, "item", stem, ".json")
    rows: list[tuple[str, str | None, str | None]] = []
    if path is not None:
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            rows = [
                (str(one), _text(told.get("description")), _text(told.get("brand")))
                for one, told in about.items()
            ]
        except (OSError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} is no JSON of items by id ({error}). Fetch it anew, or take it away: "
                "descriptions and brands are not needed."
            ) from None
    schema = dict.fromkeys(("item_id", "description", "brand"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
