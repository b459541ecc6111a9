"""MicroLens: short films with titles, covers, sounds and the films themselves.

Ni et al. (2023), "A Content-Driven Micro-Video Recommendation Dataset at Scale", arXiv 2309.15379.
An event is a public comment on a film.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.sources.downloads import Download, optional_file
from genrec.data.sources.files import TableFile
from genrec.data.sources.folders import one_of
from genrec.data.sources.item_files import existing_files
from genrec.data.sources.lines import read_columns_of, read_fields, read_lines
from genrec.data.sources.sound_events import sound_events
from genrec.errors import InputError

DOWNLOAD = Download(
    "MicroLens",
    "microlens",
    "the page of MicroLens by the RecSys lab of Westlake University (recsys.westlake.edu.cn)",
    "research use only",
)
EDITIONS = ("50k", "100k", "1m")
_FILES = {
    "image": (("covers", "cover"), ".jpg"),
    "audio": (("audios", "audio"), ".wav"),
    "video": (("videos", "video"), ".mp4"),
}


def load(
    edition: str = "50k", folder: str | Path | None = None, *, broken: str = "error"
) -> Dataset:
    """Viewers and short films in the order of their comments, with whatever files are there.

    Args:
        edition: ``50k``, ``100k`` or ``1m``.
        folder: holds ``MicroLens-50k_pairs.csv`` (or ``.tsv``, which has no times) and
            ``MicroLens-50k_titles.csv`` (or ``_title_en.csv``). Where there are folders
            ``MicroLens-50k_covers``, ``_audios`` and ``_videos``, or ``covers`` and so on, of files
            named by the item's id, items have them. ``_likes_and_views.txt`` is read too.
        broken: lines that cannot be read: ``error``, or ``drop`` them and log how many.

    Raises:
        ConfigError: no such edition.
        InputError: files are missing (names all of them), or have broken lines.
    """
    edition = one_of("edition", str(edition).lower(), EDITIONS)
    stem = f"MicroLens-{_spelled(edition)}"
    where = DOWNLOAD.at(folder)
    files = DOWNLOAD.files(
        where,
        {
            "pairs": [f"{stem}_pairs.csv", f"{stem}_pairs.tsv"],
            "titles": [f"{stem}_titles.csv", f"{stem}_title_en.csv", f"{stem}_title.csv"],
        },
    )
    events = _events(files["pairs"], broken)
    items = events.select(pl.col("item_id").unique(maintain_order=True)).join(
        _titles(files["titles"]), on="item_id", how="left", maintain_order="left"
    )
    if counts := optional_file(where, f"{stem}_likes_and_views.txt"):
        names = ["item_id", "likes", "views"]
        liked = read_fields(counts, names, separator="\t", broken=broken).table
        liked = liked.with_columns(pl.col("likes", "views").cast(pl.Int64, strict=False))
        liked = liked.unique("item_id", keep="first", maintain_order=True)
        items = items.join(liked, on="item_id", how="left", maintain_order="left")
    for kind, (places, ending) in _FILES.items():
        tried = [name for place in places for name in (f"{stem}_{place}", place)]
        inside = next((name for name in tried if (where / name).is_dir()), None)
        if inside:
            named = items.select((pl.lit(f"{inside}/") + pl.col("item_id") + ending).alias(kind))
            items = items.with_columns(existing_files(where, named[kind], inside=inside))
    media = MediaFolder.at(where) if set(_FILES) & set(items.columns) else None
    return assemble(Catalog(items, media=media), events, name=f"microlens-{edition}", time_unit="s")


def _spelled(edition: str) -> str:
    return "1M" if edition == "1m" else edition


def _events(path: Path, broken: str) -> pl.DataFrame:
    names = {"user": "user_id", "item": "item_id", "timestamp": "time"}
    if path.suffix == ".csv":
        file = read_columns_of(path, list(names), broken=broken)
        table = TableFile(file.table.rename(names), file.rows)
        return sound_events(path, table, broken=broken, time_unit="ms")
    file = read_fields(path, ["user_id", "item_id"], separator="\t", broken=broken)
    rows = sound_events(path, file, broken=broken)
    listed = rows.with_columns(pl.col("item_id").str.split(" ")).explode("item_id")
    return listed.filter(pl.col("item_id").fill_null("") != "")


def _titles(path: Path) -> pl.DataFrame:
    """Titles by item. They may have commas in them, quoted or not, so only the first one counts."""
    lines = read_lines(path)
    parts = lines["line"].str.splitn(",", 2).struct
    table = pl.DataFrame({"item_id": parts["field_0"], "title": parts["field_1"]})
    quoted = pl.col("title").str.extract(r'^"(.*)"\s*$').str.replace_all('""', '"', literal=True)
    table = table.with_columns(
        pl.col("item_id").str.strip_chars(' "'),
        pl.coalesce(quoted, "title").str.strip_chars(),
    )
    table = table.filter(pl.col("item_id").str.to_lowercase() != "item")
    if table["title"].null_count() == table.height:
        raise InputError(f"{path} has no titles: no line has a comma. Fetch it anew.")
    return table.unique("item_id", keep="first", maintain_order=True)
