"""Backgrounds that are drawn, not generated: a wall, a table, soft light, in a colour.

The same arguments give the same pixels. They are what a product stands on where no model paints,
and what it falls back to where a model's pictures do not pass.
"""

from __future__ import annotations

import numpy as np

from genrec.creatives.colour import Rgb, encoded, from_oklch, linear, oklch
from genrec.creatives.product.edges import images
from genrec.errors import ConfigError, nearest

STANDING_SETS = ("arch", "sun", "podium", "window", "table")
HUNG_SETS = ("sun", "window", "arch")
SETS = (*STANDING_SETS, "plain")


def draw_scene(
    colour: Rgb,
    size: tuple[int, int],
    *,
    seed: int = 0,
    horizon: float = 0.7,
    middle: float = 0.5,
    backdrop: str = "",
) -> np.ndarray:
    """A scene to stand a product in, shape (height, width, 3), uint8.

    Args:
        colour: the scene's own; its hue is kept, its lightness is the scene's.
        size: width and height.
        seed: of light and shades, and of the set where none is named.
        horizon: how far down the table begins, a share of the height; from 1 on there is none.
        middle: how far across the product will stand, a share of the width.
        backdrop: a name of ``SETS``.

    Raises:
        ConfigError: there is no such set.
    """
    if backdrop and backdrop not in SETS:
        raise ConfigError(f"There is no set '{backdrop}'; {nearest(backdrop, SETS)}")
    rng = np.random.default_rng([seed, 7])
    chosen = str(rng.choice(SETS[:-1]))
    name = backdrop or chosen
    width, height = size
    across, down = np.meshgrid(
        (np.arange(width, dtype=np.float32) + 0.5) / width,
        (np.arange(height, dtype=np.float32) + 0.5) / height,
    )
    # Shapes are round in pixels, not in shares.
    shorter = min(width, height)
    x, y = (across - middle) * width / shorter, (down - horizon) * height / shorter
    tones = _tones(colour, rng)
    lit = 1.0 + 0.10 * np.exp(-(((across - 0.22) / 0.55) ** 2 + ((down - 0.1) / 0.7) ** 2))
    lit = lit - 0.11 * np.clip(across + 0.55 * down - 0.75, 0, 1)
    scene = linear(np.array(tones["wall"], np.uint8)) * lit[..., None]
    softness = 1.6 / shorter
    if name != "plain":
        scene = _with_backdrop(scene, name, x, y, tones, lit, softness, rng)
        table = np.clip((down - horizon) * height / 2.2 + 0.5, 0, 1)
        depth = np.clip((down - horizon) / max(1e-3, 1 - horizon), 0, 1)
        wood = linear(np.array(tones["table"], np.uint8)) * (1.07 - 0.17 * depth)[..., None]
        wood = wood * (1.03 - 0.07 * np.abs(across - middle + 0.1))[..., None]
        if name == "podium":
            wood = _podium(wood, x, y, tones, softness)
        scene = scene * (1 - table[..., None]) + wood * table[..., None]
        # Where wall and table meet, less light gets in.
        crease = np.exp(-(((down - horizon) * height / (0.012 * shorter)) ** 2)) * (down < horizon)
        scene = scene * (1 - 0.10 * crease)[..., None]
    # A little grain: eight bits would show smooth light in steps.
    grain = rng.normal(0, 0.0035, (height, width, 1)).astype(np.float32)
    return encoded(scene * (1 + grain))


def _tones(colour: Rgb, rng: np.random.Generator) -> dict[str, Rgb]:
    lightness, chroma, hue = oklch(colour)
    base = 0.80 + 0.06 * float(np.clip(lightness - 0.5, -0.5, 0.5)) + rng.uniform(-0.015, 0.015)
    depth = float(np.clip(chroma * 0.5, 0.012, 0.075))
    turn = float(rng.uniform(-0.08, 0.08))
    return {
        "wall": from_oklch(base, depth, hue + turn),
        "shape": from_oklch(base + 0.065, depth * 0.72, hue + turn),
        "deep": from_oklch(base - 0.10, depth * 1.25, hue + turn),
        "table": from_oklch(base + 0.045, depth * 0.62, hue + 0.6 * turn),
        "top": from_oklch(base + 0.10, depth * 0.45, hue),
    }


def _with_backdrop(
    scene: np.ndarray,
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    tones: dict[str, Rgb],
    lit: np.ndarray,
    softness: float,
    rng: np.random.Generator,
) -> np.ndarray:
    shape = linear(np.array(tones["shape"], np.uint8)) * lit[..., None]
    deep = linear(np.array(tones["deep"], np.uint8)) * lit[..., None]
    if name == "arch":
        half, rise = 0.40, 0.50
        inside = np.where(y > -rise, half - np.abs(x), half - np.hypot(x, y + rise))
        cover = _step(inside, softness)
        scene = scene * (1 - cover) + deep * cover
        # The arch's own depth: a lighter reveal along one side.
        reveal = cover * (1 - _step(inside - 0.028, softness)) * _step(-x - 0.02, 0.05)
        return np.asarray(scene * (1 - reveal) + shape * reveal)
    if name == "sun":
        radius = 0.37
        cover = _step(radius - np.hypot(x - 0.10, y + 0.40), softness)
        return np.asarray(scene * (1 - cover) + shape * cover)
    if name == "window":
        # Light through a window falls aslant on the wall, in panes.
        slant = x + 0.35 * y + 0.16
        panes = _step(0.30 - np.abs(slant), 0.02) * _step(0.44 - np.abs(y + 0.52), 0.02)
        bars = (1 - _step(0.012 - np.abs(slant), 0.01)) * (
            1 - _step(0.012 - np.abs(y + 0.46), 0.01)
        )
        glow = images().gaussian_filter((panes * bars)[..., 0], 0.006 / softness * 1.6)
        return np.asarray(scene * (1 + 0.17 * glow[..., None]))
    if name == "podium":
        cover = _step(0.46 - np.hypot(x, y + 0.30), 0.5)
        return np.asarray(scene * (1 + 0.09 * cover))
    side = float(rng.choice([-1, 1]))
    cover = _step(side * (x - side * 0.30), softness)
    return np.asarray(scene * (1 - 0.45 * cover) + deep * 0.45 * cover)


def _podium(
    wood: np.ndarray, x: np.ndarray, y: np.ndarray, tones: dict[str, Rgb], softness: float
) -> np.ndarray:
    """A low round plinth that the product stands on."""
    top = linear(np.array(tones["top"], np.uint8))
    shade = 0.86 - 0.22 * np.clip(x, -0.4, 0.4)
    side = linear(np.array(tones["shape"], np.uint8)) * shade[..., None]
    half, flat, thick, centre = 0.44, 0.15, 0.06, 0.17

    def disc(lower: float) -> np.ndarray:
        far = np.hypot(x / half, (y - centre - lower) / flat)
        return _step(1 - far, softness * 4)

    shadow = images().gaussian_filter(disc(thick + 0.03)[..., 0], 0.02 / softness * 1.6)
    wood = wood * (1 - 0.20 * shadow[..., None])
    body = np.maximum(disc(thick), disc(thick / 2))
    wood = wood * (1 - body) + side * body
    upper = disc(0.0)
    return np.asarray(wood * (1 - upper) + top * upper)


def _step(distance: np.ndarray, softness: float) -> np.ndarray:
    """0 outside, 1 inside, smooth over ``softness``; shape (height, width, 1)."""
    share = np.clip(distance / softness + 0.5, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))[..., None]
