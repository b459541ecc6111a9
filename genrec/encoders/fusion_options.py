"""What can be chosen about joining an item's modalities. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import outside
from genrec.errors import ConfigError, nearest

FUSIONS = ("early", "intermediate", "late", "gated", "hierarchical")


@dataclass(frozen=True)
class FusionConfig:
    """How the vectors of an item's modalities become one.

    Attributes:
        kind: ``early`` (all inputs into one network), ``intermediate`` (modalities attend to each
            other), ``late`` (own networks, averaged with learned weights), ``gated`` (weights that
            depend on the item) or ``hierarchical`` (fields of a modality first, then modalities).
        width: of the item vector.
        heads: attention heads of ``intermediate``; must divide ``width``.
        blocks: transformer blocks of ``intermediate``.
        dropout: inside the networks.
        modality_dropout: in training, the chance that a modality of an item is hidden, so that
            the model learns to do without; one of those present always stays.
    """

    __pydantic_config__ = {"extra": "forbid"}

    kind: str = "gated"
    width: int = 64
    heads: int = 4
    blocks: int = 1
    dropout: float = 0.0
    modality_dropout: float = 0.3

    def __post_init__(self) -> None:
        problems = []
        if self.kind not in FUSIONS:
            problems.append(f"there is no fusion '{self.kind}'; {nearest(self.kind, FUSIONS)}")
        problems += outside(
            self,
            width="[1, inf)",
            heads="[1, inf)",
            blocks="[1, inf)",
            dropout="[0, 1)",
            modality_dropout="[0, 1)",
        )
        if self.heads >= 1 and self.width % self.heads:
            problems.append(f"width is {self.width}, which {self.heads} heads do not divide")
        if problems:
            raise ConfigError("The fusion options do not fit: " + "; ".join(problems))
