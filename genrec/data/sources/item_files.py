"""Which items of a public data set have a file, by the names that its makers gave the files."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path, PurePosixPath

import polars as pl

from genrec.data.catalog import MEDIA_COLUMNS
from genrec.data.media import MediaFolder
from genrec.errors import InputError

PHOTOS = (".jpg", ".jpeg", ".png", ".webp")

log = logging.getLogger(__name__)


def existing_files(root: Path, names: pl.Series, *, inside: str = "") -> pl.Series:
    """The names of those files that are there; null for the others.

    Args:
        root: the folder, or the zip archive, that the names are relative to.
        inside: look only in this folder of it, which spares the others.
    """
    there = pl.Series("file", sorted(_names(root, inside)), dtype=pl.String)
    found = names.is_in(there.implode())
    log.info("%s: %d of %d items have a file there", root / inside, int(found.sum()), len(names))
    return names.set(~found, None)


def media_at(folder: Path, *names: str) -> Path | None:
    """The first of these folders, or of the zip archives of the same name, that is there."""
    for name in names:
        if (folder / name).is_dir():
            return folder / name
        if (folder / f"{name}.zip").is_file():
            return folder / f"{name}.zip"
    return None


def with_images(
    items: pl.DataFrame, place: Path | None, name: pl.Expr
) -> tuple[pl.DataFrame, MediaFolder | None]:
    """The items with a column ``image`` where there is a place of pictures, and that place.

    Args:
        name: of an item's picture, relative to the place.
    """
    if place is None:
        return items, None
    names = items.select(name.alias("image"))["image"]
    return items.with_columns(existing_files(place, names)), MediaFolder.at(place)


def photos_by_id(items: pl.DataFrame, media: MediaFolder) -> pl.DataFrame:
    """The items with a column ``image``: the photo that is called as the item is, if any.

    Items that name files of their own, of any kind, stay as they are.
    """
    if set(MEDIA_COLUMNS) & set(items.columns):
        return items
    named: dict[str, str] = {}
    for name in sorted(_names(media.root, "")):
        path = PurePosixPath(name)
        if path.suffix.lower() in PHOTOS:
            named.setdefault(path.stem, name)
    found = [named.get(str(item_id)) for item_id in items["item_id"]]
    have = sum(name is not None for name in found)
    log.info("%s: %d of %d items have a photo of their id", media.root, have, len(items))
    return items.with_columns(pl.Series("image", found, dtype=pl.String))


def _names(root: Path, inside: str) -> set[str]:
    if root.is_dir():
        return {
            Path(where, name).relative_to(root).as_posix()
            for where, _, files in os.walk(root / inside)
            for name in files
        }
    try:
        with zipfile.ZipFile(root) as archive:
            return set(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{root} is neither a folder nor a whole zip archive ({error}).") from None
