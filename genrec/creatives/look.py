"""What a shop's pictures and films have in common beside layout and style: logo, fonts.

Files are named in a campaign, lie beside it and are checked when it is read. Knows files and
posters; knows nothing of campaigns or painters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.creatives.layout import Content, FontBook, Layout, Poster, lay_out
from genrec.creatives.picture_options import PictureOptions
from genrec.data.pictures import PictureLimits
from genrec.errors import GenrecError, InputError

LOGO_BYTES = 5_000_000
LOGO_LIMITS = PictureLimits(min_side=16, max_side=4096, max_pixels=8_000_000)
# Width by height or height by width: a longer band is a line where the brand's name would stand.
LOGO_SHAPE = 12
# Texts that may lose a sign that cannot be drawn. Price and disclosure stand as they are or not.
_MAY_LOSE = ("headline", "body", "call", "brand")


@dataclass(frozen=True, eq=False)
class Look:
    """Logo and fonts of all pictures and films of a campaign.

    Attributes:
        logo: shape (height, width, 3 or 4), uint8.
        fonts: of a file of the shop's own; ``None`` takes the shipped ones.
    """

    logo: np.ndarray | None = None
    fonts: FontBook | None = None

    @staticmethod
    def of(options: PictureOptions) -> Look:
        """With the files that are named.

        Raises:
            InputError: one cannot be used.
            ConfigError: the fonts do not fit.
        """
        return Look(
            read_logo(Path(options.logo)) if options.logo else None,
            FontBook.load(Path(options.fonts)) if options.fonts else None,
        )

    @property
    def identity(self) -> dict[str, str]:
        """Hashes of what decides pixels; nothing where nothing was chosen."""
        told = {}
        if self.logo is not None:
            shape = "x".join(map(str, self.logo.shape)).encode()
            told["logo"] = hashlib.sha256(shape + self.logo.tobytes()).hexdigest()
        if self.fonts is not None:
            told["fonts"] = self.fonts.identity
        return told

    def laid_out(self, content: Content, layout: Layout) -> Poster:
        """A poster of this look. Signs and emoji that no font has are left out, and told.

        Raises:
            InputError: as of ``lay_out``.
        """
        book = self.fonts or FontBook.load()
        texts = {name: getattr(content, name) for name in _MAY_LOSE}
        notes = list(_drop_signs(texts, layout, book))
        made = lay_out(replace(content, logo=self.logo, **texts), layout, fonts=book)
        return replace(made, notes=(*notes, *made.notes))


def _drop_signs(texts: dict[str, str], layout: Layout, book: FontBook) -> Iterator[str]:
    """Takes signs that cannot be drawn out of the texts, in place; a line for each text."""
    for name, text in texts.items():
        left, signs = book.without_signs(text, layout.template.families.values())
        # A headline of signs alone is refused with their names, as every text of letters is.
        if signs and left:
            texts[name] = left
            shown = ", ".join(f"{sign} (U+{ord(sign):04X})" for sign in signs)
            yield f"{name}: {shown} left out, since no font has it"


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


def _read_fonts(path: Path) -> FontBook:
    if not path.is_file():
        raise InputError(f"there is no file {path}; it lies beside the campaign's file")
    return FontBook.load(path)


_READ: Mapping[str, Callable[[Path], object]] = {"logo": read_logo, "fonts": _read_fonts}


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
            problems += [f"{name}: {line.strip(' -')}" for line in str(error).splitlines()]
    return found, problems
