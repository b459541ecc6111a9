"""What can be chosen about fine-tuning a model. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, fields

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError
from genrec.training.image_lora_options import ImageLoraConfig


@dataclass(frozen=True)
class CopywriterConfig:
    """A text model that learns to describe items from their facts alone.

    Attributes:
        llm: chat model, as of the text model ``transformers``.
        lora_rank: of the adapter.
        lora_alpha: its scale is lora_alpha / lora_rank.
        sentences: of a description that are learned, from its beginning.
        row_tokens: facts and description together; longer rows are left out.
        only_grounded: learn only from descriptions in which every number, colour, material and
            certificate stands among the facts; the others would teach to invent.
        held_out: items that are described to judge and never trained on.
        answer_tokens: of one description when it is judged.
        split_seed: decides which items are held out; equal seeds hold out the same.
    """

    __pydantic_config__ = {"extra": "forbid"}

    llm: str = "smollm2-135m"
    lora_rank: int = 16
    lora_alpha: int = 32
    sentences: int = 2
    row_tokens: int = 192
    only_grounded: bool = True
    held_out: int = 100
    answer_tokens: int = 64
    split_seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            lora_rank="[1, inf)",
            lora_alpha="(0, inf)",
            sentences="[1, inf)",
            row_tokens="[32, inf)",
            held_out="[2, inf)",
            split_seed=SEED,
            answer_tokens="[4, inf)",
        )
        if problems:
            raise ConfigError("The fine-tuning options do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class CopyClicksConfig:
    """A text model that learns which descriptions are clicked, by GRPO on a click model.

    Attributes:
        clicks: folder of the click model, as ``genrec reward train`` leaves it.
        llm: chat model, as of the text model ``transformers``.
        lora_rank: of the adapter.
        lora_alpha: its scale is lora_alpha / lora_rank.
        group: texts drawn for each item, which are compared; must divide ``train.batch_size``.
        temperature: texts are drawn with.
        kl: weight of the divergence from the start.
        restraint: log odds taken for each cue that teases by holding something back.
        policy: of the guard; a text that it refuses earns less than any that it lets through.
        held_out: items that are described to judge and never trained on.
        answer_tokens: of one description.
        split_seed: decides which items are held out; equal seeds hold out the same.
    """

    __pydantic_config__ = {"extra": "forbid"}

    clicks: str = "runs/reward"
    llm: str = "smollm2-135m"
    lora_rank: int = 16
    lora_alpha: int = 32
    group: int = 4
    temperature: float = 1.0
    kl: float = 0.02
    restraint: float = 0.1
    policy: str = "general"
    held_out: int = 40
    answer_tokens: int = 48
    split_seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self,
            lora_rank="[1, inf)",
            lora_alpha="(0, inf)",
            group="[2, inf)",
            temperature="(0, inf)",
            kl="[0, inf)",
            restraint="[0, inf)",
            held_out="[2, inf)",
            split_seed=SEED,
            answer_tokens="[4, inf)",
        )
        if problems:
            raise ConfigError("The options of learning copy do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class FinetuneConfig:
    """What a model learns beside recommending: exactly one of these.

    Attributes:
        copywriter: descriptions of items from their facts.
        copy_clicks: descriptions that are clicked.
        image_lora: a product or a segment's look, for a diffusion model.
    """

    __pydantic_config__ = {"extra": "forbid"}

    copywriter: CopywriterConfig | None = None
    copy_clicks: CopyClicksConfig | None = None
    image_lora: ImageLoraConfig | None = None

    def __post_init__(self) -> None:
        known = [part.name for part in fields(self)]
        named = [name for name in known if getattr(self, name) is not None]
        if len(named) != 1:
            raise ConfigError(
                f"finetune names {', '.join(named) or 'nothing'}; name exactly one of: "
                f"{', '.join(known)}"
            )
