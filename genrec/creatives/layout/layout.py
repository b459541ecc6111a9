"""A layout: one placement in one style and tone, for one direction of writing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from genrec.creatives.layout.content import Box
from genrec.creatives.layout.palette import TONES
from genrec.creatives.layout.shaping import runs_rtl
from genrec.creatives.layout.template import (
    FORMATS,
    Format,
    Template,
    load_template,
    template_names,
)
from genrec.errors import ConfigError, nearest

RATIOS = {
    "1:1": "square",
    "4:5": "portrait",
    "9:16": "story",
    "1.91:1": "landscape",
    "728x90": "leaderboard",
}


@dataclass(frozen=True)
class Layout:
    """Where everything stands.

    Attributes:
        name: of the placement, such as ``square``.
        style: name of the template.
        tone: of the colours under the words.
        size: width and height in pixels.
        rtl: whether it is mirrored for a language that runs from right to left.
    """

    name: str
    style: str
    tone: str
    size: tuple[int, int]
    rtl: bool
    template: Template
    format: Format

    @staticmethod
    def load(
        name: str, *, style: str = "", tone: str = "", language: str = "en", seed: int = 0
    ) -> Layout:
        """A layout by its placement.

        Args:
            name: ``square``, ``portrait``, ``story``, ``landscape``, ``leaderboard``, or the
                ratio: ``1:1``, ``4:5``, ``9:16``, ``1.91:1``, ``728x90``.
            style: a name of ``Layout.styles()``; empty lets the seed choose, as for ``tone``.
            language: decides the side from which it is read.

        Raises:
            ConfigError: no such placement, style or tone.
        """
        name = RATIOS.get(name, name)
        if name not in FORMATS:
            raise ConfigError(f"There is no layout '{name}'; {nearest(name, [*FORMATS, *RATIOS])}")
        fitting = [one for one in template_names() if name in load_template(one).formats]
        style = style or _chosen(fitting, seed, "style")
        template = load_template(style)
        if name not in template.formats:
            raise ConfigError(f"The style '{style}' has no '{name}'; {nearest(style, fitting)}")
        tone = tone or _chosen(list(template.tones), seed, "tone")
        if tone not in TONES:
            raise ConfigError(f"There is no tone '{tone}'; {nearest(tone, TONES)}")
        return Layout(
            name=name,
            style=style,
            tone=tone,
            size=FORMATS[name],
            rtl=runs_rtl(language),
            template=template,
            format=template.formats[name],
        )

    @staticmethod
    def names() -> list[str]:
        """Every placement."""
        return list(FORMATS)

    @staticmethod
    def styles() -> list[str]:
        """Every template."""
        return template_names()

    @property
    def picture_box(self) -> Box:
        """Where the picture stands on the poster."""
        return self.mirrored(self.format.picture)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height that a picture should have to be taken as it is."""
        left, top, right, bottom = self.format.picture
        return right - left, bottom - top

    @property
    def product_box(self) -> Box:
        """Where in the picture a product is best placed; no word stands over it."""
        left, top, _, _ = self.picture_box
        box = self.mirrored(self.format.product)
        return box[0] - left, box[1] - top, box[2] - left, box[3] - top

    @property
    def horizon(self) -> float:
        """How far down the picture a table should begin, a share of its height."""
        return self.format.horizon

    def mirrored(self, box: Box) -> Box:
        """A box of the template where it stands in this direction of writing."""
        left, top, right, bottom = box
        if not self.rtl:
            return left, top, right, bottom
        return self.size[0] - right, top, self.size[0] - left, bottom


def _chosen(names: list[str], seed: int, what: str) -> str:
    digest = hashlib.sha256(f"{what}\0{seed}".encode()).digest()
    return names[int.from_bytes(digest[:4], "big") % len(names)]
