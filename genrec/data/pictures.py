"""Bytes to pictures, with nothing let through that a model could not see as it is meant.

A picture is told by its content, not by its name. Sizes are checked before anything is decoded.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genrec.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@dataclass(frozen=True)
class PictureLimits:
    """What is refused.

    Attributes:
        min_side: pixels; a 1-pixel placeholder shows nothing.
        max_side: pixels.
        max_pixels: width times height; a small file may unpack to gigabytes.
    """

    min_side: int = 8
    max_side: int = 16_384
    max_pixels: int = 50_000_000


LIMITS = PictureLimits()


def open_picture(content: bytes, limits: PictureLimits = LIMITS, *, side: int = 0) -> Image:
    """A picture in RGB, upright, on white where it was transparent; of a film its first frame.

    Args:
        content: of a file, in one of ``FORMATS``.
        side: the least side length that is wanted; a large JPEG is decoded at a fraction of its
            size down to it, which is several times as fast. 0 decodes the whole.

    Raises:
        InputError: no picture, truncated or damaged, or beyond the limits.
        MissingExtra: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise MissingExtra("pillow", "images", "Reading pictures") from error

    with warnings.catch_warnings():
        # Sizes are checked below, before a pixel is decoded.
        warnings.simplefilter("ignore")
        try:
            picture: Any = Image.open(io.BytesIO(content), formats=FORMATS)
            _check_size(picture.size, limits)
            if side:
                picture.draft("RGB", (side, side))
            picture.seek(0)
            picture.load()
            return _flat(ImageOps.exif_transpose(picture))
        except InputError:
            raise
        except UnidentifiedImageError:
            raise InputError(f"it is no picture in a known format ({', '.join(FORMATS)})") from None
        except Image.DecompressionBombError:
            raise InputError(f"it has far too many pixels; {_most(limits)}") from None
        # Decoders of damaged files raise whatever comes to hand.
        except Exception as error:
            raise InputError(f"it is damaged or truncated: {error}") from error


def _check_size(size: tuple[int, int], limits: PictureLimits) -> None:
    width, height = size
    if min(size) < limits.min_side:
        raise InputError(
            f"it has {width} x {height} pixels; each side needs at least {limits.min_side}"
        )
    if max(size) > limits.max_side or width * height > limits.max_pixels:
        raise InputError(f"it has {width} x {height} pixels; {_most(limits)}")


def _most(limits: PictureLimits) -> str:
    return f"at most {limits.max_side:,} a side and {limits.max_pixels:,} in all are decoded"


def _flat(picture: Any) -> Any:
    from PIL import Image

    if picture.mode.startswith("I;16") or picture.mode == "I":
        # 16 bits of grey: a plain conversion would clip everything above 255 to white.
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture)
    return picture.convert("RGB")
