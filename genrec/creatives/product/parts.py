"""What the product lock takes and gives. Loads numpy and nothing else.

Boxes are ``(left, top, right, bottom)`` in pixels, right and bottom beyond the last pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

Box = tuple[int, int, int, int]
WHOLE_PHOTO = "whole photo"


@dataclass(frozen=True, eq=False)
class CutOut:
    """A product without what stood around it.

    Attributes:
        pixels: sRGB, shape (height, width, 3), uint8. Under the edge, where the product covers a
            pixel in part, the product's own colour without the old background's.
        alpha: how much of each pixel is product, shape (height, width), uint8.
        how: the way it was cut: ``given alpha``, ``plain background``, a model's name, or
            ``whole photo`` where nothing could be cut and the photo itself is to be shown.
        confidence: 0 to 1, how sure the cut is of itself.
        warnings: what a person should know, in sentences.
        photo: the whole photo, shape of ``pixels``, to be framed where the cut proves wrong;
            ``None`` where the cut was given.
    """

    pixels: np.ndarray
    alpha: np.ndarray
    how: str
    confidence: float = 1.0
    warnings: tuple[str, ...] = ()
    photo: np.ndarray | None = None

    @property
    def framed(self) -> bool:
        """Whether it is a whole photo, which is shown in a frame rather than standing somewhere."""
        return self.how == WHOLE_PHOTO


@dataclass(frozen=True)
class Shadow:
    """How a product darkens what it stands on. Lengths are shares of the product's height.

    Attributes:
        contact: darkness right under it, 0 to 1.
        cast: darkness of the shadow that falls to the side, 0 to 1.
        lean: how far the cast shadow goes to the right; below 0 to the left.
        softness: how far edges of the cast shadow blur.
        stands: False for what hangs: a soft shadow behind it, none beneath.
    """

    contact: float = 0.55
    cast: float = 0.30
    lean: float = 0.22
    softness: float = 0.05
    stands: bool = True


@dataclass(frozen=True, eq=False)
class Locked:
    """A product in front of a background.

    Attributes:
        pixels: the composite, shape (height, width, 3), uint8.
        product_mask: where pixels are exactly those of ``placed``, shape (height, width), bool.
        feather_mask: the band around it where product and background mix, bool.
        placed: the cut-out at its placed size, resampled once from the photo; all pixels of
            ``placed_box`` in ``pixels``.
        placed_box: where ``placed`` lies. May reach over the edges of the picture.
        background: what was given, shape (height, width, 3), before product and shadow.
    """

    pixels: np.ndarray
    product_mask: np.ndarray
    feather_mask: np.ndarray
    placed: CutOut
    placed_box: Box
    background: np.ndarray


@dataclass(frozen=True)
class Defect:
    """What is wrong with a composite.

    Attributes:
        kind: a name of ``KINDS`` in ``defects.py``, such as ``overgrowth``.
        words: what it is, with the value, as a sentence.
        measure: the value that was held against the limit.
        limit: the limit.
    """

    kind: str
    words: str
    measure: float
    limit: float


@dataclass(frozen=True)
class Try:
    """One background that was drawn, and what was wrong with it; nothing if it passed."""

    attempt: int
    defects: tuple[Defect, ...] = ()
    error: str = ""

    @property
    def passed(self) -> bool:
        return not self.defects and not self.error


@dataclass(frozen=True, eq=False)
class Staged:
    """The composite that is shown, and how it came about.

    Attributes:
        locked: the composite.
        attempt: which drawn background it has; ``None`` for the plain one.
        tries: every background that was drawn, in order.
        reason: in words, why the background is what it is; empty if the first one passed.
        notes: of the cut-out and the fallback, for the ad's report.
        details: figures for the ad's manifest.
    """

    locked: Locked
    attempt: int | None
    tries: tuple[Try, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether it fell back to a plain background."""
        return self.attempt is None
