"""Posters as files, the same bytes for the same poster, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

from genrec.creatives.layout.content import Poster
from genrec.errors import ConfigError, nearest
from genrec.workspace import write_bytes

ENDINGS = (".png", ".webp", ".svg")
WEBP_QUALITY = 92


def save_poster(poster: Poster, path: Path) -> Path:
    """Writes a poster in the format that the path's ending says."""
    write_bytes(path, encoded_poster(poster, path.suffix.lower()))
    return path


def encoded_poster(poster: Poster, ending: str) -> bytes:
    """A poster as the content of a file: ``.png`` exact, ``.webp`` small, ``.svg`` scalable.

    Raises:
        ConfigError: no such ending.
    """
    if ending not in ENDINGS:
        raise ConfigError(f"A poster cannot be saved as '{ending}'; {nearest(ending, ENDINGS)}")
    if ending == ".svg":
        return poster.svg.encode("utf-8")
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(poster.pixels)
    if ending == ".png":
        picture.save(file, "PNG", compress_level=6)
    else:
        picture.save(file, "WEBP", quality=WEBP_QUALITY, method=4)
    return file.getvalue()
