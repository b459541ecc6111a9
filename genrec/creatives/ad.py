"""One finished ad: its texts, how they were written, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from genrec.creatives.provenance import Provenance


@dataclass(frozen=True)
class Ad:
    """One ad, named by the hash of everything that decides it.

    Two users for whom all of that is equal get the same ad; ``deliveries`` says who gets which.

    Attributes:
        id: 32 hexadecimal digits.
        item: id of the item.
        channel: the placement.
        fields: the channel's texts by name; empty if the ad could not be written.
        mode: the way of writing that was asked for.
        written_by: the way that wrote it; another after a fallback.
        statements: what it says, one by one: rule, text, facts and evidence.
        notes: fallbacks and what was left out, in words.
        failure: why it could not be written; empty if it was.
    """

    id: str
    item: str
    channel: str
    language: str
    fields: Mapping[str, str]
    mode: str
    written_by: str
    provenance: Provenance
    statements: tuple[Mapping[str, Any], ...] = ()
    score: float = 0.0
    notes: tuple[str, ...] = ()
    failure: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))

    @property
    def text(self) -> str:
        """All fields, one a line."""
        return "\n".join(value for value in self.fields.values() if value)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": self.id,
            "item": self.item,
            "channel": self.channel,
            "language": self.language,
            "fields": dict(self.fields),
            "mode": self.mode,
            "written_by": self.written_by,
            "score": self.score,
            "statements": [dict(one) for one in self.statements],
            "notes": list(self.notes),
            "failure": self.failure,
            "provenance": self.provenance.to_dict(),
        }

    def to_json(self) -> str:
        """One line; equal ads give equal bytes."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Ad:
        """From what ``to_json`` gave."""
        values = json.loads(text)
        return Ad(
            **{
                **values,
                "provenance": Provenance.of(values["provenance"]),
                "statements": tuple(values["statements"]),
                "notes": tuple(values["notes"]),
            }
        )
