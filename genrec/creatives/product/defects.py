"""What can be wrong with a product before a background, as far as it shows without a model.

The kinds are those of the field's papers on product backgrounds (RFNet's taxonomy: unsuitable
background, space mismatch, size mismatch, indistinct, shape hallucination), as far as pixels tell.
Whether a scene's perspective fits, or whether a place suits a product, no rule here can say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from genrec.creatives.colour import oklab
from genrec.creatives.product.edges import box_of, images
from genrec.creatives.product.overgrowth import overgrown_share
from genrec.creatives.product.parts import CutOut, Defect, Locked
from genrec.creatives.product.scribble import letter_like_rows

KINDS = {
    "cut_off": "part of the product lies outside of the picture",
    "floating": "a standing product throws no shadow where it should touch",
    "too_small": "the product fills too little of the picture",
    "too_large": "the product leaves no room around it",
    "overgrowth": "the background goes on with the product beyond its outline",
    "halo": "the edge shines in a colour of neither product nor background",
    "indistinct": "the product hardly differs from what is behind it",
    "busy": "the background is more restless than the product",
    "letters": "the background has rows of signs that look like writing",
    "flat": "the background is empty: one colour, or damaged",
}


@dataclass(frozen=True)
class Limits:
    """Where a measure becomes a defect. Differences are distances in OKLab.

    Attributes:
        visible: least share of the product inside of the picture.
        least_side, most_side: of the product's longer side, against the picture's shorter one.
        overgrown: most area that looks like the product's continuation, a share of its area.
        halo: most excess of the edge over product and background.
        apart: least difference along the outline, over half of it.
        busy: most restlessness around the product, times the product's own.
        letters: most rows that look like writing.
        contact: least darkening right under a standing product.
        flat: least spread of the background's lightness.
    """

    visible: float = 0.995
    least_side: float = 0.16
    most_side: float = 1.0
    overgrown: float = 0.05
    halo: float = 0.08
    apart: float = 0.045
    busy: float = 2.2
    letters: int = 0
    contact: float = 0.03
    flat: float = 0.0004


LIMITS = Limits()
_SIDE = 640


def defects(
    locked: Locked, cutout: CutOut, *, limits: Limits = LIMITS, stands: bool = True
) -> tuple[Defect, ...]:
    """Everything that is wrong with a composite; empty if it passes.

    Args:
        cutout: what was placed. A framed photo is held to visibility and size alone.
        stands: whether the product stands, and so has to touch something.
    """
    return tuple(_found(locked, cutout, limits, stands=stands))


def _found(locked: Locked, cutout: CutOut, limits: Limits, *, stands: bool) -> Iterator[Defect]:
    yield from _placement(locked, limits)
    if cutout.framed:
        return
    locked = _reduced(locked)
    mask = locked.product_mask | locked.feather_mask
    if not mask.any():
        return
    lab = oklab(locked.pixels)
    behind = oklab(locked.background)
    spread = float(behind[..., 0].std())
    if spread < limits.flat:
        words = f"the background is one colour (spread {spread:.4f})"
        yield Defect("flat", words, spread, limits.flat)
    grown = overgrown_share(locked)
    if grown > limits.overgrown:
        words = f"the background goes on with the product over {grown:.0%} of its area"
        yield Defect("overgrowth", words, grown, limits.overgrown)
    ring = _ring(mask, 2, max(4, _side(locked) // 40))
    difference = _along_outline(lab, behind, mask)
    if difference < limits.apart:
        words = f"along half of its outline it differs from the background by {difference:.3f}"
        yield Defect("indistinct", words, difference, limits.apart)
    excess = _halo(lab, locked, mask, _old_ground(cutout))
    if excess > limits.halo:
        yield Defect("halo", f"its edge stands out by {excess:.3f}", excess, limits.halo)
    restless = _restless(behind[..., 0], ring | _ring(mask, 2, max(8, _side(locked) // 6)))
    own = max(0.012, _restless(lab[..., 0], locked.product_mask))
    if restless > limits.busy * own:
        words = f"the background near the product is {restless / own:.1f} times as restless"
        yield Defect("busy", words, restless / own, limits.busy)
    rows = letter_like_rows(locked.background, without=mask)
    if rows > limits.letters:
        words = f"{rows} row(s) of signs look like writing"
        yield Defect("letters", words, float(rows), float(limits.letters))
    if stands:
        touch = _contact(locked, mask)
        if touch < limits.contact:
            words = f"right under it the ground is darkened by {max(0.0, touch):.1%} only"
            yield Defect("floating", words, touch, limits.contact)


def _reduced(locked: Locked) -> Locked:
    """Every n-th pixel: a longer side of ``_SIDE`` is enough for these measures."""
    step = -(-max(locked.pixels.shape[:2]) // _SIDE)
    if step == 1:
        return locked
    part = np.s_[::step, ::step]
    left, top, right, bottom = (value // step for value in locked.placed_box)
    return replace(
        locked,
        pixels=locked.pixels[part],
        product_mask=locked.product_mask[part],
        feather_mask=locked.feather_mask[part],
        background=locked.background[part],
        placed_box=(left, top, right, bottom),
    )


def _placement(locked: Locked, limits: Limits) -> Iterator[Defect]:
    height, width = locked.pixels.shape[:2]
    left, top, right, bottom = locked.placed_box
    whole = float((locked.placed.alpha > 0).sum())
    inside = locked.placed.alpha[
        max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)
    ]
    share = float((inside > 0).sum()) / max(1.0, whole)
    if share < limits.visible:
        words = f"{1 - share:.1%} of the product lies outside of the picture"
        yield Defect("cut_off", words, share, limits.visible)
    side = max(right - left, bottom - top) / min(height, width)
    if side < limits.least_side:
        words = f"its longer side is {side:.0%} of the picture's shorter one"
        yield Defect("too_small", words, side, limits.least_side)
    if max((right - left) / width, (bottom - top) / height) > limits.most_side:
        words = f"it is {right - left} x {bottom - top} pixels in a picture of {width} x {height}"
        yield Defect("too_large", words, side, limits.most_side)


def _side(locked: Locked) -> int:
    left, top, right, bottom = locked.placed_box
    return max(right - left, bottom - top)


def _ring(mask: np.ndarray, inner: int, outer: int) -> np.ndarray:
    near = images().distance_transform_edt(~mask)
    return np.asarray((near > inner) & (near <= outer))


def _along_outline(lab: np.ndarray, behind: np.ndarray, mask: np.ndarray) -> float:
    """Median difference of product and background on the two sides of the outline."""
    ndimage = images()
    inside = mask & (ndimage.distance_transform_edt(mask) > 3)
    if not inside.any():
        return 1.0
    line = inside & ~ndimage.binary_erosion(inside)
    outside = ~mask & (ndimage.distance_transform_edt(~mask) > 2)
    if not outside.any():
        return 1.0
    nearest = ndimage.distance_transform_edt(~outside, return_distances=False, return_indices=True)
    rows, columns = np.nonzero(line)
    other = behind[nearest[0][rows, columns], nearest[1][rows, columns]]
    return float(np.median(np.sqrt(((lab[rows, columns] - other) ** 2).sum(axis=1))))


def _old_ground(cutout: CutOut) -> float | None:
    """Lightness of what stood around the product in its photo; None where there is no photo."""
    if cutout.photo is None or cutout.photo.shape[:2] != cutout.alpha.shape:
        return None
    around = cutout.photo[cutout.alpha == 0]
    if not len(around):
        return None
    few = around[:: max(1, len(around) // 4096)]
    return float(np.median(oklab(few[None])[..., 0]))


def _halo(lab: np.ndarray, locked: Locked, mask: np.ndarray, ground: float | None) -> float:
    """How far edge pixels lie outside of what a mix of both sides could be, upper decile.

    Args:
        ground: lightness of the product's old background. What shines through an edge is that, so
            a dark rim of a product that stood on white is its own.
    """
    ndimage = images()
    band = locked.feather_mask
    inside = locked.product_mask
    outside = ~mask
    if not band.any() or not inside.any() or not outside.any():
        return 0.0
    rows, columns = np.nonzero(band)
    sides = []
    # Lightness is what the eye sees as a rim; shading within a product changes it slowly.
    light = lab[..., 0]
    for one in (inside, outside):
        nearest = ndimage.distance_transform_edt(~one, return_distances=False, return_indices=True)
        sides.append(light[nearest[0][rows, columns], nearest[1][rows, columns]])
    edge = light[rows, columns]
    lighter = np.maximum(edge - np.maximum(*sides), 0)
    darker = np.maximum(np.minimum(*sides) - edge, 0)
    excess = np.maximum(lighter, darker)
    if ground is not None:
        excess = np.where(ground >= sides[0], lighter, darker)
    return float(np.quantile(excess, 0.9))


def _restless(lightness: np.ndarray, where: np.ndarray) -> float:
    """Root mean square of fine change, in lightness."""
    if not where.any():
        return 0.0
    fine = lightness - images().gaussian_filter(lightness, 4.0)
    return float(np.sqrt((fine[where] ** 2).mean()))


def _contact(locked: Locked, mask: np.ndarray) -> float:
    """How much darker the composite is than the background just under the product's foot."""
    box = box_of(mask)
    height = mask.shape[0]
    if box is None or box[3] >= height - 2:
        return 1.0
    _, top, _, bottom = box
    foot = mask[bottom - max(2, (bottom - top) // 20) : bottom].any(axis=0)
    columns = np.flatnonzero(foot)
    below = np.s_[bottom : min(height, bottom + max(2, (bottom - top) // 40)), columns]
    before = locked.background[below].astype(np.float32).mean()
    after = locked.pixels[below].astype(np.float32).mean()
    return float((before - after) / max(1.0, before))
