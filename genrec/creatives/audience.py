"""The recipients of a campaign and what is known of each."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from genrec.creatives.provenance import profile_digest
from genrec.errors import InputError

if TYPE_CHECKING:
    from genrec.profiles.profile import UserProfile
    from genrec.profiles.segments import Segments

USER, SEGMENT = "user", "segment"


class Known(Protocol):
    """Profiles by name of a user or of a segment."""

    def __getitem__(self, name: str) -> UserProfile: ...


@dataclass(frozen=True)
class Audience:
    """Who gets ads.

    Attributes:
        names: of users or segments.
        kind: ``user`` or ``segment``.
        known: profiles by name; ``None`` writes for anybody.
    """

    names: Sequence[str]
    kind: str = USER
    known: Known | None = None

    def profile(self, number: int) -> UserProfile | None:
        """What is known of a recipient, without their name; ``None`` if it is nothing.

        Two of whom the same is known are one to a writer.
        """
        if self.known is None:
            return None
        found = self.known[self.names[number]]
        if not found.traits:
            return None
        return replace(found, user="", events=0, left_out=0, source=None)

    @cached_property
    def digests(self) -> list[str]:
        """A hash of what is known of each, by number; empty where it is nothing."""
        if self.known is None:
            return [""] * len(self.names)
        return [profile_digest(self.known[name]) for name in self.names]


class SegmentProfiles:
    """What lifts each segment over the crowd, as a profile; no event of any one user is in it."""

    def __init__(self, segments: Segments) -> None:
        self._found = {name: one for one in segments.segments for name in (one.id, one.name)}
        self.ids = [one.id for one in segments.segments]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __getitem__(self, name: str) -> UserProfile:
        from genrec.profiles.profile import Trait, UserProfile

        segment = self._found[name]
        traits = tuple(
            Trait(kind, about, value, share / max(crowd, 1e-9))
            for kind, about, value, share, crowd in segment.traits
        )
        return UserProfile(segment.id, traits)


def named(
    wanted: Sequence[str] | None,
    there: Sequence[str],
    what: str,
    *,
    also: Container[str] = (),
) -> list[str]:
    """Those that are wanted, or all.

    Args:
        what: they are, in words.
        also: further names that will do.

    Raises:
        InputError: lists every one that is not there.
    """
    if wanted is None:
        return list(there)
    known = set(there)
    unknown = [name for name in wanted if name not in known and name not in also]
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(wanted)} {what}s are not there. They look like: "
            f"{', '.join(list(there)[:3])}",
            [f"unknown {what} '{name}'" for name in unknown],
        )
    return list(wanted)
