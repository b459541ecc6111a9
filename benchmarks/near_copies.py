"""Near-copies of pictures: what the check takes for a copy, of 120 drawn products of the toy shop.

Pairs of different products must not be taken for copies; altered copies of each must. ``--quick``
draws 40 products.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.harness import Figures, arguments, report
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES, draw
from genrec.diffusion.copies import look_of, near_copy


def figures(*, quick: bool = False) -> tuple[Figures, dict[str, object]]:
    """``false_copies`` of all pairs, and the share that is found of each kind of copy."""
    generator = np.random.default_rng(0)
    designs = list(itertools.product(SHAPES, COLOURS, PATTERNS))
    chosen = [designs[n] for n in generator.permutation(len(designs))[: 40 if quick else 120]]
    pictures = [np.asarray(draw(*one, seed=n)) for n, one in enumerate(chosen)]
    looks = [look_of(pixels) for pixels in pictures]
    pairs = [(a, b) for n, a in enumerate(looks) for b in looks[:n]]
    found: Figures = {"false_copies": sum(near_copy(*pair) for pair in pairs)}
    for name, change in _changes(generator).items():
        hits = [
            near_copy(look, look_of(change(pixels)))
            for look, pixels in zip(looks, pictures, strict=True)
        ]
        found[f"found_{name}"] = round(sum(hits) / len(hits), 3)
    again = [look_of(np.asarray(draw(*one, seed=1000 + n))) for n, one in enumerate(chosen)]
    hits = [near_copy(a, b) for a, b in zip(looks, again, strict=True)]
    found["same_product_drawn_anew"] = round(sum(hits) / len(hits), 3)
    return found, {"products": len(chosen), "pairs": len(pairs)}


def _changes(generator: np.random.Generator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    def noisy(pixels: np.ndarray) -> np.ndarray:
        return (pixels + generator.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)

    return {
        "jpeg_60": _jpeg,
        "shrunk_to_64": lambda pixels: np.asarray(Image.fromarray(pixels).resize((64, 64))),
        "darker_5_percent": lambda pixels: (pixels * 0.95).astype(np.uint8),
        "noise_6": noisy,
        "cropped_2_percent": lambda pixels: pixels[3:-3, 3:-3],
        "shifted_3_pixels": lambda pixels: np.roll(pixels, 3, 1),
    }


def _jpeg(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(io.BytesIO(file.getvalue())))


if __name__ == "__main__":
    measured, protocol = figures(quick=arguments(__doc__ or "").quick)
    report(measured, **protocol)
