"""What can be chosen about copy that learns from preference. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError


@dataclass(frozen=True)
class CopyPreferenceConfig:
    """A chat model's adapter that learns what copy is clicked.

    Attributes:
        llm: chat model, as of the text model ``transformers``.
        lora_rank: of the adapter.
        lora_alpha: its scale is lora_alpha / lora_rank.
        steps: of the optimiser.
        batch_size: pairs of a step, or texts of a step: whole groups.
        learning_rate: of AdamW.
        beta: of DPO: how strongly the model is held to its start.
        kl: of GRPO: weight of the divergence from the start.
        temperature: texts are drawn with.
        answer_tokens: of one text at most.
        divide_by_std: whether a group's advantages are divided by their standard deviation.
        seed: of the adapter and of what is drawn.
    """

    __pydantic_config__ = {"extra": "forbid"}

    llm: str = "smollm2-135m"
    lora_rank: int = 16
    lora_alpha: int = 32
    steps: int = 50
    batch_size: int = 8
    learning_rate: float = 5e-5
    beta: float = 0.1
    kl: float = 0.02
    temperature: float = 1.0
    answer_tokens: int = 48
    divide_by_std: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            lora_rank="[1, inf)",
            lora_alpha="(0, inf)",
            steps="[1, inf)",
            batch_size="[1, inf)",
            learning_rate="(0, inf)",
            beta="(0, inf)",
            kl="[0, inf)",
            temperature="(0, inf)",
            answer_tokens="[1, inf)",
            seed=SEED,
        )
        if problems:
            raise ConfigError("The options of learning copy do not fit: " + "; ".join(problems))
