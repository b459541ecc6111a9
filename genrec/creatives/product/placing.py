"""A cut-out brought to its size, once, in linear light, and put in front of a background."""

from __future__ import annotations

import numpy as np

from genrec.creatives.colour import encoded, linear
from genrec.creatives.product.edges import box_of, distance_inside
from genrec.creatives.product.parts import Box, CutOut, Locked, Shadow
from genrec.creatives.product.shadow import shade
from genrec.errors import InputError

FEATHER = 2


def lock(
    cutout: CutOut,
    background: np.ndarray,
    *,
    box: Box,
    feather: int = FEATHER,
    shadow: Shadow | None = None,
) -> Locked:
    """The product in front of a background, its own pixels untouched.

    The cut-out's product is trimmed, resampled once to the largest size that fits the box, and
    set at the box's foot, in the middle. Wherever the product covers a pixel in full and lies
    farther than ``feather`` pixels from its edge, the composite has exactly the placed cut-out's
    values. In the band between, product and background mix in linear light.

    Args:
        background: shape (height, width, 3), uint8, sRGB.
        box: where to place it, in pixels of the background; may reach over its edges.
        feather: width of the band inside of the product's edge, in pixels; 0 mixes only what the
            cut-out's alpha says.
        shadow: how it darkens the background; by default as a standing thing.

    Raises:
        InputError: the background is no picture, the box has no area, or the cut-out is empty.
    """
    if not isinstance(background, np.ndarray) or background.ndim != 3 or background.shape[2] != 3:
        shape = getattr(background, "shape", type(background).__name__)
        raise InputError(f"A background has the shape (height, width, 3); this is {shape}.")
    if background.dtype != np.uint8:
        raise InputError(f"A background is uint8; this is {background.dtype}.")
    placed, place = placed_in(cutout, box)
    height, width = background.shape[:2]
    alpha = _on_canvas(placed.alpha, place, (height, width))
    colours = _on_canvas(placed.pixels, place, (height, width))
    full = alpha >= 255
    core = full & (distance_inside(full) > feather)
    shaded = shade(linear(background), alpha, shadow or Shadow(), framed=cutout.framed)
    cover = (alpha.astype(np.float32) / 255)[..., None]
    mixed = encoded(shaded * (1 - cover) + linear(colours) * cover)
    band = (alpha > 0) & ~core
    if feather:
        # Soft steps within the band hide the stairs of an edge that was cut hard.
        pixels = np.where(core[..., None], colours, mixed)
    else:
        pixels = np.where(full[..., None], colours, mixed)
        core, band = full, (alpha > 0) & ~full
    return Locked(
        pixels=pixels.astype(np.uint8),
        product_mask=core,
        feather_mask=band,
        placed=placed,
        placed_box=place,
        background=background,
    )


def placed_in(cutout: CutOut, box: Box) -> tuple[CutOut, Box]:
    """The trimmed cut-out at the largest size that fits a box, and where it then lies."""
    left, top, right, bottom = box
    if right - left < 2 or bottom - top < 2:
        raise InputError(f"The box {box} for the product has no area.")
    around = box_of(cutout.alpha >= 8)
    if around is None:
        raise InputError("The cut-out is empty: nothing in it is product.")
    x0, y0, x1, y1 = around
    pixels, alpha = cutout.pixels[y0:y1, x0:x1], cutout.alpha[y0:y1, x0:x1]
    share = min((right - left) / (x1 - x0), (bottom - top) / (y1 - y0))
    width, height = max(1, round((x1 - x0) * share)), max(1, round((y1 - y0) * share))
    if (width, height) != (x1 - x0, y1 - y0):
        pixels, alpha = resampled(pixels, alpha, (width, height))
    placed = CutOut(pixels, alpha, cutout.how, cutout.confidence, cutout.warnings)
    x = left + (right - left - width) // 2
    y = (top + (bottom - top - height) // 2) if cutout.framed else bottom - height
    return placed, (x, y, x + width, y + height)


def resampled(
    pixels: np.ndarray, alpha: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and alpha at another width and height: Lanczos, in linear light, colours by cover."""
    from PIL import Image

    def scaled(values: np.ndarray) -> np.ndarray:
        whole = Image.fromarray(np.ascontiguousarray(values, np.float32))
        return np.asarray(whole.resize(size, Image.Resampling.LANCZOS))

    cover = alpha.astype(np.float32) / 255
    new_cover = np.clip(scaled(cover), 0, 1)
    light = linear(pixels) * cover[..., None]
    weighted = np.stack([scaled(light[..., channel]) for channel in range(3)], axis=2)
    share = np.maximum(new_cover, 1e-3)[..., None]
    return encoded(weighted / share), np.floor(new_cover * 255 + 0.5).astype(np.uint8)


def _on_canvas(values: np.ndarray, place: Box, shape: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros((*shape, *values.shape[2:]), values.dtype)
    left, top, right, bottom = place
    x0, y0, x1, y1 = max(0, left), max(0, top), min(shape[1], right), min(shape[0], bottom)
    if x1 > x0 and y1 > y0:
        canvas[y0:y1, x0:x1] = values[y0 - top : y1 - top, x0 - left : x1 - left]
    return canvas
