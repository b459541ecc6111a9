"""Collections of product photos: items that can be seen, and no shoppers."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.assemble import items_only
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.sources.files import FORMATS, TableFile, read_table
from genrec.data.sources.folders import data_folder, one_of
from genrec.data.sources.item_files import media_at
from genrec.errors import InputError

_FASHION = {
    "gender": "gender",
    "masterCategory": "category",
    "subCategory": "subcategory",
    "articleType": "article_type",
    "baseColour": "colour",
    "season": "season",
    "usage": "usage",
}
PARTS = ("all", "train", "validation", "test")


def fashion(folder: str | Path | None = None) -> Dataset:
    """Fashion Product Images (Small): photos of 60 x 80 pixels with titles and attributes.

    Args:
        folder: holds the table ``styles`` (``.parquet``, ``.csv``, ``.tsv`` or ``.jsonl``) with
            ``id``, ``productDisplayName`` and what there is of attributes, and the photos
            ``<id>.jpg`` in ``images.zip``, in a folder ``images`` or beside the table; by default
            ``fashion-product-images-small`` of the benchmark data.

    Raises:
        InputError: a file is absent or damaged, or a column is missing.
    """
    where = data_folder("fashion-product-images-small") if folder is None else Path(folder)
    file = _styles(where)
    columns = file.table.columns
    missing = [name for name in ("id", "productDisplayName") if name not in columns]
    if missing:
        raise InputError(
            f"The table styles in {where} lacks the column(s) {', '.join(missing)}; it has "
            f"{', '.join(columns)}. Rename them; a table with other columns is read by "
            "data.source=tables."
        )
    items = file.table.select(
        pl.col("id").alias("item_id"),
        pl.col("productDisplayName").alias("title"),
        (pl.col("id").cast(pl.String) + ".jpg").alias("image"),
        *(pl.col(theirs).alias(ours) for theirs, ours in _FASHION.items() if theirs in columns),
    )
    beside = next(where.glob("*.jpg"), None) is not None
    place = media_at(where, "images") or (where if beside else where / "images.zip")
    return items_only("fashion_photos", Catalog(items, media=MediaFolder.at(place), rows=file.rows))


def _styles(where: Path) -> TableFile:
    if not where.is_dir():
        raise InputError(
            f"{where} is no folder. Name one that holds the table styles.parquet or styles.csv and "
            "the photos."
        )
    names = [f"styles{ending}" for ending in FORMATS]
    found = next((where / name for name in names if (where / name).is_file()), None)
    if found is None:
        raise InputError(
            f"{where} holds none of {', '.join(names)}. Save the table under one of these names; "
            "one of your own form is read by data.source=tables data.options.items=FILE "
            f"data.options.media={where}."
        )
    return read_table(found)


def clothing(folder: str | Path | None = None, part: str = "all") -> Dataset:
    """Clothing Dataset (small): photos of ten classes, which are their titles too.

    Args:
        folder: holds ``labels.csv`` and ``images_224.zip``; by default
            ``clothing-dataset-small`` of the benchmark data.
        part: ``train``, ``validation``, ``test`` or ``all``.

    Raises:
        ConfigError: no such part.
        InputError: a file is absent or damaged, or a column is missing.
    """
    one_of("part", part, PARTS)
    where = data_folder("clothing-dataset-small") if folder is None else Path(folder)
    table = read_table(where / "labels.csv", named=False).table
    missing = sorted({"file", "label", "split"} - set(table.columns))
    if missing:
        raise InputError(
            f"{where / 'labels.csv'} lacks the column(s) {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}. Fetch the file anew."
        )
    if part != "all":
        table = table.filter(pl.col("split") == part)
    items = table.select(
        pl.col("file").alias("item_id"),
        pl.col("label").alias("title"),
        pl.col("file").alias("image"),
        pl.col("label").alias("article_type"),
        pl.col("split").alias("part"),
    )
    return items_only("clothing_photos", Catalog(items, media=_archive(where, "images_224")))


def _archive(folder: Path, name: str) -> MediaFolder:
    unpacked = folder / name
    return MediaFolder.at(unpacked if unpacked.is_dir() else folder / f"{name}.zip")
