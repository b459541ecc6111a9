"""What colours a picture has and how they are arranged, as a fixed vector: nothing was trained.

Mixes add up: the mean over several pictures says which share of them has which colour, which is
what a taste is made of. Blind to shapes on purpose, so that a taste for red mugs is one for red.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.data.pictures import open_picture
from genrec.encoders.media_encoder import MediaEncoder, Prepared

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 96
LEVELS = 4
TURNS = 8
# Steps of brightness between neighbouring pixels that count as an edge, of 0 … 1.
EDGES = (0.025, 0.08)
COLOUR_BINS = LEVELS**3
TEXTURE_BINS = 1 + TURNS * len(EDGES)
DIMENSIONS = COLOUR_BINS + TEXTURE_BINS
# Raised when the same picture would give another vector.
_FORMAT = 1


def palette_vector(pixels: np.ndarray) -> np.ndarray:
    """Shares of colours and of edges by direction, shape (81,), float32.

    The first 64 are a soft histogram over four levels of red, green and blue, the others the shares
    of flat places and of weak and strong edges in eight directions. What looks like the picture's
    rim counts as background and is left out.

    Args:
        pixels: shape (height, width, 3), uint8; read at 96 x 96.
    """
    from PIL import Image

    square = Image.fromarray(pixels).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    seen = np.asarray(square, np.float32) / 255
    weights = _foreground(seen)
    vector = np.concatenate([_colours(seen, weights), _texture(seen, weights)])
    # Square roots, so that a rare colour is not drowned by a frequent one (Hellinger).
    return np.sqrt(vector).astype(np.float32)


def _foreground(seen: np.ndarray) -> np.ndarray:
    """How surely each pixel is not background, shape (side, side), summing to 1."""
    rim = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
    distance = np.abs(seen - np.median(rim, axis=0)).max(axis=2)
    weights = np.clip((distance - 0.08) / 0.12, 0, 1)
    if weights.mean() < 0.02:
        # A backdrop, or a product that fills the picture evenly: everything counts.
        weights = np.ones_like(weights)
    return weights / weights.sum()


def _colours(seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    places = seen.reshape(-1, 3) * (LEVELS - 1)
    low = np.minimum(places.astype(int), LEVELS - 2)
    upper = places - low
    found = np.zeros(COLOUR_BINS)
    for corner in range(8):
        steps = np.array([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        share = np.prod(np.where(steps, upper, 1 - upper), axis=1) * weights.ravel()
        bins = (low + steps) @ np.array([LEVELS**2, LEVELS, 1])
        found += np.bincount(bins, share, COLOUR_BINS)
    return found


def _texture(seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    light = seen.mean(axis=2)
    down, across = np.gradient(light)
    strength = np.hypot(down, across)
    turn = np.arctan2(down, across) % np.pi / np.pi * TURNS
    kind = 1 + (np.round(turn).astype(int) % TURNS) + TURNS * (strength >= EDGES[1])
    kind = np.where(strength < EDGES[0], 0, kind)
    # An outline is a matter of shape: only places well inside count.
    inside = weights * _inner(weights > 0)
    total = inside.sum()
    if not total:
        inside, total = weights, weights.sum()
    return np.bincount(kind.ravel(), (inside / total).ravel(), TEXTURE_BINS)


def _inner(mask: np.ndarray, *, reach: int = 4) -> np.ndarray:
    """Places whose whole neighbourhood is in the mask."""
    kept = np.pad(mask, reach)
    for axis in (0, 1):
        kept = np.all([np.roll(kept, step, axis) for step in range(-reach, reach + 1)], axis=0)
    return kept[reach:-reach, reach:-reach]


class PaletteEncoder(MediaEncoder):
    """Palette vectors of items' pictures; see ``palette_vector``.

    Args:
        model: names it in lists; there is nothing to load.
        options: of ``MediaEncoderConfig``.
    """

    column = "image"

    def __init__(
        self, model: str | Path = "palette", *, cache: Path | None = None, **options: Any
    ) -> None:
        super().__init__(model, cache=cache, **options)

    def sample(self) -> Prepared:
        return {"palette": np.zeros(DIMENSIONS, np.float32)}

    def prepare(self, content: bytes) -> Prepared:
        return self.pixels(open_picture(content, side=SIDE))

    def pixels(self, picture: Image) -> Prepared:
        """A picture as its vector."""
        return {"palette": palette_vector(np.asarray(picture))}

    def forward(self, batch: dict[str, Any]) -> Any:
        return batch["palette"]

    def _forward(self, alike: Sequence[Prepared]) -> np.ndarray:
        return np.stack([part["palette"] for part in alike])

    def weights(self) -> str:
        return f"palette-{_FORMAT}"

    @property
    def model(self) -> Any:
        return None

    @cached_property
    def dtype(self) -> str:
        return "float32"
