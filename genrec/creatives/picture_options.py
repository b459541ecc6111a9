"""What can be chosen about a campaign's pictures. Loads nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from genrec.errors import ConfigError, nearest

PNG, WEBP = "png", "webp"
# No model: backgrounds are drawn by rule. The shop's own small model, where there is one.
DRAWN, AUTO = "none", "auto"


@dataclass(frozen=True)
class PictureOptions:
    """How the pictures of a campaign are made. Each condition on the shopper is a switch.

    Attributes:
        model: hub name or folder of a diffusion model that paints backgrounds; ``auto`` takes the
            small one that comes with genrec for the toy shop and none elsewhere; ``none`` draws
            them by rule.
        layouts: ``square``, ``portrait``, ``story``, ``landscape``, ``leaderboard``.
        style: template of the layouts; empty lets the seed choose, likewise ``tone``.
        logo: a picture's file, beside the campaign's; it stands in the place of the brand's name.
        fonts: a file of families in the form of ``layout/fonts.yaml``, beside the campaign's.
        file: ``png`` or ``webp``.
        scene: what a background shows, in words.
        negative: what it does not show.
        steps: denoising steps.
        guidance: how strongly the words pull.
        scheduler: as of the diffusion options; ``own`` is the model's.
        side: pixels of a painted background's side; 0 is the model's own.
        words: the prompt has words of what the shopper likes.
        taste: the shopper's vector goes to the model's profile prefix.
        liked: how many pictures of what they chose are image prompts.
        image_adapter: an IP-Adapter, which image prompts need.
        adapters: a LoRA for each segment, by the segment's id.
        intensity: how much all of them count, 0 to 1.
        best_of: backgrounds that are painted at most in one attempt, until one shows surely what
            words and taste ask for; the best is kept. More than one needs the model's verifier.
        verifier: folder of one, where it is not in the model's.
        attempts: such backgrounds that may fail their checks before a plain one is taken.
        batch_size: pictures painted at once.
    """

    __pydantic_config__ = {"extra": "forbid"}

    model: str = AUTO
    layouts: tuple[str, ...] = ("square",)
    style: str = ""
    tone: str = ""
    logo: str = ""
    fonts: str = ""
    file: str = PNG
    scene: str = "scene"
    negative: str = ""
    steps: int = 8
    guidance: float = 1.0
    scheduler: str = "own"
    side: int = 0
    words: bool = True
    taste: bool = True
    liked: int = 0
    image_adapter: str = ""
    adapters: dict[str, str] = field(default_factory=dict)
    intensity: float = 1.0
    best_of: int = 1
    verifier: str = ""
    attempts: int = 3
    batch_size: int = 8

    def __post_init__(self) -> None:
        from genrec.creatives.layout.layout import Layout

        problems = [
            f"layouts: there is no '{name}'; {nearest(name, Layout.names())}"
            for name in self.layouts
            if name not in Layout.names()
        ]
        if not self.layouts or len(set(self.layouts)) < len(self.layouts):
            problems.append("layouts: name at least one, and none twice")
        if self.style and self.style not in Layout.styles():
            problems.append(f"style is '{self.style}'; {nearest(self.style, Layout.styles())}")
        if self.file not in (PNG, WEBP):
            problems.append(f"file is '{self.file}'; {PNG} or {WEBP}")
        if not self.scene.strip():
            problems.append("scene is empty; say what a background shows")
        least = {"steps": 1, "attempts": 1, "best_of": 1, "batch_size": 1, "liked": 0, "side": 0}
        problems += [
            f"{name} is {getattr(self, name)}; at least {minimum}"
            for name, minimum in least.items()
            if getattr(self, name) < minimum
        ]
        if not 0 <= self.intensity <= 1:
            problems.append(f"intensity is {self.intensity}; from 0 to 1")
        if not (math.isfinite(self.guidance) and self.guidance >= 0):
            problems.append(f"guidance is {self.guidance}; a number of at least 0")
        if self.liked and not self.image_adapter:
            problems.append("liked asks for image prompts, which need an image_adapter")
        if problems:
            raise ConfigError("\n".join(problems))
