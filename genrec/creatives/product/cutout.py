"""A product photo to a cut-out, by the surest way there is; else the whole photo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genrec.creatives.product.edges import box_of, own_colours
from genrec.creatives.product.parts import WHOLE_PHOTO, CutOut
from genrec.creatives.product.segment import segment
from genrec.errors import InputError

# Pixels of shape (height, width, 3), uint8, to cover of each, shape (height, width), uint8.
Matting = Callable[[np.ndarray], np.ndarray]

GIVEN, PLAIN = "given alpha", "plain background"
SURE = 0.5
# Of a photo large enough to tell: below it, grey stripes were cut off with the wall behind them.
LARGE, LARGE_SURE = 240, 0.88
SMALLEST, SMALL, LARGEST = 16, 120, 2048
# How far the values of a photo that shows nothing are apart; JPEG moves them by one.
_EMPTY = 2


def cut_out(
    pixels: np.ndarray, *, alpha: np.ndarray | None = None, matting: Matting | None = None
) -> CutOut:
    """The product of a photo.

    The photo's own alpha is taken if it has one that says anything, else the matting model, else
    a plain background is removed. A cut that is not sure of itself is not used: the whole photo
    is then shown in a frame, which is never wrong.

    Args:
        pixels: shape (height, width, 3 or 4), uint8, sRGB; a fourth channel is alpha.
        alpha: shape (height, width), uint8.
        matting: a model such as ``MattingModel.load(name)``.

    Raises:
        InputError: it is no picture, too small to show anything, or of one colour.
    """
    pixels, alpha = _read(pixels, alpha)
    pixels, alpha, warnings = _sized(pixels, alpha)
    doubts: list[str] = []
    _check_shown(pixels, alpha)
    if alpha is not None:
        if problem := _alpha_problem(alpha):
            doubts.append(f"its own alpha was not used: {problem}")
        else:
            return _made(pixels, alpha, GIVEN, 1.0, warnings)
    if matting is not None:
        name = getattr(matting, "name", "matting model")
        try:
            found = np.asarray(matting(pixels))
        except InputError as error:
            doubts.append(f"{name} failed: {error}")
        else:
            confidence, problem = _cover_confidence(found, pixels.shape[:2])
            if confidence >= SURE:
                return _made(pixels, found, name, confidence, [*warnings, *doubts])
            doubts.append(f"the cut of {name} was not used: {problem}")
    segmented = segment(pixels)
    needed = LARGE_SURE if min(pixels.shape[:2]) >= LARGE else SURE
    if segmented.confidence >= needed:
        cover = np.floor(segmented.alpha * 255 + 0.5).astype(np.uint8)
        return _made(
            pixels, cover, PLAIN, segmented.confidence, [*warnings, *doubts, *segmented.doubts]
        )
    doubts += [f"no plain background to remove: {doubt}" for doubt in segmented.doubts]
    doubts.append(f"the cut is sure of itself by {segmented.confidence:.2f}; it needs {needed}")
    whole = np.full(pixels.shape[:2], 255, np.uint8)
    note = "the product could not be cut out safely; the whole photo is shown in a frame"
    return CutOut(pixels, whole, WHOLE_PHOTO, segmented.confidence, (*warnings, *doubts, note))


def _read(pixels: np.ndarray, alpha: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
        shape = getattr(pixels, "shape", type(pixels).__name__)
        raise InputError(f"A product photo is uint8 of shape (height, width, 3); this is {shape}.")
    if pixels.shape[2] not in (3, 4):
        raise InputError(f"A product photo has 3 or 4 channels; this one has {pixels.shape[2]}.")
    if min(pixels.shape[:2]) < SMALLEST:
        raise InputError(
            f"The product photo has {pixels.shape[1]} x {pixels.shape[0]} pixels; each side needs "
            f"at least {SMALLEST}. Give a larger one."
        )
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3] if alpha is None else alpha
        pixels = pixels[..., :3]
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != np.uint8):
        raise InputError(
            f"Alpha is {alpha.dtype} of shape {alpha.shape}; the photo needs uint8 of "
            f"{pixels.shape[:2]}."
        )
    return np.ascontiguousarray(pixels), alpha


def _check_shown(pixels: np.ndarray, alpha: np.ndarray | None) -> None:
    """Refuses a photo of one colour; an outline in its alpha is something to show."""
    if alpha is not None and not _alpha_problem(alpha):
        return
    if int(np.ptp(pixels, axis=(0, 1)).max()) <= _EMPTY:
        clear = alpha is not None and not (alpha >= 128).any()
        told = "transparent" if clear else "of one colour"
        raise InputError(f"It is {told} all over and shows no product. Give another photo.")


def _sized(
    pixels: np.ndarray, alpha: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    height, width = pixels.shape[:2]
    warnings = []
    if min(height, width) < SMALL:
        warnings.append(f"the photo has {width} x {height} pixels; it will look soft")
    if max(height, width) > LARGEST:
        from genrec.creatives.product.placing import resampled

        share = LARGEST / max(height, width)
        size = round(width * share), round(height * share)
        cover = np.full((height, width), 255, np.uint8) if alpha is None else alpha
        pixels, cover = resampled(pixels, cover, size)
        alpha = None if alpha is None else cover
        warnings.append(f"the photo was reduced from {width} x {height} to {size[0]} x {size[1]}")
    return pixels, alpha, warnings


def _alpha_problem(alpha: np.ndarray) -> str:
    covered = float((alpha >= 128).mean())
    if alpha.min() >= 250:
        return "nothing in it is transparent"
    if covered < 0.002:
        return f"it covers {covered:.2%} of the photo"
    return ""


def _cover_confidence(alpha: np.ndarray, shape: tuple[int, ...]) -> tuple[float, str]:
    if alpha.shape != shape or alpha.dtype != np.uint8:
        return 0.0, f"it gave {alpha.dtype} of shape {alpha.shape} for a photo of {shape}"
    covered = float((alpha >= 128).mean())
    if not 0.005 <= covered <= 0.95:
        return 0.0, f"it covers {covered:.1%} of the photo"
    # A model that knows says 0 or 255 nearly everywhere.
    unsure = float(((alpha > 40) & (alpha < 215)).mean()) / covered
    if unsure > 0.5:
        return max(0.0, 1 - unsure), f"{unsure:.0%} of the product's area is neither in nor out"
    return 1 - unsure, ""


def _made(
    pixels: np.ndarray, alpha: np.ndarray, how: str, confidence: float, warnings: list[str]
) -> CutOut:
    box = box_of(alpha >= 128)
    height, width = alpha.shape
    if box and how != GIVEN:
        edges = [name for name, at in zip(
            ("left", "top", "right", "bottom"),
            (box[0] == 0, box[1] == 0, box[2] == width, box[3] == height),
            strict=True,
        ) if at]  # fmt: skip
        if edges:
            warnings = [*warnings, f"the product is cut off by the photo's {' and '.join(edges)}"]
    photo = None if how == GIVEN else pixels
    return CutOut(own_colours(pixels, alpha), alpha, how, confidence, tuple(warnings), photo)
