"""What a market and a category forbid and ask for, as data.

A policy is a YAML file. Its version is a hash of what it says, with everything that it takes over
from others by ``extends``, so two policies of one version decide alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from functools import cached_property
from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "policies"
CLAIM_KINDS = (
    "number",
    "price",
    "colour",
    "material",
    "certificate",
    "superlative",
    "offer",
    "name",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Phrases that may not be said.

    Attributes:
        id: its name in findings.
        phrases: in any spelling.
        why: what a writer is told.
        instead: what may be said, if anything.
    """

    id: str
    phrases: tuple[str, ...]
    why: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A line that must stand in a text that says certain things.

    Attributes:
        say: the line.
        when: phrases that call for it; without any it is always asked for.
        channels: where; without any, everywhere.
    """

    say: str
    when: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A loaded policy.

    Attributes:
        name: of the file.
        market: where it holds, in words.
        category: of goods, in words.
        extends: names of policies whose rules hold too.
        forbidden: what may not be said.
        say: channel (``any`` for all) -> lines that must be said.
        disclosures: lines that some texts must carry.
        length: channel -> most characters.
        check_claims: kinds of claims that the item must bear out.
        profanity: languages whose word lists apply.
        pii: whether personal data are refused.
        allowed: phrases that none of the forbidden ones may refuse.
    """

    name: str
    market: str = "any"
    category: str = "any"
    extends: tuple[str, ...] = ()
    forbidden: tuple[Rule, ...] = ()
    say: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    disclosures: tuple[Disclosure, ...] = ()
    length: Mapping[str, int] = field(default_factory=dict)
    check_claims: tuple[str, ...] = CLAIM_KINDS
    profanity: tuple[str, ...] = ("english",)
    pii: bool = True
    allowed: tuple[str, ...] = ()

    @staticmethod
    def load(name_or_path: str | Path = "general") -> Policy:
        """A shipped policy by name, or a YAML file.

        Raises:
            ConfigError: no such policy.
            InputError: unknown keys, wrong types or contradictions; all of them at once.
        """
        from genrec.creatives.guard.policy_file import read_policy

        return read_policy(name_or_path)

    @staticmethod
    def names() -> list[str]:
        """Names of the shipped policies."""
        return sorted(path.stem for path in SHIPPED.glob("*.yaml"))

    @cached_property
    def version(self) -> str:
        """A hash of everything that decides, 12 hex digits."""
        said = {
            one.name: getattr(self, one.name)
            for one in dataclass_fields(self)
            if one.name not in ("name", "extends", "market", "category")
        }
        said["forbidden"] = [(rule.id, rule.phrases, rule.why) for rule in self.forbidden]
        said["disclosures"] = [(one.say, one.when, one.channels) for one in self.disclosures]
        text = json.dumps(said, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def must_say(self, channel: str = "") -> tuple[str, ...]:
        """Lines that every text of a channel must hold."""
        lines = (*self.say.get("any", ()), *(self.say.get(channel, ()) if channel else ()))
        return tuple(dict.fromkeys(lines))

    def longest(self, channel: str = "") -> int | None:
        """Most characters of a text of a channel, if there is a limit."""
        return self.length.get(channel, self.length.get("any"))
