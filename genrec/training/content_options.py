"""What can be chosen about training on sequences of fused item vectors. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from genrec.bounds import outside
from genrec.encoders.fusion_options import FusionConfig
from genrec.errors import ConfigError, nearest

OBJECTIVES = ("next-item", "masked-item", "user-item")
ALIGNMENTS = ("none", "info-nce", "cosine", "mse")


@dataclass(frozen=True)
class ViewsConfig:
    """A small vision tower of our own, learned from pictures without words or labels.

    Attributes:
        side: pixels that pictures are brought to.
        patch: pixels of a patch's side; must divide ``side``.
        width: of the tower, and of its vectors.
        blocks: transformer blocks.
        heads: attention heads; must divide ``width``.
        steps: of training; 0 keeps the random weights, as a control.
        batch_size: pictures of a step that are told apart.
        learning_rate: peak rate of AdamW.
        temperature: cosines are divided by it before the softmax.
    """

    __pydantic_config__ = {"extra": "forbid"}

    side: int = 80
    patch: int = 8
    width: int = 64
    blocks: int = 2
    heads: int = 4
    steps: int = 300
    batch_size: int = 64
    learning_rate: float = 2e-3
    temperature: float = 0.1

    def __post_init__(self) -> None:
        problems = outside(
            self,
            side="[8, inf)",
            patch="[1, inf)",
            width="[1, inf)",
            blocks="[1, inf)",
            heads="[1, inf)",
            steps="[0, inf)",
            batch_size="[2, inf)",
            learning_rate="(0, inf)",
            temperature="(0, inf)",
        )
        if self.patch >= 1 and self.side % self.patch:
            problems.append(f"side is {self.side}, which patches of {self.patch} do not divide")
        if self.heads >= 1 and self.width % self.heads:
            problems.append(f"width is {self.width}, which {self.heads} heads do not divide")
        if problems:
            raise ConfigError("The tower's options do not fit: " + "; ".join(problems))


@dataclass(frozen=True)
class ContentConfig:
    """How items are fused, how histories are read, and what is learned from them.

    Attributes:
        objective: ``next-item`` (each event predicts the one after it), ``masked-item`` (hidden
            events are told from all items by both sides of the history) or ``user-item`` (the
            pooled history is told from other items than the next by two towers, no order).
        fusion: how an item's modalities become its vector; its ``width`` is that of the whole.
        blocks: transformer blocks over the history; ``user-item`` has none.
        heads: attention heads; must divide the width.
        max_history: last events of a history that are read.
        dropout: on inputs and inside the blocks.
        temperature: cosines are divided by it before the softmax.
        negatives: other items beside those of the batch that a step scores; 0 scores all items.
        masked_share: of a history's events, hidden by ``masked-item``.
        alignment: loss between modalities of an item: ``none``, ``info-nce``, ``cosine``, ``mse``.
        alignment_weight: of that loss beside the objective.
        validation_users: at most so many users choose the number of steps.
        tower: train a vision tower on the catalogue's own pictures first, for data whose recipe
            names no ``encode.image``; ``None`` trains none.
    """

    __pydantic_config__ = {"extra": "forbid"}

    objective: str = "next-item"
    fusion: FusionConfig = field(default_factory=FusionConfig)
    blocks: int = 2
    heads: int = 2
    max_history: int = 50
    dropout: float = 0.2
    temperature: float = 0.1
    negatives: int = 0
    masked_share: float = 0.3
    alignment: str = "none"
    alignment_weight: float = 0.1
    validation_users: int = 5000
    tower: ViewsConfig | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.objective not in OBJECTIVES:
            hint = nearest(self.objective, OBJECTIVES)
            problems.append(f"there is no objective '{self.objective}'; {hint}")
        if self.alignment not in ALIGNMENTS:
            hint = nearest(self.alignment, ALIGNMENTS)
            problems.append(f"there is no alignment '{self.alignment}'; {hint}")
        problems += outside(
            self,
            blocks="[1, inf)",
            heads="[1, inf)",
            max_history="[1, inf)",
            negatives="[0, inf)",
            validation_users="[1, inf)",
            dropout="[0, 1)",
            masked_share="(0, 1)",
            temperature="(0, inf)",
            alignment_weight="[0, inf)",
        )
        if self.heads >= 1 and self.fusion.width % self.heads:
            problems.append(f"fusion.width is {self.fusion.width}, {self.heads} heads do not fit")
        if problems:
            raise ConfigError("The content options do not fit: " + "; ".join(problems))
