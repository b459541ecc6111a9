"""Where an ad comes from: everything that decided it, by name or by hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from genrec.data.catalog import Item

if TYPE_CHECKING:
    from genrec.profiles.profile import UserProfile

# Raised when the same inputs come to give another ad, so that no cache serves the old one.
ENGINE_VERSION = 3


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made one ad.

    Attributes:
        model: of the text, empty where none was asked; likewise the adapter.
        prompt_hash: of the prompt or phrases.
        evidence: events of the shopper's own history that the text rests on.
        profile: hash of the traits that were known, empty where it is written for anybody.
        item: hash of the item's record.
        brief: hash of what was asked for.
        policy: version of the guard's rules.
        writer: hash of everything else that the copywriter depends on.
        engine: version of the campaign engine.
    """

    seed: int
    model: str = ""
    adapter: str = ""
    prompt_hash: str = ""
    evidence: tuple[str, ...] = ()
    profile: str = ""
    item: str = ""
    brief: str = ""
    policy: str = ""
    writer: str = ""
    engine: int = ENGINE_VERSION

    @staticmethod
    def of(values: Mapping[str, Any]) -> Provenance:
        """From JSON values."""
        return Provenance(**{**values, "evidence": tuple(values.get("evidence", ()))})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "evidence": list(self.evidence)}

    def differences(self, other: Provenance) -> list[str]:
        """What decided the ad and is not the same there, in words."""
        words = {
            "item": "the item's record",
            "profile": "what the shopper's history says",
            "brief": "the brief",
            "policy": "the guard's policy",
            "writer": "the copywriter, its prompts or its options",
            "engine": "the version of the engine",
        }
        return [said for name, said in words.items() if getattr(self, name) != getattr(other, name)]


def digest(*values: Any) -> str:
    """A hash of JSON values, 32 hexadecimal digits, equal on every machine."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def item_digest(item: Item) -> str:
    """A hash of all that an item's record says."""
    return digest(
        item.id,
        item.title,
        item.text,
        item.image,
        item.audio,
        item.video,
        item.price,
        dict(item.attributes),
    )


def profile_digest(profile: UserProfile | None) -> str:
    """A hash of what a profile says, whoever's it is; empty if it says nothing."""
    if profile is None or not profile.traits:
        return ""
    # As tuples: dataclasses.asdict copies every number of the evidence one by one.
    traits = [
        (one.kind, one.name, one.value, one.strength, one.evidence, one.events, one.text)
        for one in profile.traits
    ]
    return digest(traits, profile.version)
