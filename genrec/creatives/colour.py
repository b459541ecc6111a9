"""Colours as light and as they are seen: sRGB, linear light, OKLab, and WCAG's contrast.

sRGB: IEC 61966-2-1. OKLab: Ottosson, "A perceptual color space for image processing", 2020.
Contrast: WCAG 2.2, "contrast ratio".
"""

from __future__ import annotations

import numpy as np

Rgb = tuple[int, int, int]

_LEVELS = np.arange(256) / 255
_TO_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)
_TO_LINEAR = _TO_LINEAR.astype(np.float32)
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(pixels: np.ndarray) -> np.ndarray:
    """Light of sRGB pixels, uint8 of any shape, as float32 from 0 to 1."""
    return _TO_LINEAR[pixels]


def encoded(light: np.ndarray) -> np.ndarray:
    """SRGB of light, float of any shape, clipped and rounded to uint8; undoes ``linear``."""
    light = np.clip(light, 0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.floor(values * 255 + 0.5).astype(np.uint8)


def luminance(pixels: np.ndarray) -> np.ndarray:
    """WCAG's relative luminance of sRGB pixels, shape (..., 3) to (...)."""
    return linear(pixels) @ _LUMA


def contrast(one: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """WCAG's contrast ratio of two luminances, 1 to 21."""
    high, low = np.maximum(one, other), np.minimum(one, other)
    return np.asarray((high + 0.05) / (low + 0.05))


def oklab(pixels: np.ndarray) -> np.ndarray:
    """Lightness (0 to 1), a and b of sRGB pixels, shape (..., 3)."""
    return np.cbrt(linear(pixels) @ _LMS.T.astype(np.float32)) @ _LAB.T.astype(np.float32)


def from_oklch(lightness: float, chroma: float, hue: float) -> Rgb:
    """The nearest sRGB colour of lightness 0 to 1, chroma, and hue in radians; chroma gives way."""
    for share in (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0):
        lab = [lightness, chroma * share * np.cos(hue), chroma * share * np.sin(hue)]
        light = np.linalg.inv(_LMS) @ (np.linalg.inv(_LAB) @ np.array(lab)) ** 3
        if (light > -1e-4).all() and (light < 1 + 1e-4).all():
            break
    red, green, blue = encoded(light).tolist()
    return red, green, blue


def oklch(colour: Rgb) -> tuple[float, float, float]:
    """Lightness, chroma and hue in radians of one sRGB colour."""
    lightness, a, b = (float(value) for value in oklab(np.array(colour, np.uint8)))
    return lightness, float(np.hypot(a, b)), float(np.arctan2(b, a))


def hexadecimal(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def main_hue(pixels: np.ndarray) -> tuple[float, float]:
    """Hue in radians and chroma of what colours a picture most, shape (height, width, 3)."""
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 4096)))
    lab = oklab(pixels[::step, ::step].reshape(-1, 3))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    bins = (np.arctan2(lab[:, 2], lab[:, 1]) / (2 * np.pi) * 36).astype(int) % 36
    weight = np.bincount(bins, weights=chroma, minlength=36)
    weight = weight + 0.6 * (np.roll(weight, 1) + np.roll(weight, -1))
    best = int(np.argmax(weight))
    near = np.abs((bins - best + 18) % 36 - 18) <= 1
    if not near.any() or chroma.mean() < 0.004:
        return 1.2, 0.006
    hue = np.arctan2((lab[near, 2] * chroma[near]).sum(), (lab[near, 1] * chroma[near]).sum())
    return float(hue), float(np.median(chroma[near]))
