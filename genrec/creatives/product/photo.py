"""A product photo's file to pixels with their alpha, in sRGB whatever it was saved in."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from genrec.data.pictures import LIMITS, PictureLimits, open_picture
from genrec.errors import MissingExtra


def read_photo(content: bytes, limits: PictureLimits = LIMITS) -> np.ndarray:
    """Pixels of shape (height, width, 3), or 4 with alpha where the file has any; uint8, sRGB.

    The file is checked as every picture is (format, size, damage). Colours of an embedded profile,
    as photos in CMYK or Adobe RGB have, are converted; without one, CMYK is converted plainly.

    Raises:
        InputError: no picture, truncated or damaged, or beyond the limits.
        MissingExtra: Pillow is not installed.
    """
    # Refuses what may not be decoded before anything else looks at it.
    flat = open_picture(content, limits)
    try:
        from PIL import Image, ImageCms, ImageOps
    except ModuleNotFoundError as error:
        raise MissingExtra("pillow", "images", "Reading pictures") from error
    picture: Any = Image.open(io.BytesIO(content))
    profile = picture.info.get("icc_profile")
    see_through = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    # Grey of 16 bits has been brought to 8; a profile of it is not for colours.
    deep = picture.mode.startswith("I")
    if not see_through and (deep or not profile):
        return np.asarray(flat)
    picture = ImageOps.exif_transpose(picture)
    alpha = picture.convert("RGBA").getchannel("A") if see_through else None
    opaque: Any = picture if picture.mode in ("RGB", "CMYK", "L") else picture.convert("RGB")
    if profile:
        try:
            opaque = ImageCms.profileToProfile(
                opaque,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError):
            # A damaged profile, or one of another kind of colours: as if there were none.
            opaque = opaque.convert("RGB")
    pixels = np.asarray(opaque.convert("RGB"))
    return pixels if alpha is None else np.dstack([pixels, np.asarray(alpha)])
