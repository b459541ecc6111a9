"""Shapes and letters as SVG, and SVG as pixels by resvg. Letters are outlines."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr  # nosec B406

import numpy as np

from genrec.creatives.colour import Rgb, hexadecimal
from genrec.creatives.layout.setting import Block
from genrec.errors import MissingExtra

Edges = tuple[float, float, float, float]
_GRAPHICS = '<g id="graphics">'


def letters(block: Block, colour: Rgb) -> str:
    """A text as a group of outlines, one for each glyph."""
    parts = [
        f'<g data-field="{block.field}" role="img" aria-label={quoteattr(block.text)} '
        f'fill="{hexadecimal(colour)}">'
    ]
    for line, (x, y) in zip(block.lines, block.origins, strict=True):
        for glyph in line.glyphs:
            if outline := glyph.font.outline(glyph.number):
                scale = block.size / glyph.font.units
                parts.append(
                    f'<path transform="translate({_n(x + glyph.x * block.size)} '
                    f'{_n(y - glyph.y * block.size)}) scale({scale:.6g} {-scale:.6g})" '
                    f'd="{outline}"/>'
                )
    return "".join([*parts, "</g>"])


def rectangle(
    box: Edges, colour: Rgb, *, radius: float = 0, opacity: float = 1, effect: str = ""
) -> str:
    """A filled rectangle; ``effect`` is the name of a filter."""
    extra = f' rx="{_n(radius)}"' if radius else ""
    extra += f' fill-opacity="{opacity:.3f}"' if opacity < 1 else ""
    extra += f' filter="url(#{effect})"' if effect else ""
    return (
        f'<rect x="{_n(box[0])}" y="{_n(box[1])}" width="{_n(box[2] - box[0])}" '
        f'height="{_n(box[3] - box[1])}" fill="{hexadecimal(colour)}"{extra}/>'
    )


def blurred(box: Edges, colour: Rgb, *, radius: float, opacity: float, deviation: float) -> str:
    """A rectangle with soft edges; ``deviation`` of the blur in pixels."""
    margin = 3 * deviation
    left, top, right, bottom = (
        box[0] - margin,
        box[1] - margin,
        box[2] + margin,
        box[3] + margin,
    )
    name = f"soft{_n(left)}_{_n(top)}_{_n(right)}_{_n(bottom)}".replace(".", "-")
    # Its own region: a filter works on every pixel of it.
    return (
        f'<filter id="{name}" filterUnits="userSpaceOnUse" x="{_n(left)}" y="{_n(top)}" '
        f'width="{_n(right - left)}" height="{_n(bottom - top)}" '
        'color-interpolation-filters="sRGB">'
        f'<feGaussianBlur stdDeviation="{_n(deviation)}"/></filter>'
    ) + rectangle(box, colour, radius=radius, opacity=opacity, effect=name)


def image(pixels: np.ndarray, box: Edges, *, name: str) -> str:
    """Pixels of their own size, shape (height, width, 3 or 4), as a picture in the SVG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=6)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<image data-field="{name}" x="{_n(box[0])}" y="{_n(box[1])}" '
        f'width="{_n(box[2] - box[0])}" height="{_n(box[3] - box[1])}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    )


def document(
    size: tuple[int, int], parts: Iterable[str], *, title: str = "", language: str = ""
) -> str:
    """A whole SVG file."""
    width, height = size
    spoken = f' xml:lang="{escape(language)}"' if language else ""
    named = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"{spoken}>{named}{_GRAPHICS}{"".join(parts)}</g></svg>'
    )


def with_ground(graphics: str, ground: np.ndarray) -> str:
    """Graphics with the pixels beneath them as a picture of its own."""
    height, width = ground.shape[:2]
    beneath = image(ground, (0, 0, width, height), name="ground")
    start = graphics.index(_GRAPHICS)
    return graphics[:start] + beneath + graphics[start:]


def drawn(svg: str) -> np.ndarray:
    """An SVG as pixels with alpha, shape (height, width, 4), uint8."""
    try:
        import resvg_py
    except ModuleNotFoundError as error:
        raise MissingExtra("resvg-py", "ads", "Drawing posters") from error
    from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def over(graphics: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Graphics with alpha over opaque pixels, mixed as browsers do, in sRGB.

    Where alpha is 0 the ground's pixels come through untouched.
    """
    alpha = graphics[..., 3]
    rows = np.flatnonzero(alpha.any(axis=1))
    if not rows.size:
        return ground.copy()
    columns = np.flatnonzero(alpha.any(axis=0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    share = alpha[part].astype(np.uint32)[..., None]
    mixed = graphics[part][..., :3] * share + ground[part] * (255 - share)
    out = ground.copy()
    out[part] = ((mixed + 127) // 255).astype(np.uint8)
    return out


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
