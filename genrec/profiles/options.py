"""What can be chosen about profiles and segments. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

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
        problems = [
            f"{name} is {getattr(self, name)}, below {least}"
            for name, least in (("visits", 2), ("lift", 1), ("likes", 0), ("evidence", 1))
            if not getattr(self, name) >= least
        ]
        if not 0 < self.chance < 1:
            problems.append(f"chance is {self.chance}, not between 0 and 1")
        if not self.smoothing > 0:
            problems.append(f"smoothing is {self.smoothing}, not above 0")
        if not -24 <= self.hours_from_utc <= 24:
            problems.append(f"hours_from_utc is {self.hours_from_utc}, not within a day")
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
        if self.segments < 1 or self.floor < 2 or self.features < 1:
            raise ConfigError(
                f"segments is {self.segments}, floor {self.floor} and features {self.features}; "
                "they must be at least 1, 2 and 1."
            )
