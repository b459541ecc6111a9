"""A product cut from a plain background without a model, and how sure the cut is of itself.

The background is learned from the picture's left and right border, row by row, so that a wall over
a table is plain too. What is that background, or its shadow, and reaches the border, goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.creatives.colour import linear, oklab
from genrec.creatives.product.edges import images
from genrec.creatives.product.ringing import calmed

# Differences in OKLab, whose lightness runs from 0 to 1.
_CLEAR = 0.016
_HOLE = 0.014
_SHARES = (0.01, 0.92)
# A shadow keeps the light's colour and takes at most this share of it away.
_DARKEST_SHADOW = 0.62


@dataclass(frozen=True, eq=False)
class Segment:
    """Cover of each pixel, 0 to 1, with how sure it is and why not more."""

    alpha: np.ndarray
    confidence: float
    doubts: tuple[str, ...]


def segment(pixels: np.ndarray) -> Segment:
    """The product in a picture of shape (height, width, 3), uint8.

    ``confidence`` is the product of: how plain the border is, how clearly the product stands out
    along its edge, how much of the picture it fills, and whether it is in one piece.
    """
    ndimage = images()
    height, width = pixels.shape[:2]
    lab = oklab(pixels)
    background, roughness = _background(lab)
    away, swings, strong = calmed(lab - background)
    apart = np.sqrt((away**2).sum(axis=2))
    least = max(_CLEAR, 3.5 * roughness)
    limit = np.maximum(least, swings)
    doubts: list[str] = []
    plain = 1.0 - float(np.clip((roughness - 0.02) / 0.05, 0, 1))
    if plain < 0.6:
        doubts.append("the background is busy: the picture's border has many colours")

    shadowed = _shadowed(background + away, background, max(least, 0.04), strong)
    product = _standing_out(apart, limit, shadowed)
    # A cut that hangs on the limit has let the background into the product, or the other way.
    looser = _standing_out(apart, 1.7 * limit, shadowed)
    either = int((product | looser).sum())
    stable = float((product & looser).sum() / either) if either else 0.0
    if stable < 0.95:
        doubts.append("parts of the product look like the background")
    labels, count = ndimage.label(product)
    if not count:
        return Segment(np.zeros((height, width), np.float32), 0.0, (*doubts, "nothing stands out"))
    sizes = np.bincount(labels.ravel())[1:]
    kept = sizes >= max(0.02 * sizes.max(), 0.0003 * height * width)
    product = np.isin(labels, 1 + np.flatnonzero(kept))
    share = float(product.mean())
    one_piece = float(sizes.max() / sizes[kept].sum())
    if one_piece < 0.7:
        doubts.append("it falls into pieces of like size")
    filled = 1.0 if _SHARES[0] <= share <= _SHARES[1] else 0.0
    if not filled:
        doubts.append(f"it would fill {share:.1%} of the picture")
    # Right at its edge every pixel is half background: look at the strongest nearby.
    edge = product & ~ndimage.binary_erosion(product, iterations=2, border_value=1)
    strongest = ndimage.maximum_filter(apart, 5)
    clear = 0.0
    if edge.any():
        clear = float(np.clip((np.quantile(strongest[edge], 0.1) - 0.01) / 0.03, 0, 1))
    if clear < 0.5:
        doubts.append("its edge hardly differs from the background")
    touching = _touching(product)
    if touching > 0.25:
        doubts.append("it runs out of the picture")
    whole = 1.0 - float(np.clip((touching - 0.1) / 0.5, 0, 1))
    alpha = _refined(pixels, product)
    sure = float(np.clip((stable - 0.92) / 0.06, 0, 1))
    confidence = plain * clear * filled * min(1.0, one_piece / 0.7) * whole * sure
    return Segment(alpha, confidence, tuple(doubts))


def _standing_out(apart: np.ndarray, limit: np.ndarray, shadowed: np.ndarray) -> np.ndarray:
    """What is not background that reaches the border, without holes that show it."""
    height, width = apart.shape
    near = apart < limit
    rows = np.flatnonzero((~_reaching_border(near)).mean(axis=1) > 0.02)
    if rows.size:
        # Shadows lie beneath what throws them.
        shadowed = shadowed.copy()
        shadowed[: round(rows[0] + 0.45 * (rows[-1] - rows[0]))] = False
    product = ~_reaching_border(near | shadowed)
    # Holes, such as a handle's, show the very background; light spots of a pattern seldom do.
    enclosed = product & (apart < np.where(limit > _CLEAR, 0.9 * limit, _HOLE))
    product &= ~_large(enclosed, 0.0015 * height * width)
    opening = max(1, round(min(height, width) / 400))
    return np.asarray(images().binary_opening(product, iterations=opening))


def _background(lab: np.ndarray) -> tuple[np.ndarray, float]:
    """What the background would be everywhere, shape of ``lab``, and how rough it is."""
    height, width = lab.shape[:2]
    band = max(2, width // 32)
    left = np.median(lab[:, :band], axis=1)
    right = np.median(lab[:, -band:], axis=1)
    share = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    across = left[:, None] * (1 - share) + right[:, None] * share
    border = np.concatenate(
        [
            (lab[:, :band] - left[:, None]).reshape(-1, 3),
            (lab[:, -band:] - right[:, None]).reshape(-1, 3),
            (lab[: max(2, height // 32)] - across[: max(2, height // 32)]).reshape(-1, 3),
        ]
    )
    # A rough background changes from row to row as well, which rows alone would not show.
    steps = np.abs(np.diff(np.concatenate([left, right], axis=1), axis=0)).max(axis=1)
    within = np.sqrt((border**2).sum(axis=1))
    rough = float(np.quantile(within, 0.9)) + 0.5 * float(np.quantile(steps, 0.9))
    return across, rough


def _shadowed(
    lab: np.ndarray, background: np.ndarray, limit: float, strong: np.ndarray
) -> np.ndarray:
    """Where a pixel is the background with less light: darker, of the same tint, and soft."""
    darker = background[..., 0] - lab[..., 0]
    tint = np.sqrt(((lab[..., 1:] - background[..., 1:]) ** 2).sum(axis=2))
    tinted = tint >= max(0.012, 0.3 * limit)
    # The edge of a product of another tint must not make the shadow beside it look hard; a grey
    # one is told from a shadow by nothing but its edge.
    edge = images().binary_dilation(strong & tinted, iterations=2)
    lightness = lab[..., 0] if edge.all() else _nearest(lab[..., 0], ~edge)
    # Of what is nearly grey, light is the cube of OKLab's lightness.
    blurred = images().gaussian_filter(lightness**3, 1.0)
    steep = images().gaussian_gradient_magnitude(blurred, 1.0)
    return (
        (darker > 0) & (darker < _DARKEST_SHADOW * background[..., 0]) & ~tinted & (steep < 0.035)
    )


def _reaching_border(mask: np.ndarray) -> np.ndarray:
    labels, _ = images().label(mask)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    found = np.unique(rim)
    return np.isin(labels, found[found > 0])


def _large(mask: np.ndarray, least: float) -> np.ndarray:
    labels, count = images().label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes >= least))


def _touching(product: np.ndarray) -> float:
    rim = np.concatenate([product[0], product[-1], product[:, 0], product[:, -1]])
    return float(rim.mean())


def _refined(pixels: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Cover along the edge from where each pixel lies between the colours on its two sides."""
    ndimage = images()
    # Lines one pixel wide have no inside of their own, so they stay as they are.
    inside = ndimage.binary_erosion(product, iterations=2, border_value=1)
    outside = ~ndimage.binary_dilation(product, iterations=2)
    if not inside.any() or not outside.any():
        return product.astype(np.float32)
    light = linear(pixels)
    fore = _nearest(light, inside)
    back = _nearest(light, outside)
    along = fore - back
    length = np.maximum((along**2).sum(axis=2), 1e-4)
    cover = np.clip(((light - back) * along).sum(axis=2) / length, 0, 1)
    band = ~(inside | outside)
    alpha = np.where(band, cover, product.astype(np.float32))
    # Sure where both sides differ; elsewhere a soft step is the better guess.
    soft = ndimage.gaussian_filter(product.astype(np.float32), 0.8)
    unsure = band & (length < 0.01)
    alpha = np.where(unsure, soft, alpha)
    # Parts too thin to have an inside.
    thin = product & ~ndimage.binary_dilation(inside, iterations=4)
    return np.where(thin, np.maximum(alpha, soft), alpha).astype(np.float32)


def _nearest(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    found = images().distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.asarray(light[found[0], found[1]])
