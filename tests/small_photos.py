"""A shop of plain coloured squares and discs: every title can be told from its picture."""

import io
import zipfile

import numpy as np
import polars as pl
from PIL import Image

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder

COLOURS = {
    "red": (210, 30, 30),
    "green": (30, 170, 40),
    "blue": (30, 50, 210),
    "yellow": (230, 210, 40),
    "black": (15, 15, 15),
    "white": (240, 240, 240),
}
SHAPES = ("tile", "disc")


def photo(colour, shape, seed):
    """A picture of 24 x 32 pixels with some noise."""
    generator = np.random.default_rng(seed)
    pixels = np.full((32, 24, 3), 128.0)
    rows, columns = np.mgrid[:32, :24]
    inside = (rows - 16) ** 2 + (columns - 12) ** 2 < 100
    if shape == "tile":
        inside = (abs(rows - 16) < 10) & (abs(columns - 12) < 9)
    pixels[inside] = COLOURS[colour]
    noisy = pixels + generator.normal(0, 8, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def photo_bytes(colour, shape, seed):
    buffer = io.BytesIO()
    photo(colour, shape, seed).save(buffer, "PNG")
    return buffer.getvalue()


def photo_shop(folder, count=96, *, first=0):
    """A catalogue of ``count`` items with an archive of their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [(c, s) for c in COLOURS for s in SHAPES]
    rows = []
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number in range(first, first + count):
            colour, shape = names[number % len(names)]
            archive.writestr(f"p{number}.jpg", photo_bytes(colour, shape, number))
            rows.append((f"p{number}", f"{colour} {shape}", f"p{number}.jpg", colour, shape))
    table = pl.DataFrame(
        rows, schema=["item_id", "title", "image", "colour", "shape"], orient="row"
    )
    return Catalog(table, media=MediaFolder.at(folder / "images.zip"))
