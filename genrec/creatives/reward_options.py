"""Options of the click model. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import ClassVar

from genrec.bounds import outside
from genrec.encoders.options import TextEncoderConfig
from genrec.errors import ConfigError


@dataclass(frozen=True)
class RewardConfig:
    """How a click model is trained.

    Attributes:
        encode: the encoder of texts.
        words: how many of the commonest words are features of their own; 0 for none.
        vector_penalties, word_penalties, cue_penalties: what is tried for each kind of feature;
            the best on validation tests is taken. Higher holds weights nearer to 0.
        refit: train once more with the validation tests, by the penalties found.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    encode: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    words: int = 500
    vector_penalties: tuple[float, ...] = (3e3, 1e4, 3e4, 1e5)
    word_penalties: tuple[float, ...] = (1e2, 3e2, 1e3, 3e3)
    cue_penalties: tuple[float, ...] = (1e2, 1e3, 1e4)
    refit: bool = True

    def __post_init__(self) -> None:
        problems = outside(self, words="[0, inf)")
        for name in ("vector_penalties", "word_penalties", "cue_penalties"):
            values = getattr(self, name)
            if not values or not all(0 < value < inf for value in values):
                problems.append(f"{name} is {values}; it needs numbers above 0")
        if problems:
            raise ConfigError(f"The click model cannot be trained so: {'; '.join(problems)}.")
