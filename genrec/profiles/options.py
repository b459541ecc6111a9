"""What can be chosen about profiles and segments. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.bounds import SEED, outside
from genrec.errors import ConfigError


@dataclass(frozen=True)
class ProfileConfig:
    """How much a history must say before it is a trait.

    Attributes:
        attributes: of items, whose values can be liked; all readable ones if empty.
        brand: the attribute to be loyal to; found by its name if empty.
        within: the attribute in which prices and brands are compared; found by its name if empty.
        visits: visits that a trait must rest on at least.
        lift: a like must be so many times the crowd's rate at least.
        chance: of a customer without any taste, the chance of showing a single like.
        smoothing: visits as the crowd makes them, added to each count before its lift is taken.
        likes: likes of a user that are kept at most, the strongest; likewise favourites, loyalties.
        evidence: events of a trait whose numbers are kept, the latest.
        hours_from_utc: of the shops' clocks, for weekdays and hours.
        rules: what is too sensitive to be a trait: a shipped name or a ``.yaml`` file.
    """

    __pydantic_config__ = {"extra": "forbid"}

    attributes: tuple[str, ...] = ()
    brand: str = ""
    within: str = ""
    visits: int = 3
    lift: float = 1.5
    chance: float = 0.05
    smoothing: float = 1.0
    likes: int = 12
    evidence: int = 50
    hours_from_utc: float = 0.0
    rules: str = "sensitive"

    def __post_init__(self) -> None:
        problems = outside(
            self,
            visits="[2, inf)",
            lift="[1, inf)",
            likes="[0, inf)",
            evidence="[1, inf)",
            chance="(0, 1)",
            smoothing="(0, inf)",
            hours_from_utc="[-24, 24]",
        )
        if problems:
            raise ConfigError(f"Profiles cannot be built so: {'; '.join(problems)}.")


@dataclass(frozen=True)
class SegmentConfig:
    """How users are grouped.

    Attributes:
        segments: how many to look for; fewer may be left by the floor.
        floor: a segment has so many users at least (k-anonymity), or is merged or withheld; a
            trait names it only if so many of its users have it.
        features: traits that are compared, the commonest.
    """

    __pydantic_config__ = {"extra": "forbid"}

    segments: int = 12
    floor: int = 20
    features: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        problems = outside(
            self, segments="[1, inf)", floor="[2, inf)", features="[1, inf)", seed=SEED
        )
        if problems:
            raise ConfigError(f"Segments cannot be found so: {'; '.join(problems)}.")
