"""What is asked of a copywriter and what comes back. Loads nothing heavy.

Knows no way of writing: ``copywriter.py`` chooses one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from genrec.data.catalog import Item

if TYPE_CHECKING:
    from genrec.profiles.profile import UserProfile

RANK, CONSTRAINED, FREE = "rank", "constrained", "free"
MODES = (RANK, CONSTRAINED, FREE)
INTENSITIES = ("none", "quiet", "open")


@dataclass(frozen=True, slots=True)
class CopyBrief:
    """What every text of a campaign has in common.

    Attributes:
        voice: the brand's voice in words, read by a text model as data: ``dry, never loud``.
        call_to_action: the text's last words; empty takes the language's own for the channel.
        must_say: sentences that stand in each text as they are.
        disclosures: those of ``must_say`` without which a text may not be shown.
        never_say: words or phrases that stand in none.
        currency: ISO 4217 code of the item's price.
        intensity: how openly the shopper is told what is known: ``none`` says nothing of them,
            ``quiet`` lets the profile choose what is said of the item, ``open`` may also say why.
    """

    voice: str = ""
    call_to_action: str = ""
    must_say: tuple[str, ...] = ()
    disclosures: tuple[str, ...] = ()
    never_say: tuple[str, ...] = ()
    currency: str = "USD"
    intensity: str = "open"


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """One text that is wanted.

    Attributes:
        item: what it is about.
        profile: whom it is for; ``None`` writes for anybody.
        channel: a name of ``channels.yaml``, such as ``push``.
        tone: ``plain``, ``warm`` or ``brisk``.
        seed: of every choice left open; equal requests give equal texts.
    """

    item: Item
    profile: UserProfile | None = None
    channel: str = "push"
    brief: CopyBrief = CopyBrief()
    language: str = "en"
    tone: str = "plain"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence that is true of the item or of the shopper's own history.

    Attributes:
        rule: name of the phrase that it was made by.
        text: as the shopper reads it.
        facts: names of the item's facts in it.
        evidence: numbers of the events in the shopper's own history that it rests on; empty if it
            is about the item alone.
        values: the values in it, as the item's record or the profile has them.
        weight: how much it should matter to this shopper; 0 for a neutral statement.
    """

    rule: str
    text: str
    facts: tuple[str, ...] = ()
    evidence: tuple[int, ...] = ()
    values: tuple[str, ...] = ()
    weight: float = 0.0


@dataclass(frozen=True)
class Copy:
    """One finished text with where it came from.

    Attributes:
        fields: the channel's fields, such as ``title`` and ``body``, each within its limit.
        mode: the way of writing that was asked for.
        written_by: the way that wrote it; another than ``mode`` after a fallback.
        statements: what it says, one by one; in free mode those that it was given.
        prompt_hash: of the prompt or phrases that it was written with.
        model: the text model's name, empty where none was asked.
        score: the ranker's, higher is better; comparable within one request only.
        notes: what the reader of a report should know: fallbacks, things left out.
    """

    item: str
    user: str | None
    channel: str
    language: str
    fields: Mapping[str, str]
    mode: str
    written_by: str
    statements: tuple[Statement, ...] = ()
    prompt_hash: str = ""
    model: str = ""
    adapter: str = ""
    seed: int = 0
    score: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))

    @property
    def text(self) -> str:
        """All fields, one a line, as a guard reads them."""
        return "\n".join(value for value in self.fields.values() if value)

    @property
    def evidence(self) -> tuple[int, ...]:
        """Every event of the shopper that the text rests on, each once."""
        return tuple(dict.fromkeys(one for said in self.statements for one in said.evidence))

    @property
    def key(self) -> str:
        """A hash of what it says and how it was made, equal on every machine."""
        parts = [
            self.item,
            self.user,
            self.channel,
            self.language,
            dict(self.fields),
            self.written_by,
            self.prompt_hash,
            self.model,
            self.adapter,
            self.seed,
        ]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]
