"""Free mode: a text model writes, the guard reads, one rewrite; who calls falls back after that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from genrec.creatives.channels import Channel, Field
from genrec.creatives.copy import CopyBrief, CopyRequest
from genrec.creatives.descriptions import told_facts
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard
from genrec.creatives.neutral import as_data, shown
from genrec.creatives.phrasebook import Phrasebook
from genrec.creatives.relevance import beside_the_point
from genrec.creatives.statements import short_name
from genrec.creatives.tidy import sentences, tidy
from genrec.creatives.worked_example import examples
from genrec.llm.text import Message, TextModel
from genrec.prompting import PromptLibrary

TEMPLATE, AGAIN = "copy/write_free", "copy/rewrite_free"
LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "pl": "Polish", "ja": "Japanese", "zh": "Chinese",
}  # fmt: skip
MOST_PROBLEMS = 6
LETTERS_PER_TOKEN = 2
# Written without spaces, so that their words are not counted.
_UNSPACED = ("ja", "zh")
# A body of fewer is a name or a mark.
LEAST_WORDS = 3


@dataclass(frozen=True)
class Attempt:
    """What a model wrote and what is wrong with it.

    Attributes:
        fields: as they would be shown.
        problems: in words, empty if it may be shown.
        before: problems of the text that this one was written instead of; empty for a first one.
    """

    fields: dict[str, str]
    problems: list[str]
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class FreeWriter:
    """Writes with a text model under a guard.

    Attributes:
        examples: whether the model first sees what is written of products that there are not.
    """

    writer: TextModel
    guard: Guard
    library: PromptLibrary
    examples: bool = True

    def attempts(
        self,
        request: CopyRequest,
        channel: Channel,
        facts: ItemFacts,
        shopper: Sequence[str],
        *,
        book: Phrasebook | None,
        n: int,
    ) -> list[Attempt]:
        """Up to ``n`` texts, those without problems first; each faulty one was rewritten once.

        Args:
            shopper: true sentences about the reader.
            book: how the language writes numbers; ``None`` for languages without phrases.
        """
        asked = Message("user", self._question(request, channel, facts, shopper))
        talk = [*self._shown_first(request, channel, facts), asked]
        most = sum(one.most for one in channel.fields) // LETTERS_PER_TOKEN + 16 * len(
            channel.fields
        )
        tokens = min(most, 400)
        # The likeliest words of a small model go in circles; with several texts wanted, draw.
        warmth = 0.7 if n > 1 else 0.0
        answers = self.writer.generate(
            talk, max_tokens=tokens, temperature=warmth, seed=request.seed, n=n
        )
        found = []
        for answer in dict.fromkeys(answers):
            attempt = self._read(answer, request, channel, facts, book)
            if attempt.problems:
                problems = [as_data(one, most=200) for one in attempt.problems[:MOST_PROBLEMS]]
                again = self.library.render(AGAIN, fields=_limits(channel), problems=problems)
                said = Message("assistant", shown(answer, most=1200) or "-")
                (second,) = self.writer.generate(
                    [*talk, said, Message("user", again)], max_tokens=tokens, seed=request.seed
                )
                better = self._read(second, request, channel, facts, book)
                if len(better.problems) <= len(attempt.problems):
                    attempt = replace(better, before=tuple(attempt.problems))
            found.append(attempt)
        return sorted(found, key=lambda one: len(one.problems))

    def _shown_first(
        self, request: CopyRequest, channel: Channel, facts: ItemFacts
    ) -> list[Message]:
        """The examples as questions and answers, without the brief and the shopper."""
        if not self.examples:
            return []
        bare = replace(request, brief=CopyBrief(currency=request.brief.currency))
        talk = []
        for one in examples(facts, bare, channel, self.library):
            talk.append(Message("user", self._question(bare, channel, one.facts, ())))
            talk.append(Message("assistant", one.answer))
        return talk

    def _question(
        self, request: CopyRequest, channel: Channel, facts: ItemFacts, shopper: Sequence[str]
    ) -> str:
        brief = request.brief
        return self.library.render(
            TEMPLATE,
            about=channel.about,
            facts=told_facts(facts),
            fields=_limits(channel),
            language=LANGUAGES.get(request.language, request.language),
            never=[as_data(one, most=60) for one in brief.never_say],
            shopper=[as_data(one, most=200) for one in shopper],
            tone=request.tone,
            voice=as_data(brief.voice, most=300),
        )

    def _read(
        self,
        answer: str,
        request: CopyRequest,
        channel: Channel,
        facts: ItemFacts,
        book: Phrasebook | None,
    ) -> Attempt:
        fields = _completed(parsed(answer, channel), channel, facts)
        missing = [one.name for one in channel.fields if not fields.get(one.name)]
        problems = [f"the line '{name}:' is missing" for name in missing]
        for line in request.brief.must_say:
            body = next((one for one in reversed(channel.fields) if one.role == "body"), None)
            if body is not None and line not in " ".join(fields.values()):
                fields[body.name] = f"{fields.get(body.name, '')} {line}".strip()
        if request.language not in _UNSPACED:
            problems += [
                f"{one.name} says only '{fields[one.name]}'"
                for one in channel.fields
                if one.role == "body" and 0 < len(fields.get(one.name, "").split()) < LEAST_WORDS
            ]
        problems += channel.problems(fields)
        text = "\n".join(fields.values())
        low = text.lower()
        for line in request.brief.must_say:
            low = low.replace(line.lower(), "")
        problems += [f"it says '{one}'" for one in request.brief.never_say if one.lower() in low]
        if text:
            plain = text if book is None else book.as_english(text)
            verdict = self.guard.check(plain, facts, channel=channel.name)
            problems += [f"'{one.said}': {one.why}" for one in verdict.findings]
            said = (fields.get(one.name, "") for one in channel.fields if one.role != "name")
            written = " ".join(filter(None, said))
            problems += beside_the_point(
                written, facts, task=self._task(request, channel), language=request.language
            )
        return Attempt(fields, problems)

    def _task(self, request: CopyRequest, channel: Channel) -> str:
        """What is asked without anything that is quoted from item, shopper or brief."""
        asked = self.library.render(
            TEMPLATE,
            about=channel.about,
            facts=[],
            fields=_limits(channel),
            language=LANGUAGES.get(request.language, request.language),
            never=[],
            shopper=[],
            tone=request.tone,
            voice="",
        )
        return f"{asked}\n{self.library.render(AGAIN, fields=_limits(channel), problems=[])}"


def parsed(answer: str, channel: Channel) -> dict[str, str]:
    """The fields of an answer: lines ``name: text``; without such lines all of it is the body."""
    names = {one.name: one for one in channel.fields}
    found: dict[str, list[str]] = {}
    current = ""
    for line in answer.splitlines():
        name, colon, rest = line.strip(" -*#\t").partition(":")
        key = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
        if colon and key in names and key not in found:
            current, line = key, rest
        elif colon and key in names:
            current = ""
        if current:
            found.setdefault(current, []).append(line)
    bodies = [one.name for one in channel.fields if one.role == "body"]
    if not found and (len(names) == 1 or len(bodies) == 1):
        found = {next(iter(bodies or names)): answer.splitlines()}
    texts = {name: tidy(" ".join(found[name])) for name in names if name in found}
    return {name: _fitting(text, names[name]) for name, text in texts.items() if text}


def _fitting(text: str, place: Field) -> str:
    """The sentences that a body has room for; a first one that is too long stays, to be told."""
    if place.role != "body":
        return text
    kept = sentences(text)
    while len(kept) > 1 and not place.fits(" ".join(kept)):
        kept.pop()
    return " ".join(kept)


def _completed(fields: dict[str, str], channel: Channel, facts: ItemFacts) -> dict[str, str]:
    """With the item's own name where the model left it out, in the channel's order."""
    if not fields:
        return fields
    name = short_name(facts.item.title)
    names = {one.name: one.cut(name) for one in channel.fields if one.role == "name"}
    whole = {**names, **fields}
    return {one.name: whole[one.name] for one in channel.fields if one.name in whole}


def _limits(channel: Channel) -> list[tuple[str, int]]:
    return [(one.name, one.most) for one in channel.fields]
