"""What can be chosen about recommenders. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from genrec.decoding.options import DecodeConfig
from genrec.errors import ConfigError, nearest
from genrec.llm.options import BackboneConfig
from genrec.training.options import FitConfig, SftConfig


@dataclass(frozen=True)
class PromptConfig:
    """How a history is written down for the LLM.

    Attributes:
        template: name in ``prompts/``; it may use ``favourites`` and must end with ``history``.
        history: the last events that are written out.
        favourites: how many of the items chosen most often before those events are named first;
            0 leaves the line out.
    """

    __pydantic_config__ = {"extra": "forbid"}

    template: str = "recommend/next_item"
    history: int = 50
    favourites: int = 0

    def __post_init__(self) -> None:
        if self.history < 1 or self.favourites < 0:
            raise ConfigError(
                f"history is {self.history} and favourites {self.favourites}; "
                "they must be at least 1 and 0."
            )


@dataclass(frozen=True)
class GenerativeConfig:
    """Everything that shapes a generative recommender.

    Attributes:
        backbone: which LLM and what of it is trained.
        prompt: how a history is written down.
        sft: packing and loss.
        fit: optimisation.
        decode: how semantic IDs are chosen.
    """

    __pydantic_config__ = {"extra": "forbid"}

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    sft: SftConfig = field(default_factory=SftConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)

    def with_options(self, **options: Any) -> GenerativeConfig:
        """A copy with options set by their bare names, wherever they live.

        Raises:
            ConfigError: an option that does not exist.
        """
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        known: set[str] = set()
        for part, value in parts.items():
            own = {option.name for option in fields(value)}
            known |= own
            parts[part] = replace(value, **{k: v for k, v in options.items() if k in own})
        unknown = [name for name in options if name not in known]
        if unknown:
            raise ConfigError(f"No option '{unknown[0]}'; {nearest(unknown[0], known)}")
        return GenerativeConfig(**parts)
