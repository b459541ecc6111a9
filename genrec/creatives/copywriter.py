"""Writes copy: facts and profile to candidates, candidates to the best one, three ways.

::

    writer = Copywriter()
    (copy,) = writer.write([CopyRequest(item, profile=profiles["1001"], channel="push")])

``rank`` orders verified statements, ``constrained`` lets a text model choose their words, ``free``
lets it write and has the guard read. Whatever fails, falls back to rank and says so in the notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from genrec.bounds import outside
from genrec.creatives.brief import says
from genrec.creatives.channels import Channel, channel_named, load_channels
from genrec.creatives.constrained_mode import TEMPLATE as CHOOSE
from genrec.creatives.constrained_mode import ModelChooser, SeededChooser, constrained
from genrec.creatives.copy import CONSTRAINED, FREE, INTENSITIES, MODES, RANK, Copy, CopyRequest
from genrec.creatives.facts import ItemFacts
from genrec.creatives.free_mode import AGAIN, FreeWriter
from genrec.creatives.free_mode import LANGUAGES as FREE_LANGUAGES
from genrec.creatives.free_mode import TEMPLATE as WRITE
from genrec.creatives.guard import Finding, Guard, Policy
from genrec.creatives.memory import KINDS, Memory
from genrec.creatives.neutral import SHOWN_LETTERS, shown
from genrec.creatives.phrasebook import TONES, Phrasebook, languages
from genrec.creatives.plan import Draft, Plan
from genrec.creatives.rank_mode import rank
from genrec.creatives.ranking import FitRanker, Ranker, best_first, distinct
from genrec.creatives.statements import Sayable, Sayings
from genrec.creatives.worked_example import TEMPLATE as EXAMPLE
from genrec.errors import ConfigError, InputError, nearest
from genrec.llm.text import TextModel
from genrec.prompting import PromptLibrary

# What no human eye reads in a title: the rest of it is not looked at.
LONGEST_RECORD = 20_000
NO_FACTS = "the item says nothing but its title"
NOBODY = "nothing is known of the shopper: written for anybody"
REWRITTEN = "free: written again, for the first text had this"
FELL_BACK = "free mode fell back to rank"
# How often what the guard refuses is left out and the rest written again.
TRIES = 3


@dataclass(frozen=True)
class Copywriter:
    """Writes texts about items for shoppers.

    Args:
        mode: ``rank``, ``constrained`` or ``free``.
        writer: a text model; free mode needs one, constrained mode draws by seed without.
        guard: reads every text before it is given back; the shipped general policy by default.
        memory: the shoppers' own histories, to ground what is said to them.
        ranker: orders the candidates; a trained reward model, or by default ``FitRanker``.
        candidates: texts per request that the best is chosen from.
        channels: by name; the shipped ones by default.
        examples: whether a text model in free mode first sees how invented products are written
            of, which small models need.

    Raises:
        ConfigError: no such mode, free mode without a text model, or a channel's own file is wrong.
    """

    mode: str = RANK
    writer: TextModel | None = None
    guard: Guard | None = None
    memory: Memory | None = None
    ranker: Ranker | None = None
    candidates: int = 4
    channels: Mapping[str, Channel] | None = None
    library: PromptLibrary | None = None
    examples: bool = True

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"There is no mode '{self.mode}'; {nearest(self.mode, MODES)}")
        if self.mode == FREE and self.writer is None:
            raise ConfigError(
                "Mode free needs a text model, such as "
                "TEXT_MODELS.load('transformers')('smollm2-135m'). Mode rank needs none."
            )
        if problems := outside(self, candidates="[1, inf)"):
            raise ConfigError("Copy cannot be written so: " + "; ".join(problems))

    @property
    def identity(self) -> dict[str, str]:
        """All that a text depends on beside its request: mode, model, prompts, phrases, policy."""
        phrases = [Phrasebook.load(language).hash for language in languages()]
        return {
            "mode": self.mode,
            "model": self.writer.name if self.writer and self.mode != RANK else "",
            "adapter": self.writer.adapter if self.writer and self.mode != RANK else "",
            "prompts": self._prompt_hash,
            "phrases": " ".join(phrases),
            "policy": self._guard.policy.version,
            "candidates": str(self.candidates),
            "ranker": type(self._ranker).__name__,
            "memory": self.memory.data.fingerprint if self.memory else "",
        }

    def write(self, requests: Sequence[CopyRequest]) -> list[Copy]:
        """The best text for each request, in their order; equal requests give equal texts.

        Raises:
            ConfigError: a channel, language, tone or intensity that there is not.
            InputError: a brief that contradicts itself.
        """
        # What an item says is read once, however many shoppers it is written for.
        known: dict[tuple[int, str], ItemFacts] = {}
        written = []
        for request in requests:
            _check(request, self._channels)
            key = (id(request.item), request.brief.currency)
            if key not in known:
                known[key] = _facts_of(request)
            written.append(next(self._best_first(request, known[key])))
        return written

    def candidates_for(self, request: CopyRequest) -> list[Copy]:
        """Different texts for one request, best first; at least one.

        Raises:
            ConfigError, InputError: as of ``write``.
        """
        _check(request, self._channels)
        return list(self._best_first(request, _facts_of(request)))

    def _best_first(self, request: CopyRequest, facts: ItemFacts) -> Iterator[Copy]:
        """Texts that the guard lets pass, best first; at least one."""
        notes = _notes(request, facts)
        mode = self.mode
        if mode == FREE:
            made, problems = self._free(request, facts)
            if made:
                told = [replace(one, notes=(*notes, *one.notes)) for one in made]
                yield from self._ordered(told, request)
                return
            mode, notes = RANK, (*notes, *problems, FELL_BACK)
        plan = self._plan(request, facts)
        refused: list[str] = []
        for _ in range(TRIES):
            passed, problem = False, ""
            for one in self._ordered(self._planned(plan, request, mode, notes), request):
                if found := self._why_not(one, facts):
                    refused += [finding.said for finding in found if finding.said]
                    problem = f"left out: '{found[0].quoted}': {found[0].why}"
                else:
                    passed = True
                    yield one
            if passed:
                return
            notes = tuple(dict.fromkeys([*notes, problem]))
            sayings = [kept for one in plan.sayings if (kept := _without(one, refused))]
            lines = [one for one in plan.must_say if not _says(one, refused)]
            plan = replace(plan, sayings=sayings, must_say=tuple(lines))
        bare = self._bare(request, facts, mode, notes)
        if found := self._why_not(bare, facts):
            why = f"not even the name can be shown: '{found[0].quoted}': {found[0].why}"
            bare = replace(bare, fields={}, statements=(), notes=(*bare.notes, why))
        yield bare

    def _planned(
        self, plan: Plan, request: CopyRequest, mode: str, notes: tuple[str, ...]
    ) -> list[Copy]:
        made = []
        for candidate in range(self.candidates):
            if mode == RANK:
                draft = rank(plan, candidate=candidate, seed=request.seed)
            else:
                draft = constrained(plan, self._chooser(request, candidate))
            made.append(self._finished(draft, request, mode, notes))
            if mode == CONSTRAINED and self.writer is not None:
                break
        return made

    def _plan(self, request: CopyRequest, facts: ItemFacts) -> Plan:
        book = Phrasebook.load(request.language)
        sayings = self._sayings(request, facts, book)
        never = [one.lower() for one in request.brief.never_say]
        actions = book.actions[request.tone]
        if request.brief.call_to_action:
            actions = (shown(request.brief.call_to_action, most=60),)
        policy = self._guard.policy
        asked = [*request.brief.must_say, *policy.must_say(request.channel)]
        return Plan(
            self._channels[request.channel],
            book,
            facts.item.title,
            [kept for one in sayings if (kept := _without(one, never))],
            tuple(dict.fromkeys(asked)),
            tuple(one for one in actions if not any(word in one.lower() for word in never)),
        )

    def _sayings(self, request: CopyRequest, facts: ItemFacts, book: Phrasebook) -> list[Sayable]:
        said = Sayings(book, request.tone, request.brief.currency)
        found = said.of_item(facts)
        profile, intensity = request.profile, request.brief.intensity
        if profile is None or intensity == "none":
            return found
        found = said.moved(found, profile)
        if intensity != "open":
            return found
        remembered = []
        if self.memory is not None:
            remembered = self.memory.recall(profile.user, _asked(facts))
        return [*said.of_shopper(facts, profile, remembered), *found]

    def _chooser(self, request: CopyRequest, candidate: int) -> ModelChooser | SeededChooser:
        if self.writer is None:
            return SeededChooser(request.seed * 1009 + candidate)
        return ModelChooser(self.writer, self._library, request)

    def _free(self, request: CopyRequest, facts: ItemFacts) -> tuple[list[Copy], tuple[str, ...]]:
        assert self.writer is not None
        book = Phrasebook.load(request.language) if request.language in languages() else None
        shopper: list[Sayable] = []
        if request.profile is not None and request.brief.intensity == "open":
            english = Sayings(Phrasebook.load("en"), "plain", request.brief.currency)
            remembered = (
                self.memory.recall(request.profile.user, _asked(facts)) if self.memory else []
            )
            shopper = english.of_shopper(facts, request.profile, remembered)[:2]
        free = FreeWriter(self.writer, self._guard, self._library, self.examples)
        attempts = free.attempts(
            request,
            self._channels[request.channel],
            facts,
            [one.full[0] for one in shopper],
            book=book,
            n=self.candidates,
        )
        draft = Draft(statements=[one.said(one.full[0]) for one in shopper])
        good = [
            self._finished(
                replace(draft, texts=one.fields),
                request,
                FREE,
                tuple(f"{REWRITTEN}: {problem}" for problem in one.before[:1]),
            )
            for one in attempts
            if not one.problems
        ]
        return good, tuple(f"free: {one}" for one in attempts[0].problems[:3]) if not good else ()

    def _finished(
        self, draft: Draft, request: CopyRequest, mode: str, notes: tuple[str, ...]
    ) -> Copy:
        told = self.writer if mode != RANK else None
        return Copy(
            request.item.id,
            request.profile.user if request.profile is not None else None,
            request.channel,
            request.language,
            draft.texts,
            self.mode,
            mode,
            tuple(draft.statements),
            self._prompt_hash if told else Phrasebook.load(request.language).hash,
            told.name if told else "",
            told.adapter if told else "",
            request.seed,
            notes=(*notes, *draft.notes),
        )

    def _bare(
        self, request: CopyRequest, facts: ItemFacts, mode: str, notes: tuple[str, ...]
    ) -> Copy:
        """The item's name where it must stand: what is left when all else is refused."""
        channel = self._channels[request.channel]
        name = shown(facts.item.title)
        texts = {
            one.name: one.cut(name)
            for one in channel.fields
            if one.role == "name" or (one.role == "body" and one.named) or len(channel.fields) == 1
        }
        return self._finished(Draft(texts=texts), request, mode, (*notes, "only the name is left"))

    def _why_not(self, copy: Copy, facts: ItemFacts) -> list[Finding]:
        """What the guard finds in a text that was made of statements."""
        book = Phrasebook.load(copy.language)
        text = book.as_english(_without_evidence(copy))
        findings = self._guard.check(text, facts, channel=copy.channel).findings
        if book.language == "en":
            return list(findings)
        # The guard reads English: the phrases of another language (für, rayon) are no claims, the
        # values in them are.
        values = " ".join(value for one in copy.statements for value in one.values).lower()
        return [
            one
            for one in findings
            if not one.rule.startswith("grounded/") or one.said.lower() in values
        ]

    def _ordered(self, copies: Sequence[Copy], request: CopyRequest) -> list[Copy]:
        different = distinct(copies)
        return best_first(different, self._ranker.score(different, request))

    @cached_property
    def _guard(self) -> Guard:
        return self.guard or Guard(Policy.load("general"))

    @cached_property
    def _channels(self) -> dict[str, Channel]:
        return dict(self.channels) if self.channels is not None else load_channels()

    @cached_property
    def _ranker(self) -> Ranker:
        return self.ranker or FitRanker(self._channels)

    @cached_property
    def _library(self) -> PromptLibrary:
        return self.library or PromptLibrary()

    @cached_property
    def _prompt_hash(self) -> str:
        free = (WRITE, AGAIN, EXAMPLE) if self.examples else (WRITE, AGAIN)
        names = {FREE: free, CONSTRAINED: (CHOOSE,), RANK: ()}[self.mode]
        return " ".join(self._library.hash(name) for name in names)


def _without_evidence(copy: Copy) -> str:
    """The text without what the shopper's own history says: the item cannot bear that out."""
    text = copy.text
    for one in copy.statements:
        if one.evidence and one.rule == "bought":
            text = text.replace(one.text, "")
    return text


def _says(text: str, words: Iterable[str]) -> bool:
    return any(word.lower() in text.lower() for word in words)


def _without(one: Sayable, never: Iterable[str]) -> Sayable | None:
    """A statement without the wordings that may not be said; ``None`` if none is left."""
    words = [word.lower() for word in never]
    if not words:
        return one
    full = tuple(text for text in one.full if not any(word in text.lower() for word in words))
    others = tuple(text for text in one.others if not any(word in text.lower() for word in words))
    short = tuple(text for text in one.short if not any(word in text.lower() for word in words))
    if one.rule == "name":
        return one
    return replace(one, full=full, others=others, short=short) if full and short else None


def _facts_of(request: CopyRequest) -> ItemFacts:
    item = request.item
    if len(item.text) > LONGEST_RECORD or len(item.title) > LONGEST_RECORD:
        item = replace(item, title=item.title[:LONGEST_RECORD], text=item.text[:LONGEST_RECORD])
    return ItemFacts.of(item, currency=request.brief.currency)


def _asked(facts: ItemFacts) -> str:
    """What a shopper's memory is asked: the item's name and kind."""
    attributes = facts.item.attributes
    kinds = [str(value) for name, value in attributes.items() if name.lower() in KINDS]
    return shown(" ".join([facts.item.title, *kinds]), most=SHOWN_LETTERS)


def _notes(request: CopyRequest, facts: ItemFacts) -> tuple[str, ...]:
    notes = []
    if len(facts.facts) <= 1:
        notes.append(NO_FACTS)
    if request.profile is None or not len(request.profile):
        notes.append(NOBODY)
    return tuple(notes)


def _check(request: CopyRequest, channels: Mapping[str, Channel]) -> None:
    channel_named(request.channel, dict(channels))
    brief = request.brief
    known = sorted({*languages(), *FREE_LANGUAGES})
    for what, value, valid in (
        ("language", request.language, known),
        ("tone", request.tone, TONES),
        ("intensity", brief.intensity, INTENSITIES),
    ):
        if value not in valid:
            raise ConfigError(f"There is no {what} '{value}'; {nearest(value, valid)}")
    # No text can do without the name, and what must not be said is said of no item.
    title = request.item.title[:LONGEST_RECORD]
    for word in brief.never_say:
        if says(title, word):
            raise InputError(f"The item's name says '{word}', which never_say forbids.")
    problems = [
        f"must_say has '{line}' and never_say has '{word}', which is in it"
        for line in brief.must_say
        for word in brief.never_say
        if word.strip() and says(line, word)
    ]
    problems += ["never_say holds an empty text" for word in brief.never_say if not word.strip()]
    if problems:
        raise InputError("The brief contradicts itself.", problems)
