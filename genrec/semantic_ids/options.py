"""What can be chosen about semantic IDs. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.errors import ConfigError
from genrec.semantic_ids.collisions import check_rule


@dataclass(frozen=True)
class SemanticIdConfig:
    """How item vectors become semantic IDs.

    Attributes:
        quantizer: registered name.
        levels: codes per item (one more with the rule ``append``).
        codebook_size: codes at each level; more tell more items apart, fewer share more.
        collisions: ``reassign`` moves an item to the nearest free last code; ``append`` adds a
            level that counts the items with equal codes.
        seed: of the quantiser.
        codebooks_from: folder of an earlier run whose codebooks are taken as they are, so that its
            tokens keep their meaning; the other options are then that run's.
    """

    __pydantic_config__ = {"extra": "forbid"}

    quantizer: str = "residual-kmeans"
    levels: int = 3
    codebook_size: int = 256
    collisions: str = "reassign"
    seed: int = 0
    codebooks_from: str = ""

    def __post_init__(self) -> None:
        check_rule(self.collisions)
        if not 1 <= self.levels <= 25 or not 2 <= self.codebook_size <= 2**20:
            raise ConfigError(
                f"levels is {self.levels} and codebook_size {self.codebook_size}; choose 1 to 25 "
                "levels and 2 to 1,048,576 codes."
            )
