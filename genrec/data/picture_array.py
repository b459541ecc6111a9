"""All pictures of a catalogue, decoded once and held as bytes: what training reads many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.media import MediaProblem
from genrec.data.pictures import open_picture
from genrec.errors import InputError

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PictureArray:
    """The pictures that could be decoded, and which items they belong to.

    Attributes:
        pixels: shape (pictures, 3, side, side), uint8, squeezed into a square.
        rows: positions in the catalogue, ascending, shape (pictures,).
        problems: items whose picture was left out, and why.
    """

    pixels: np.ndarray
    rows: np.ndarray
    problems: tuple[MediaProblem, ...]


def decode_pictures(
    catalog: Catalog, positions: Sequence[int] | np.ndarray, *, side: int, progress: Progress
) -> PictureArray:
    """The pictures of these items; 10,000 of 64 x 64 pixels hold 123 MB.

    Items without a picture are left out silently, those whose file cannot be used are listed.

    Args:
        positions: rows of the catalogue.
        progress: called with items done and items in all.

    Raises:
        InputError: the catalogue does not say where pictures lie, or none can be used.
    """
    if catalog.media is None:
        raise InputError(
            "The catalogue does not say where its pictures lie. Name the folder or zip archive: "
            "data.options.media in a recipe (of the toy shop: data.options.pictures=true), "
            "Catalog(…, media=…) in Python."
        )
    files, found, rows, problems = catalog.files("image"), [], [], []
    for done, position in enumerate(np.sort(np.asarray(positions, np.int64)).tolist(), start=1):
        name = files[position]
        if name is not None:
            try:
                found.append(_square(catalog.media.read(name), side))
                rows.append(position)
            except InputError as error:
                problems.append(MediaProblem(catalog.ids[position], name, str(error)))
        if done % 100 == 0 or done == len(positions):
            progress(done, len(positions))
    if not rows:
        raise InputError(
            f"None of the {len(positions):,} items has a picture that can be used.",
            [str(problem) for problem in problems],
        )
    return PictureArray(np.stack(found), np.array(rows, np.int64), tuple(problems))


def _square(content: bytes, side: int) -> np.ndarray:
    from PIL import Image

    picture = open_picture(content, side=side)
    # As the image processor that is saved beside the tower does it.
    squeezed = picture.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(squeezed).transpose(2, 0, 1))
