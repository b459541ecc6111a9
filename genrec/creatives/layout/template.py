"""Templates of posters, read from ``templates/*.yaml``: where picture, words and button stand.

Boxes are ``[left, top, right, bottom]`` in pixels of the format's own size, for languages that run
from left to right; for the others everything is mirrored.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genrec.creatives.layout.content import Box
from genrec.creatives.layout.palette import TONES
from genrec.errors import ConfigError, nearest
from genrec.strict_yaml import read_yaml

FOLDER = Path(__file__).with_name("templates")
# Names of placements, as advertisers say them, and their sizes in pixels.
FORMATS = {
    "square": (1080, 1080),
    "portrait": (1080, 1350),
    "story": (1080, 1920),
    "landscape": (1200, 628),
    "leaderboard": (728, 90),
}
# What platforms draw over or cut: pixels from the left, top, right and bottom. Stories: Meta asks
# for 14 % free at the top and 20 % at the bottom.
SAFE = {
    "square": (40, 40, 40, 40),
    "portrait": (40, 40, 40, 40),
    "story": (60, 269, 60, 384),
    "landscape": (32, 32, 32, 32),
    "leaderboard": (8, 6, 8, 6),
}
Parts = Literal["brand", "headline", "body", "actions", "price", "call", "disclosure"]
Corner = Annotated[tuple[int, int, int, int], Field()]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Type(_Strict):
    """How a text is set.

    Attributes:
        size: in pixels per em; ``least`` is how small it may get.
        lines: at most.
        weight: CSS's.
        leading: from baseline to baseline, in em.
        family: of the template's ``families``.
        quiet: in the second voice's colour.
        caps: in capitals, where the script has them.
    """

    size: float = Field(gt=0)
    least: float = Field(gt=0)
    lines: int = Field(default=1, ge=1)
    weight: int = 500
    leading: float = Field(default=1.3, ge=0.9, le=2)
    family: Literal["headline", "text"] = "text"
    quiet: bool = False
    caps: bool = False


class Stack(_Strict):
    """Texts one below the other in a box."""

    box: Corner
    order: tuple[Parts, ...]
    align: Literal["start", "center", "end"] = "start"
    valign: Literal["top", "middle", "bottom"] = "middle"
    gap: float = 20
    over: Literal["ground", "picture"] = "ground"
    actions: Literal["row", "column"] = "row"


class Ground(_Strict):
    """A flat shape under text, in the palette's colour ``fill``."""

    box: Corner
    fill: Literal["ground", "accent", "ink"] = "ground"
    radius: float = 0
    shadow: bool = False


class Format(_Strict):
    """One size of a template.

    Attributes:
        picture: where the picture stands; ``radius`` rounds its corners.
        product: where in the poster a product is best placed.
        horizon: how far down the picture the table begins, a share of its height.
    """

    picture: Corner
    radius: float = 0
    product: Corner
    horizon: float = Field(default=0.7, gt=0, lt=1)
    canvas: Literal["ground", "picture"] = "ground"
    grounds: tuple[Ground, ...] = ()
    stacks: tuple[Stack, ...]
    types: dict[Literal["brand", "headline", "body", "price", "call", "disclosure"], Type]
    button: Literal["pill", "square", "line"] = "pill"


class Template(_Strict):
    """One style in all formats."""

    about: str
    families: dict[Literal["headline", "text"], str]
    tones: tuple[str, ...] = Field(min_length=1)
    formats: dict[str, Format]

    @model_validator(mode="after")
    def _agrees(self) -> Template:
        problems = [f"tone '{tone}'; {nearest(tone, TONES)}" for tone in self.tones
                    if tone not in TONES]  # fmt: skip
        problems += [f"there is no format '{name}'; {nearest(name, FORMATS)}"
                     for name in self.formats if name not in FORMATS]  # fmt: skip
        for name, one in self.formats.items():
            if name in FORMATS:
                problems += _problems(name, one)
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _problems(name: str, one: Format) -> list[str]:
    width, height = FORMATS[name]
    left, top, right, bottom = SAFE[name]
    safe = (left, top, width - right, height - bottom)
    problems = []
    for what, box in (("picture", one.picture), ("product", one.product)):
        if not inside(box, (0, 0, width, height)):
            problems.append(f"{name}: {what} {list(box)} leaves the {width} x {height} pixels")
    for number, stack in enumerate(one.stacks, start=1):
        if not inside(stack.box, safe):
            problems.append(f"{name}: stack {number} {list(stack.box)} leaves the safe area {safe}")
        for part in stack.order:
            needs = fields_of(part)
            problems += [f"{name}: stack {number} has {each}, which has no type"
                         for each in needs if each not in one.types]  # fmt: skip
    placed = {each for stack in one.stacks for part in stack.order for each in fields_of(part)}
    needed = ("headline", "price", "call", "disclosure")
    problems += [f"{name}: {each} stands in no stack" for each in needed if each not in placed]
    return problems


def fields_of(part: str) -> tuple[str, ...]:
    """The texts that a part of a stack holds."""
    return ("price", "call") if part == "actions" else (part,)


def inside(box: Box, outer: Box) -> bool:
    """Whether a box has an area and lies in another."""
    return outer[0] <= box[0] < box[2] <= outer[2] and outer[1] <= box[1] < box[3] <= outer[3]


def template_names(folder: Path = FOLDER) -> list[str]:
    """Names of all templates, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


@cache
def load_template(name: str, folder: Path = FOLDER) -> Template:
    """A template.

    Raises:
        ConfigError: there is none of that name, or its file does not fit; all problems at once.
    """
    names = template_names(folder)
    if name not in names:
        raise ConfigError(f"There is no style '{name}'; {nearest(name, names)}")
    path = folder / f"{name}.yaml"
    try:
        return Template.model_validate(read_yaml(path, "style"))
    except ValidationError as error:
        lines = [
            f"  - {'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise ConfigError(f"The style {path.name} does not fit:\n" + "\n".join(lines)) from None
