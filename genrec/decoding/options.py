"""What can be chosen about decoding. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError, nearest

STRATEGIES = ("best", "diverse", "sample")
# What the probability of a code is a share of: all codes of its level, or those that the catalogue
# has after the codes before it.
NORMALISED_OVER = ("level", "legal")


@dataclass(frozen=True)
class DecodeConfig:
    """How semantic IDs are chosen.

    Attributes:
        beams: kept at each level; at least as many items as are asked for.
        strategy: ``best`` keeps the most probable; ``diverse`` lowers a branch by its rank among
            its siblings; ``sample`` draws items without replacement, by their probabilities.
        diversity: how much a rank among siblings costs, in nats, for ``diverse``.
        temperature: above 1 flattens what ``sample`` draws from.
        seed: of ``sample``; the same history gets the same draw, alone or in a batch.
        exact: score every item; for small catalogues, and as a yardstick.
    """

    __pydantic_config__ = {"extra": "forbid"}

    beams: int = 20
    strategy: str = "best"
    diversity: float = 0.5
    temperature: float = 1.0
    seed: int = 0
    exact: bool = False

    def __post_init__(self) -> None:
        problems = outside(
            self, beams="[1, inf)", diversity="[0, inf)", temperature="(0, inf)", seed=SEED
        )
        if self.strategy not in STRATEGIES:
            problems.append(
                f"No decoding strategy '{self.strategy}'; {nearest(self.strategy, STRATEGIES)}"
            )
        if problems:
            raise ConfigError("\n".join(problems))
