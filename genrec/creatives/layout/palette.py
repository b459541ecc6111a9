"""The colours of a poster, from the colour of its picture: grounds, inks and the button.

Every pair that text is set in has a contrast of at least 7:1 by construction; what stands over a
picture is measured on its pixels elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.creatives.colour import Rgb, contrast, from_oklch, luminance, main_hue

TONES = ("deep", "pale", "paper", "vivid")
WHITE: Rgb = (255, 255, 255)


@dataclass(frozen=True)
class Palette:
    """Colours that go together.

    Attributes:
        tone: a name of ``TONES``.
        ground: under text. ``ink`` is for text on it, ``quiet`` for the second voice.
        button: with ``label`` for the words on it.
        dark, light: inks for text over a picture.
        accent: for rules and marks.
    """

    tone: str
    ground: Rgb
    ink: Rgb
    quiet: Rgb
    button: Rgb
    label: Rgb
    dark: Rgb
    light: Rgb
    accent: Rgb


def palette_of(picture: np.ndarray, tone: str) -> Palette:
    """The palette of a picture, shape (height, width, 3), in a tone."""
    hue, chroma = main_hue(picture)
    strength = float(np.clip(chroma, 0.015, 0.12))
    dark = from_oklch(0.24, 0.35 * strength, hue)
    accent = from_oklch(0.56, max(0.6 * strength, 0.05), hue)
    deep = from_oklch(0.335, 0.62 * strength, hue)
    pale = from_oklch(0.952, 0.20 * strength, hue)
    if tone == "deep":
        ground, ink, button, label = deep, WHITE, pale, dark
        quiet = from_oklch(0.90, 0.15 * strength, hue)
    elif tone == "vivid":
        ground, ink, button, label = from_oklch(0.42, 1.0 * strength, hue), WHITE, WHITE, dark
        quiet = WHITE
    elif tone == "paper":
        ground, ink, button, label = (251, 249, 245), dark, dark, WHITE
        quiet = from_oklch(0.40, 0.25 * strength, hue)
    else:
        ground, ink, button, label = pale, dark, deep, WHITE
        quiet = from_oklch(0.39, 0.35 * strength, hue)
    return Palette(tone, ground, ink, quiet, button, label, dark, WHITE, accent)


def ratio(one: Rgb, other: Rgb) -> float:
    """WCAG's contrast of two colours."""
    both = luminance(np.array([one, other], np.uint8))
    return float(contrast(both[0], both[1]))
