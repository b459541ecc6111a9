"""Pictures and films that belong to ads: what each is made from, and what came of it.

A job's name is a hash of everything that decides its pixels, as an ad's is of its text. The text
itself is part of it, not the ad: two ads that say the same share their picture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from typing import Any

from genrec.creatives.ad import Ad
from genrec.creatives.brief import Brief, filled, in_language, says, values_of
from genrec.creatives.channels import channel_named
from genrec.creatives.facts import ItemFacts
from genrec.creatives.phrasebook import Phrasebook
from genrec.creatives.provenance import digest
from genrec.data.catalog import Item
from genrec.errors import ConfigError

# Raised when the same job comes to give other pixels, so that no cache serves the old ones.
MEDIA_VERSION = 3
PICTURE, FILM = "picture", "film"
# Packages whose versions may move a pixel.
_DRAWING = {PICTURE: ("pillow", "resvg-py", "uharfbuzz"), FILM: ("pillow", "resvg-py", "av")}
_SENTENCE = re.compile(r"(?<=[.!?؟])\s+|(?<=[。！？])")
_LINES = 3


@dataclass(frozen=True, slots=True)
class Says:
    """The words of a picture or film, all of them from its ad, its item or its brief.

    Attributes:
        lines: what else the ad says, what concerns the shopper first; none of it twice.
    """

    headline: str
    lines: tuple[str, ...] = ()
    call: str = ""
    price: str = ""
    disclosure: str = ""
    brand: str = ""

    @staticmethod
    def of(ad: Ad, item: Item, brief: Brief) -> Says:
        """What an ad says, by the roles of its channel's fields."""
        texts: dict[str, str] = {}
        for one in channel_named(ad.channel).fields:
            if text := ad.fields.get(one.name, ""):
                texts.setdefault(one.role, text)
        values = values_of(item, brief.currency, ad.language)
        told = tuple(filled(in_language(line, ad.language), values) for line in brief.disclosures)
        asked = filled(in_language(brief.call_to_action or "", ad.language), values)
        price = next((fact.text for fact in _facts(item, brief).named("price")), "")
        lines = [texts.get("hook", ""), texts.get("detail", ""), *_sentences(texts.get("body", ""))]
        # These stand in places of their own: price and call would be read twice.
        placed = (*told, asked, texts.get("action", ""), price)
        news = [line for line in lines if line and not any(one and one in line for one in placed)]
        call = texts.get("action") or asked or _call(brief, ad.language)
        news = [line for line in dict.fromkeys(news) if line.rstrip(".") != call]
        return Says(
            headline=texts.get("name") or item.title,
            lines=tuple(news[:_LINES]),
            call=call,
            price=price,
            disclosure=" ".join(told),
            brand=brief.brand.name or "",
        )


def _facts(item: Item, brief: Brief) -> ItemFacts:
    return ItemFacts.of(replace(item, text=""), currency=brief.currency)


def _call(brief: Brief, language: str) -> str:
    """The language's own words for what to do now, none of them forbidden."""
    try:
        offered = Phrasebook.load(language).actions[brief.tone]
    except ConfigError:
        return ""
    return next(
        (one for one in offered if not any(says(one, never) for never in brief.never_say)), ""
    )


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE.split(text.strip()) if part]


@dataclass(frozen=True, slots=True)
class MediaJob:
    """One picture or film that is wanted.

    Attributes:
        id: 32 hexadecimal digits, from all that follows but the recipient's number.
        recipient: number of the recipient whose taste it is for; -1 for anybody.
        layout: of a picture; of a film its format.
    """

    id: str
    kind: str
    item: str
    recipient: int
    language: str
    seed: int
    layout: str
    says: Says


@dataclass(frozen=True)
class Medium:
    """What came of a job.

    Attributes:
        file: the ending of its file: ``png``, ``webp``, ``mp4``; empty if it could not be made.
        content: SHA-256 of the file before credentials were put into it.
        source: IPTC digital source type.
        model: that painted or animated; empty where none did.
        seed: that this very picture was painted from.
        background: ``painted``, ``drawn`` or ``plain``.
        tries: backgrounds that were painted, and kinds of defects that they had.
        flags: of backgrounds that were painted, such as ``copy_of_history``; one of them is shown
            only where ``details`` has ``flags``, as a campaign may allow of ``unsafe`` ones.
        notes: fallbacks and what was shortened, in words.
        failure: why there is none.
    """

    id: str
    kind: str
    item: str
    language: str
    layout: str
    file: str = ""
    content: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    seed: int = 0
    source: str = ""
    model: str = ""
    prompt_hash: str = ""
    background: str = ""
    tries: tuple[tuple[str, ...], ...] = ()
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""

    @property
    def name(self) -> str:
        """Its file's name, below the folder of its kind."""
        return f"{self.id[:2]}/{self.id}.{self.file}" if self.file else ""

    def to_json(self) -> str:
        """One line; equal media give equal bytes."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Medium:
        """From what ``to_json`` gave."""
        values = json.loads(text)
        for name in ("flags", "notes"):
            values[name] = tuple(values[name])
        for name in ("tries", "steps"):
            values[name] = tuple(tuple(one) for one in values[name])
        return Medium(**values)


def media_key(kind: str, **decides: Any) -> str:
    """The name of a job: a hash of all that decides its pixels."""
    versions = {name: _version(name) for name in _DRAWING[kind]}
    return digest(MEDIA_VERSION, kind, versions, decides)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
