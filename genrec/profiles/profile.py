"""One customer as traits, each with its strength and the events that it rests on.

Knows nothing of how traits are found: ``build.py`` makes profiles and gives each the ``Source``
that can make it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from genrec.data.dataset import Interaction
from genrec.errors import ConfigError, InputError

KINDS = ("like", "favourite", "loyalty", "price", "rhythm", "recency", "promotion", "habit")


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing that a history says.

    Attributes:
        kind: one of ``KINDS``.
        name: what it is about: an attribute (``category``), ``days between visits``, …
        value: what it says of that: ``Yogurt``, ``7``.
        strength: how many times the crowd's rate, smoothed; 1 where nothing is compared.
        evidence: numbers of the events that it rests on, in the user's own history from 0; the
            latest ones where there are more than are kept.
        events: how many events it rests on.
        text: the same as a sentence.
    """

    kind: str
    name: str
    value: str
    strength: float
    evidence: tuple[int, ...] = ()
    events: int = 0
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "value": self.value,
            "strength": round(self.strength, 3),
            "events": self.events,
            "evidence": list(self.evidence),
            "text": self.text,
        }


class Source(Protocol):
    """What made a profile and can make it again with one event more."""

    def after(self, profile: UserProfile, interaction: Interaction) -> UserProfile: ...


@dataclass(frozen=True, slots=True)
class UserProfile:
    """What one user's history says of them.

    Attributes:
        traits: strongest first.
        events: events of the history.
        left_out: of these, events that no trait may use (sensitive items). Which is not kept.
        version: of the rules by which they were left out.
    """

    user: str
    traits: tuple[Trait, ...]
    events: int = 0
    left_out: int = 0
    version: str = ""
    source: Source | None = field(default=None, compare=False, repr=False)

    def at(self, intensity: float) -> UserProfile:
        """The profile with only its strongest traits.

        Args:
            intensity: how much may be used: 0 nothing, 1 all.

        Raises:
            ConfigError: it lies outside 0 to 1.
        """
        if not 0 <= intensity <= 1:
            raise ConfigError(f"intensity is {intensity}; it goes from 0 (nothing) to 1 (all).")
        # Half a percent of a trait is rounding, not a trait.
        kept = math.ceil(round(intensity * len(self.traits), 6))
        return replace(self, traits=self.traits[:kept])

    def of(self, *kinds: str) -> list[Trait]:
        """Traits of these kinds, strongest first."""
        return [trait for trait in self.traits if trait.kind in kinds]

    def after(self, interaction: Interaction) -> UserProfile:
        """The profile that the history with this event makes, against the same crowd.

        Raises:
            InputError: the event is another user's, names an unknown item, or lacks a time that
                the others have; or the profile was not built from a data set.
        """
        if self.source is None:
            raise InputError(
                f"The profile of '{self.user}' stands alone; build it from a data set to go on."
            )
        return self.source.after(self, interaction)

    def __iter__(self) -> Iterator[Trait]:
        return iter(self.traits)

    def __len__(self) -> int:
        return len(self.traits)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "user": self.user,
            "events": self.events,
            "left_out": self.left_out,
            "rules": self.version,
            "traits": [trait.to_dict() for trait in self.traits],
        }

    def __str__(self) -> str:
        lines = [f"User {self.user}: {self.events:,} events"]
        lines += [f"{number:>3}. {one.text}" for number, one in enumerate(self.traits, 1)]
        return "\n".join(lines if self.traits else [*lines, "  Nothing is known yet."])
