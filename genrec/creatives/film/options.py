"""What can be chosen about films. Loads nothing."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import outside
from genrec.errors import ConfigError, nearest

# Width and height of each format, for a short side of 720 pixels.
FORMATS = {"square": (720, 720), "story": (720, 1280), "wide": (1280, 720)}
SECONDS = (6, 15)
_SHORT = 720
AUTO = "auto"
CODECS = (AUTO, "h264", "vp9", "av1")


@dataclass(frozen=True)
class FilmOptions:
    """How films are made.

    Attributes:
        seconds: 6 or 15, as placements sell them.
        format: ``square`` 1:1, ``story`` 9:16 or ``wide`` 16:9.
        side: pixels of the shorter side; even.
        fps: frames per second.
        codec: ``auto`` takes H.264 if there is an encoder of it, else VP9, else AV1.
        model: an image-to-video model by hub name or folder; empty moves the picture by rule.
        steps: denoising steps of the model.
        strength: of models that change a film (AnimateDiff): how far from the moved picture.
        drift: a frame whose product differs from the key frame's by more is not shown.
    """

    __pydantic_config__ = {"extra": "forbid"}

    seconds: int = 6
    format: str = "story"
    side: int = 720
    fps: int = 24
    codec: str = AUTO
    model: str = ""
    steps: int = 8
    strength: float = 0.4
    drift: float = 0.085

    def __post_init__(self) -> None:
        problems = [
            f"{name} is '{value}'; {nearest(value, valid)}"
            for name, value, valid in (
                ("format", self.format, tuple(FORMATS)),
                ("codec", self.codec, CODECS),
            )
            if value not in valid
        ]
        if self.seconds not in SECONDS:
            problems.append(f"seconds is {self.seconds}; films have 6 or 15")
        if not 64 <= self.side <= 2160 or self.side % 4:
            problems.append(f"side is {self.side}; a multiple of 4 from 64 to 2,160")
        problems += outside(
            self, fps="[1, 60]", steps="[1, inf)", drift="[0, 1]", strength="[0, 1]"
        )
        if problems:
            raise ConfigError("\n".join(problems))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; both even, as encoders ask."""
        width, height = FORMATS[self.format]
        return (
            2 * round(width * self.side / _SHORT / 2),
            2 * round(height * self.side / _SHORT / 2),
        )

    @property
    def frames(self) -> int:
        return self.seconds * self.fps
