"""A background that passes: drawn again until nothing is wrong, else a plain one, and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genrec.creatives.colour import Rgb, from_oklch, main_hue
from genrec.creatives.product.defects import LIMITS, Limits, defects
from genrec.creatives.product.parts import (
    WHOLE_PHOTO,
    Box,
    CutOut,
    Defect,
    Locked,
    Shadow,
    Staged,
    Try,
)
from genrec.creatives.product.placing import FEATHER, lock
from genrec.creatives.product.scenes import draw_scene
from genrec.errors import GenrecError

# The number of the attempt, from 0, to a background of shape (height, width, 3), uint8.
Draw = Callable[[int], np.ndarray]

# What is wrong with a cut rather than with the place or the ground that was chosen for it.
_OF_THE_CUT = ("halo", "indistinct")
# How much of a plain wall's brightness is left behind a pale product: white words are read on it
# without a veil.
_DARK = 0.5


def staged(
    cutout: CutOut,
    draw: Draw,
    *,
    size: tuple[int, int],
    box: Box,
    tries: int = 3,
    feather: int = FEATHER,
    shadow: Shadow | None = None,
    limits: Limits = LIMITS,
    plain: Rgb | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Staged:
    """The product before the first background that passes, or before a plain one.

    Args:
        draw: any painter. What it raises of genrec's own errors counts as a failed try.
        size: width and height of the picture; backgrounds of another size fail.
        box: where the product is placed.
        tries: how often to draw at most.
        plain: colour of the plain background; by default a pale one opposite to the product's.
        progress: called with the number of tries done and ``tries``.
    """
    shadow = shadow or Shadow()
    notes = cutout.warnings
    if cutout.framed:
        # No outline is known, so no background can go behind one.
        fallback = _plain(cutout, size, box, feather, shadow, plain)
        reason = "the product could not be cut out: its whole photo in a frame, on a plain ground"
        return Staged(fallback, None, (), reason, notes)
    done: list[Try] = []
    for attempt in range(tries):
        found: tuple[Defect, ...] = ()
        error = ""
        try:
            background = draw(attempt)
            error = _shape_problem(background, size)
            if not error:
                locked = lock(cutout, background, box=box, feather=feather, shadow=shadow)
                found = defects(locked, cutout, limits=limits, stands=shadow.stands)
        except GenrecError as failed:
            error = str(failed)
        done.append(Try(attempt, found, error))
        if progress:
            progress(attempt + 1, tries)
        if done[-1].passed:
            reason = _why(done[:-1])
            return Staged(locked, attempt, tuple(done), reason, notes)
    fallback = _plain(cutout, size, box, feather, shadow, plain)
    reason = f"plain background: {_why(done)}" if done else "plain background: no try was allowed"
    found = defects(fallback, cutout, limits=limits, stands=shadow.stands)
    left = [f"on the plain background: {one.words}" for one in found if one.kind != "flat"]
    notes = (*notes, *left)
    if cutout.photo is not None and any(one.kind in _OF_THE_CUT for one in found):
        whole = np.full(cutout.alpha.shape, 255, np.uint8)
        framed = CutOut(cutout.photo, whole, WHOLE_PHOTO, cutout.confidence, cutout.warnings)
        fallback = _plain(framed, size, box, feather, shadow, plain)
        why = "the cut-out fails on a plain background too"
        notes = (*notes, f"{why}; the whole photo is shown in a frame")
    return Staged(fallback, None, tuple(done), reason, notes)


def _why(failed: list[Try]) -> str:
    parts = []
    for one in failed:
        words = one.error or "; ".join(f"{defect.kind} ({defect.words})" for defect in one.defects)
        parts.append(f"background {one.attempt + 1} failed: {words}")
    return ". ".join(parts)


def _shape_problem(background: np.ndarray, size: tuple[int, int]) -> str:
    wanted = (size[1], size[0], 3)
    shape = getattr(background, "shape", None)
    if shape != wanted or background.dtype != np.uint8:
        kind = getattr(background, "dtype", type(background).__name__)
        return f"it is {kind} of shape {shape}; uint8 of {wanted} was asked for"
    return ""


def _plain(
    cutout: CutOut,
    size: tuple[int, int],
    box: Box,
    feather: int,
    shadow: Shadow,
    colour: Rgb | None,
) -> Locked:
    covered = cutout.pixels[cutout.alpha >= 128]
    if colour is None:
        hue, _ = main_hue(covered[None] if len(covered) else cutout.pixels)
        dark = float(np.mean(covered)) > 190 if len(covered) else False
        # Pale and of the opposite hue, so that any product stands out; dark for a pale product.
        colour = from_oklch(0.5 if dark else 0.9, 0.03, hue + np.pi)
    wall = draw_scene(colour, size, backdrop="plain")
    if float(np.mean(covered) if len(covered) else 0) > 190:
        wall = (wall * _DARK).astype(np.uint8)
    return lock(cutout, wall, box=box, feather=feather, shadow=shadow)
