"""Reads a turn by a language model that may only choose: JSON, slot by slot, from what there is.

Every slot's value is one of a list: intents, places of the shown items, and for an attribute the
catalogue's own values that the turn could mean. So what comes back is valid and typed by
construction, whatever the turn or the model says. Any ``TextModel`` will do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from genrec.creatives.neutral import as_data
from genrec.llm.text import Message, TextModel
from genrec.prompting import PromptLibrary
from genrec.serving.conversation import phrases
from genrec.serving.conversation.reading import INTENTS, ON_ITEM, RELATIVES, Reading
from genrec.serving.conversation.rules import RuleReader
from genrec.serving.conversation.spelling import plain, words_of
from genrec.serving.conversation.vocabulary import LONGEST_PHRASE, Vocabulary

TEMPLATE = "chat/read_turn"
# A turn that speaks of more has been read by nobody.
_LONGEST_TURN = 300
_NUMBER = re.compile(r"\d{1,7}(?:[.,]\d{1,2})?")
_ITEMS: tuple[Any, ...] = (0, 1, 2, 3, 4, -1, "it", "all")
# Turns that mean nothing, and how much of what a small model says to them is taken off.
_SAYS_NOTHING = ("...", "N/A", "well")
_HABIT = 0.7


@dataclass(frozen=True, eq=False)
class ModelReader:
    """Reads turns by a text model's choices.

    Args:
        model: weighs the choices; it never writes.
    """

    vocabulary: Vocabulary
    model: TextModel
    library: PromptLibrary = field(default_factory=PromptLibrary)

    def read(self, text: str, *, pending: str = "") -> Reading:
        """What a turn means.

        Args:
            pending: attribute of an open question.

        Raises:
            ConfigError: the model or its server cannot be used.
        """
        written = _Written(self.model, self._asked(text, pending))
        intent = written.slot("intent", INTENTS, bias=self._habit)
        item = written.slot("item", _ITEMS)
        relative = written.slot("relative", RELATIVES)
        price = written.slot("price", [None, *self._bounds(text)])
        where: dict[str, Any] = {} if price is None else {"price": price}
        without: dict[str, list[Any]] = {}
        said: dict[str, list[str]] = {"any": [], "same": [], "other": []}
        for name, values in self._meant(text, pending).items():
            found = written.slot(name, [None, *_choices(values)])
            if isinstance(found, Mapping):
                without[name] = _listed(found["not"])
            elif found is not None:
                where[name] = found
        for name in self._named(text):
            if name in where or name in without:
                continue
            found = written.slot(name, [None, *said])
            if found is not None:
                said[str(found)].append(name)
        rest = RuleReader(self.vocabulary).read(text, pending=pending)
        return Reading(
            intent=intent,
            where=where,
            without=without,
            relax=tuple(said["any"]),
            alike=tuple(said["same"]),
            unlike=tuple(said["other"]),
            ordinal=item if isinstance(item, int) else 0,
            pointed=item if isinstance(item, str) and intent in ON_ITEM else "",
            relative="" if price is not None else relative,
            # Free words are looked for, not chosen: no list holds them.
            wish=rest.wish,
            unwanted=rest.unwanted,
            kinds=rest.kinds,
            recipient=rest.recipient,
            corrected=rest.corrected,
        )

    def _asked(self, text: str, pending: str) -> list[Message]:
        question = self.library.render(
            TEMPLATE,
            turn=as_data(text, most=_LONGEST_TURN),
            attributes=[*self.vocabulary.attributes, "price"],
            asked=pending,
        )
        return [Message("user", question)]

    @cached_property
    def _habit(self) -> list[float] | None:
        """What the model would say of each intent whatever the turn, a part of it.

        Contextual calibration (Zhao et al. 2021, arXiv 2102.09690): the log-probabilities of an
        intent after turns that say nothing.
        """
        texts = [f"{{{one}" for one in _slots("intent", INTENTS)]
        found = [self.model.weigh(self._asked(turn, ""), texts) for turn in _SAYS_NOTHING]
        known = [weights for weights in found if weights is not None]
        if not known:
            return None
        return [_HABIT * sum(column) / len(known) for column in zip(*known, strict=True)]

    def _bounds(self, text: str) -> list[dict[str, float]]:
        """Every bound that the turn's numbers could be."""
        if not self.vocabulary.has_price:
            return []
        numbers = []
        for said in _NUMBER.findall(text)[:2]:
            number = float(said.replace(",", "."))
            numbers.append(int(number) if number.is_integer() else number)
        found: list[dict[str, float]] = [
            {word: number} for number in numbers for word in ("below", "max", "min", "above")
        ]
        if len(numbers) == 2:
            found.append({"min": min(numbers), "max": max(numbers)})
        return found

    def _meant(self, text: str, pending: str) -> dict[str, list[Any]]:
        """Values that the turn could mean, by attribute, misspelt words read as the nearest."""
        stems = []
        for word in words_of(plain(text)):
            known = word.stem in self.vocabulary.words or word.text in phrases.STOP
            stems.append(word.stem if known else self.vocabulary.speller.nearest(word.stem))
        found: dict[str, list[Any]] = {}
        taken: set[int] = set()
        for length in range(LONGEST_PHRASE, 0, -1):
            for place in range(len(stems) - length + 1):
                span = set(range(place, place + length))
                meaning = self.vocabulary.meaning(tuple(stems[place : place + length]), pending)
                if meaning is None or span & taken:
                    continue
                taken |= span
                values = found.setdefault(meaning.attribute, [])
                one = list(meaning.values) if len(meaning.values) > 1 else meaning.values[0]
                values.append(one)
        return found

    def _named(self, text: str) -> list[str]:
        stems = [word.stem for word in words_of(plain(text))]
        names = (self.vocabulary.names.get((one,)) for one in stems)
        return list(dict.fromkeys(name for name in names if name is not None))


@dataclass
class _Written:
    """The JSON so far; what comes next is chosen."""

    model: TextModel
    messages: Sequence[Message]
    begun: str = "{"

    def slot(self, name: str, values: Sequence[Any], *, bias: Sequence[float] | None = None) -> Any:
        """The value that the model would rather write, of these; ``None`` leaves the slot out.

        Args:
            bias: taken from the log-probability of each value.
        """
        lead = "" if self.begun == "{" else ", "
        texts = [f"{lead}{one}" for one in _slots(name, values)]
        place = self._chosen(texts, bias or [0.0] * len(texts))
        if values[place] is not None:
            self.begun += texts[place]
        return values[place]

    def _chosen(self, texts: Sequence[str], bias: Sequence[float]) -> int:
        if len(texts) == 1:
            # Nothing to choose costs nothing.
            return 0
        # Whole values are weighed as they are: per letter, a long intent would win over any other.
        weights = self.model.weigh(self.messages, [self.begun + text for text in texts])
        if weights is None:
            return self.model.choose(self.messages, texts, begun=self.begun)
        fair = [weight - habit for weight, habit in zip(weights, bias, strict=True)]
        return max(range(len(texts)), key=fair.__getitem__)


def _slots(name: str, values: Sequence[Any]) -> list[str]:
    return [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for value in values]


@dataclass(frozen=True, eq=False)
class EitherReader:
    """The rules, and a model for what they leave unclear."""

    rules: RuleReader
    model: ModelReader

    def read(self, text: str, *, pending: str = "") -> Reading:
        """What a turn means; see ``RuleReader.read``."""
        reading = self.rules.read(text, pending=pending)
        return reading if reading.intent != "unclear" else self.model.read(text, pending=pending)


def _choices(values: Sequence[Any]) -> list[Any]:
    """A value, several, or none of them."""
    found: list[Any] = [*values, *({"not": value} for value in values)]
    if len(values) > 1 and not any(isinstance(value, list) for value in values):
        found += [list(values), {"not": list(values)}]
    return found


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
