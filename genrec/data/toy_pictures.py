"""Pictures of the toy shop's products, drawn from kind, colour and pattern.

The same arguments give the same pixels. Knows nothing of shoppers, prices or files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from genrec.errors import ConfigError, MissingExtra, nearest

SIZE = 160
# Drawn this much larger, then reduced: smooth edges without a drawing library.
_OVERSAMPLING = 3

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (201, 62, 58),
    "orange": (230, 138, 56),
    "yellow": (236, 198, 74),
    "green": (86, 150, 96),
    "teal": (52, 146, 152),
    "blue": (66, 106, 180),
    "purple": (132, 90, 164),
    "grey": (122, 128, 136),
}
PATTERNS = ("plain", "stripes", "dots", "checks")

Point = tuple[float, float]


class _Canvas:
    """A mask to draw a shape on, in coordinates from 0 to 1, x right and y down."""

    def __init__(self, size: int) -> None:
        from PIL import Image, ImageDraw

        self.size = size
        self.image = Image.new("L", (size, size), 0)
        self._draw = ImageDraw.Draw(self.image)

    def _box(self, left: float, top: float, right: float, bottom: float) -> list[float]:
        return [value * self.size for value in (left, top, right, bottom)]

    def polygon(self, *points: Point, fill: int = 255) -> None:
        self._draw.polygon([(x * self.size, y * self.size) for x, y in points], fill=fill)

    def ellipse(self, *box: float, fill: int = 255) -> None:
        self._draw.ellipse(self._box(*box), fill=fill)

    def rectangle(self, *box: float, radius: float = 0.0, fill: int = 255) -> None:
        self._draw.rounded_rectangle(self._box(*box), radius * self.size, fill=fill)

    def ring(self, *box: float, width: float) -> None:
        self._draw.ellipse(self._box(*box), outline=255, width=round(width * self.size))

    def line(self, *points: Point, width: float) -> None:
        scaled = [(x * self.size, y * self.size) for x, y in points]
        self._draw.line(scaled, fill=255, width=round(width * self.size), joint="curve")


# Of each kind: trim behind the body, the patterned body, dark openings and seams on it.
Shape = Callable[[_Canvas, _Canvas, _Canvas], None]


def _mug(trim: _Canvas, body: _Canvas, dark: _Canvas) -> None:
    trim.ring(0.53, 0.40, 0.81, 0.70, width=0.05)
    body.rectangle(0.22, 0.31, 0.66, 0.80, radius=0.07)
    body.rectangle(0.22, 0.31, 0.66, 0.50)
    body.ellipse(0.22, 0.26, 0.66, 0.36)
    dark.ellipse(0.245, 0.275, 0.635, 0.345)


def _lamp(trim: _Canvas, body: _Canvas, dark: _Canvas) -> None:
    trim.rectangle(0.482, 0.48, 0.518, 0.78)
    trim.ellipse(0.34, 0.745, 0.66, 0.825)
    body.polygon((0.37, 0.19), (0.63, 0.19), (0.77, 0.52), (0.23, 0.52))
    body.ellipse(0.23, 0.49, 0.77, 0.55)
    body.ellipse(0.37, 0.17, 0.63, 0.21)
    dark.ellipse(0.395, 0.178, 0.605, 0.202)


def _bag(trim: _Canvas, body: _Canvas, dark: _Canvas) -> None:
    trim.ring(0.34, 0.18, 0.66, 0.66, width=0.032)
    body.polygon((0.24, 0.40), (0.76, 0.40), (0.81, 0.80), (0.19, 0.80))
    body.rectangle(0.19, 0.74, 0.81, 0.83, radius=0.04)
    dark.rectangle(0.235, 0.435, 0.765, 0.443)
    dark.ellipse(0.345, 0.455, 0.375, 0.485)
    dark.ellipse(0.625, 0.455, 0.655, 0.485)


def _shirt(trim: _Canvas, body: _Canvas, dark: _Canvas) -> None:
    trim.ellipse(0.385, 0.15, 0.615, 0.31)
    body.polygon(
        *((0.38, 0.20), (0.31, 0.23), (0.11, 0.41), (0.22, 0.53), (0.31, 0.45), (0.31, 0.82)),
        *((0.69, 0.82), (0.69, 0.45), (0.78, 0.53), (0.89, 0.41), (0.69, 0.23), (0.62, 0.20)),
    )
    body.ellipse(0.40, 0.11, 0.60, 0.28, fill=0)
    dark.line((0.31, 0.45), (0.325, 0.34), width=0.006)
    dark.line((0.69, 0.45), (0.675, 0.34), width=0.006)


def _cushion(trim: _Canvas, body: _Canvas, dark: _Canvas) -> None:
    def outline(reach: float) -> list[Point]:
        turns = [math.tau * step / 240 for step in range(240)]
        # A square whose sides bend inward and whose corners are drawn out.
        pulled = [reach * (1 - 0.05 * math.cos(4 * turn)) for turn in turns]
        return [
            (
                0.5 + r * math.copysign(abs(math.cos(t)) ** 0.52, math.cos(t)),
                0.5 + r * math.copysign(abs(math.sin(t)) ** 0.52, math.sin(t)),
            )
            for t, r in zip(turns, pulled, strict=True)
        ]

    trim.polygon(*outline(0.325))
    body.polygon(*outline(0.308))
    dark.ellipse(0.482, 0.482, 0.518, 0.518)


def _vase(trim: _Canvas, body: _Canvas, dark: _Canvas) -> None:
    heights = [step / 60 for step in range(61)]
    widths = [0.085 + 0.15 * math.sin(math.pi * min(1.0, 0.06 + h * 0.92)) ** 2 for h in heights]
    left = [(0.5 - w, 0.36 + 0.46 * h) for w, h in zip(widths, heights, strict=True)]
    right = [(0.5 + w, 0.36 + 0.46 * h) for w, h in zip(widths, heights, strict=True)]
    body.polygon(*left, *reversed(right))
    body.ellipse(0.405, 0.335, 0.595, 0.385)
    dark.ellipse(0.425, 0.345, 0.575, 0.377)
    for x, y in ((0.37, 0.15), (0.5, 0.10), (0.64, 0.17)):
        trim.line((0.5, 0.38), ((0.5 + x) / 2, (0.30 + y) / 2), (x, y), width=0.012)
        trim.ellipse(x - 0.045, y - 0.035, x + 0.045, y + 0.055)


SHAPES: dict[str, Shape] = {
    "mug": _mug,
    "lamp": _lamp,
    "bag": _bag,
    "shirt": _shirt,
    "cushion": _cushion,
    "vase": _vase,
}
_HUNG = ("shirt", "cushion")
# What is not in the product's own colour, so that the picture still looks like one.
_TRIM = {"lamp": (120, 92, 66), "vase": (112, 148, 104)}


def draw(kind: str, colour: str, pattern: str, *, seed: int = 0, side: int = SIZE) -> Any:
    """A picture of one product, a square Pillow RGB image.

    Args:
        side: of the picture, in pixels; the shop's own have SIZE.
        seed: moves the pattern and tints the wall behind, as in a shop's own photographs.

    Raises:
        ConfigError: no such kind, colour or pattern.
        MissingExtra: Pillow is not installed.
    """
    for value, valid in ((kind, SHAPES), (colour, COLOURS), (pattern, PATTERNS)):
        if value not in valid:
            raise ConfigError(f"The toy shop cannot draw '{value}'; {nearest(value, valid)}")
    try:
        from PIL import Image, ImageFilter
    except ImportError as error:
        raise MissingExtra("pillow", "images", "Drawing the toy shop's pictures") from error

    rng = np.random.default_rng(seed)
    size = side * _OVERSAMPLING
    trim, body, dark, shadow = (_Canvas(size) for _ in range(4))
    SHAPES[kind](trim, body, dark)
    shadow.ellipse(0.18, 0.775, 0.82, 0.875, fill=105)
    blurred = shadow.image.filter(ImageFilter.GaussianBlur(size * 0.022))

    stands = kind not in _HUNG
    pixels = _background(size, rng.uniform(-5, 5, 3), table=stands)
    if stands:
        pixels = _blend(pixels, np.array([70.0, 62.0, 58.0]), blurred)
    base = np.array(COLOURS[colour], float)
    own_trim = np.array(_TRIM.get(kind, tuple(base * 0.78)), float)
    pixels = _blend(pixels, own_trim * _light(trim, 0.2)[..., None], trim.image)
    cloth = _cloth(size, base, pattern, rng) * _light(body, 0.34)[..., None]
    pixels = _blend(pixels, cloth, body.image)
    pixels = _blend(pixels, base * 0.42, dark.image)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _background(size: int, tint: np.ndarray, *, table: bool) -> np.ndarray:
    """A pale wall, over a table where something stands on it, shape (size, size, 3)."""
    y = np.linspace(0, 1, size)[:, None, None]
    wall = np.array([243.0, 239.0, 233.0]) + tint - 10 * y
    wood = np.array([226.0, 216.0, 204.0]) + tint - 14 * (y - 0.7)
    edge = np.clip((y - 0.70) / 0.02, 0, 1) * table
    return np.broadcast_to(wall * (1 - edge) + wood * edge, (size, size, 3)).copy()


def _cloth(size: int, base: np.ndarray, pattern: str, rng: np.random.Generator) -> np.ndarray:
    """The surface in its colour and pattern, shape (size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size] / size
    pitch = rng.uniform(0.105, 0.135)
    across, down = (x + rng.uniform(0, pitch)) / pitch, (y + rng.uniform(0, pitch)) / pitch
    if pattern == "stripes":
        light = (down % 1 < 0.42).astype(float)
    elif pattern == "dots":
        offset = (np.floor(down) % 2) * 0.5
        light = ((across + offset) % 1 - 0.5) ** 2 + (down % 1 - 0.5) ** 2
        light = (light < 0.27**2).astype(float)
    elif pattern == "checks":
        light = 0.5 * ((across % 1 < 0.5).astype(float) + (down % 1 < 0.5))
    else:
        light = np.zeros((size, size))
    pale = base + (255 - base) * 0.72
    return base + (pale - base) * light[..., None]


def _light(canvas: _Canvas, depth: float) -> np.ndarray:
    """Brightness of a rounded surface lit from the upper left, shape (size, size)."""
    box = canvas.image.getbbox() or (0, 0, canvas.size, canvas.size)
    y, x = np.mgrid[0 : canvas.size, 0 : canvas.size]
    across = 2 * (x - box[0]) / max(box[2] - box[0], 1) - 1
    down = 2 * (y - box[1]) / max(box[3] - box[1], 1) - 1
    return 1.06 - depth * ((across + 0.4) / 1.4) ** 2 - 0.10 * (down + 0.6)


def _blend(under: np.ndarray, over: np.ndarray, mask: Any) -> np.ndarray:
    share = np.asarray(mask, float)[..., None] / 255
    return under * (1 - share) + over * share
