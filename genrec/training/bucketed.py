"""Pictures of items or of a folder, decoded into buckets of their shapes; bad ones are listed."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.media import MediaProblem
from genrec.data.pictures import open_picture
from genrec.errors import InputError
from genrec.training.buckets import bucket_sizes, fitted, nearest_bucket

log = logging.getLogger(__name__)

STEP = 16
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Bucketed:
    """Pictures bucket by bucket.

    Attributes:
        pixels: for each bucket, shape (pictures, 3, height, width), uint8.
        items: of each picture the number that it was given by.
        problems: pictures that were left out, and why.
    """

    pixels: list[np.ndarray]
    items: list[int]
    problems: tuple[MediaProblem, ...]


def bucketed(
    catalog: Catalog,
    rows: Sequence[int] | np.ndarray,
    *,
    resolution: int,
    also: Sequence[Any] = (),
    progress: Progress | None = None,
) -> Bucketed:
    """The pictures of these items; those without one are left out silently.

    Args:
        rows: positions in the catalogue.
        resolution: longest side in pixels.
        also: Pillow pictures of no item; they get the numbers -1, -2 and so on.
        progress: called with items done and items in all.

    Raises:
        InputError: the catalogue does not say where pictures lie, or none can be used.
    """
    if catalog.media is None:
        raise InputError(
            "The catalogue does not say where its pictures lie. Name the folder or zip archive: "
            "data.options.media; of the toy shop: data.options.pictures: true"
        )
    media, files = catalog.media, catalog.files("image")
    named = [(int(row), str(files[row])) for row in rows if files[row] is not None]
    return _sorted(
        [(row, catalog.ids[row], name) for row, name in named],
        media.read,
        resolution=resolution,
        also=also,
        progress=progress,
    )


def bucketed_folder(folder: Path, *, resolution: int, progress: Progress | None = None) -> Bucketed:
    """All pictures that lie in a folder, in the order of their names.

    Raises:
        InputError: there is no such folder, or nothing in it can be used.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Name the one with the pictures.")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    if not names:
        raise InputError(f"The folder {folder} holds no files. Put pictures into it.")
    return _sorted(
        [(number, name, name) for number, name in enumerate(names)],
        lambda name: (folder / name).read_bytes(),
        resolution=resolution,
        progress=progress,
    )


def _sorted(
    wanted: Sequence[tuple[int, str, str]],
    read: Callable[[str], bytes],
    *,
    resolution: int,
    also: Iterable[Any] = (),
    progress: Progress | None = None,
) -> Bucketed:
    sizes = bucket_sizes(resolution, step=STEP)
    found: dict[tuple[int, int], list[tuple[np.ndarray, int]]] = defaultdict(list)
    problems = []
    for done, (number, item_id, name) in enumerate(wanted, start=1):
        try:
            picture = open_picture(read(name), side=resolution)
            bucket = nearest_bucket(picture.size, sizes)
            found[bucket].append((fitted(picture, bucket), number))
        except InputError as error:
            problems.append(MediaProblem(item_id, name, str(error)))
        if progress is not None and (done % 100 == 0 or done == len(wanted)):
            progress(done, len(wanted))
    if not found:
        raise InputError(
            f"None of {len(wanted):,} pictures can be trained on.",
            [str(problem) for problem in problems],
        )
    for number, picture in enumerate(also, start=1):
        bucket = nearest_bucket(picture.size, sizes)
        found[bucket].append((fitted(picture, bucket), -number))
    if problems:
        log.warning("%d of %d pictures are left out", len(problems), len(wanted))
    parts = [found[bucket] for bucket in sorted(found)]
    return Bucketed(
        [np.stack([pixels for pixels, _ in part]) for part in parts],
        [number for part in parts for _, number in part],
        tuple(problems),
    )
