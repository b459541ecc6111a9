"""What a shop's pictures and films have in common beside layout and style: its logo.

Files are named in a campaign, lie beside it and are checked when it is read. Knows files and
posters; knows nothing of campaigns or painters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.creatives.layout import Content, Layout, Poster, lay_out
from genrec.creatives.picture_options import PictureOptions
from genrec.data.pictures import PictureLimits
from genrec.errors import GenrecError, InputError

LOGO_BYTES = 5_000_000
LOGO_LIMITS = PictureLimits(min_side=16, max_side=4096, max_pixels=8_000_000)
# Width by height or height by width: a longer band is a line where the brand's name would stand.
LOGO_SHAPE = 12


@dataclass(frozen=True, eq=False)
class Look:
    """Logo of all pictures and films of a campaign.

    Attributes:
        logo: shape (height, width, 3 or 4), uint8.
    """

    logo: np.ndarray | None = None

    @staticmethod
    def of(options: PictureOptions) -> Look:
        """With the files that are named.

        Raises:
            InputError: one cannot be used.
        """
        return Look(read_logo(Path(options.logo)) if options.logo else None)

    @property
    def identity(self) -> dict[str, str]:
        """Hashes of what decides pixels; nothing where nothing was chosen."""
        if self.logo is None:
            return {}
        shape = "x".join(map(str, self.logo.shape)).encode()
        return {"logo": hashlib.sha256(shape + self.logo.tobytes()).hexdigest()}

    def laid_out(self, content: Content, layout: Layout) -> Poster:
        """A poster of this look.

        Raises:
            InputError: as of ``lay_out``.
        """
        return lay_out(replace(content, logo=self.logo), layout)


def read_logo(path: Path) -> np.ndarray:
    """A logo's pixels, shape (height, width, 3), or 4 where it has alpha; uint8.

    Raises:
        InputError: there is no such file, it is no picture or too large, or shows nothing.
        MissingExtra: Pillow is not installed.
    """
    from genrec.creatives.product.photo import read_photo

    try:
        size = path.stat().st_size
        if size > LOGO_BYTES:
            raise InputError(f"it has {size:,} bytes; at most {LOGO_BYTES:,} are read")
        pixels = read_photo(path.read_bytes(), LOGO_LIMITS)
        height, width = pixels.shape[:2]
        if max(height, width) > LOGO_SHAPE * min(height, width):
            raise InputError(
                f"it has {width} x {height} pixels; one side has at most {LOGO_SHAPE} times the "
                "other's"
            )
        if pixels.shape[2] == 4 and not pixels[..., 3].any():
            raise InputError("all of it is transparent")
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; it lies beside the campaign's file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}") from error
    return pixels


_READ: Mapping[str, Callable[[Path], object]] = {"logo": read_logo}


def with_files(section: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """A section with the whole paths of its files, and what is wrong with them, each as a line.

    Args:
        section: of a campaign: options of its pictures, as they are written there.
        folder: of the campaign's file.
    """
    found, problems = dict(section), []
    for name, read in _READ.items():
        value = section.get(name)
        if not isinstance(value, str) or not value:
            continue
        path = (folder / value).absolute()
        found[name] = str(path)
        try:
            read(path)
        except GenrecError as error:
            problems += [f"{name}: {line}" for line in str(error).splitlines()]
    return found, problems
