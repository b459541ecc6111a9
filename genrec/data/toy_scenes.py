"""Empty scenes in a colour and a pattern, for products of the toy shop to be put into.

The same arguments give the same pixels. The wall is pale, so that what stands before it is seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genrec.data.toy_pictures import COLOURS, PATTERNS, SIZE
from genrec.errors import ConfigError, nearest

KIND = "scene"
TABLE = 0.70
_OVERSAMPLING = 2
# How much of the colour is left on the wall, and how much its pattern stands out of it.
_STRENGTH, _RELIEF = 0.55, 0.45


def draw_scene(colour: str, pattern: str, *, seed: int = 0) -> Any:
    """A wall in a colour behind an empty table, a Pillow RGB image of SIZE x SIZE pixels.

    Args:
        seed: moves the pattern and tints the table.

    Raises:
        ConfigError: no such colour or pattern.
    """
    from PIL import Image

    for value, valid in ((colour, COLOURS), (pattern, PATTERNS)):
        if value not in valid:
            raise ConfigError(f"No scene can be drawn in '{value}'; {nearest(value, valid)}")
    rng = np.random.default_rng([seed, 1])
    size = SIZE * _OVERSAMPLING
    y, x = np.mgrid[0:size, 0:size] / size
    base = 255 - (255 - np.array(COLOURS[colour], float)) * _STRENGTH
    pale = base + (255 - base) * _RELIEF
    wall = base + (pale - base) * _figure(x, y, pattern, rng)[..., None]
    # Light falls in from the upper left.
    wall = wall * (1.05 - 0.10 * x - 0.08 * y)[..., None]
    wood = np.array([214.0, 196.0, 176.0]) + rng.uniform(-6, 6, 3) - 30 * (y - TABLE)[..., None]
    edge = np.clip((y - TABLE) / 0.01, 0, 1)[..., None]
    pixels = np.clip(wall * (1 - edge) + wood * edge, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels, "RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _figure(x: np.ndarray, y: np.ndarray, pattern: str, rng: np.random.Generator) -> np.ndarray:
    """Where the wall is paler, 0 to 1, shape (size, size); twice as wide as on a product."""
    pitch = rng.uniform(0.21, 0.25)
    across, down = (x + rng.uniform(0, pitch)) / pitch, (y + rng.uniform(0, pitch)) / pitch
    if pattern == "stripes":
        return (down % 1 < 0.42).astype(float)
    if pattern == "dots":
        offset = (np.floor(down) % 2) * 0.5
        round_ = ((across + offset) % 1 - 0.5) ** 2 + (down % 1 - 0.5) ** 2
        return (round_ < 0.27**2).astype(float)
    if pattern == "checks":
        return 0.5 * ((across % 1 < 0.5).astype(float) + (down % 1 < 0.5))
    return np.zeros_like(x)
