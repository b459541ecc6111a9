"""Reads a turn by rules and the catalogue's own words; no language model, and a millisecond.

English only. What it does not know it leaves in the wish, which is looked for in the items' words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from genrec.serving.conversation import phrases
from genrec.serving.conversation.reading import ON_ITEM, Reading
from genrec.serving.conversation.spelling import Word, plain, stem, words_of
from genrec.serving.conversation.vocabulary import LONGEST_PHRASE, Meaning, Vocabulary

_NEGATORS = frozenset(
    ("not", "no", "without", "except", "never", "hate", "hates", "dislike",
     "dislikes", "non", "nothing", "avoid",
     "minus", "isn't", "don't", "dont", "doesn't", "neither", "nor")
)  # fmt: skip
# After these a denial no longer holds.
_TURNS = frozenset(("but", "instead", "rather", "prefer", "want"))
_OTHER = frozenset(("different", "another", "other", "else", "change"))
_SAME = frozenset(("same", "that's"))
_INDIFFERENT = frozenset(
    ("any", "whatever", "forget", "drop", "ignore", "remove", "skip", "whichever", "without", "no")
)
_NO_MATTER = ("matter", "important", "care", "mind", "limit", "bother")
_FILTERS = frozenset(("filter", "constraint", "restriction"))
_FIND = frozenset(
    (
        "find",
        "show",
        "want",
        "need",
        "looking",
        "look",
        "search",
        "buy",
        "get",
        "have",
        "sell",
        "recommend",
        "suggest",
        "after",
    )
)


# A kind is a condition if its value covers so much of the items that have its word.
MOSTLY = 0.3


@dataclass
class _Turn:
    """A text being read: what is left of it, and what has been found."""

    text: str
    words: list[Word]
    pending: str = ""
    used: set[int] = field(default_factory=set)
    corrected: dict[str, str] = field(default_factory=dict)

    def take(self, span: phrases.Span) -> None:
        """Marks the words of a span as understood."""
        self.used |= {
            place
            for place, word in enumerate(self.words)
            if word.start < span.end and word.end > span.start
        }

    def without(self, span: phrases.Span) -> str:
        """The text with the span blanked, so that other phrases keep their places."""
        return self.text[: span.start] + " " * (span.end - span.start) + self.text[span.end :]


@dataclass(frozen=True, eq=False)
class RuleReader:
    """Reads turns in English by the words of one catalogue."""

    vocabulary: Vocabulary

    def read(self, text: str, *, pending: str = "") -> Reading:
        """What a turn means.

        Args:
            pending: attribute of an open question, which decides between two meanings of a word.
        """
        lowered = _lowered(text)
        turn = _Turn(lowered, words_of(lowered), pending)
        if not turn.words:
            return Reading()
        if phrases.is_any(lowered) and not phrases.intent_of(lowered):
            return Reading("any")
        if phrases.is_thanks(lowered):
            return Reading("thanks")
        found = self._phrased(turn)
        if found.intent in ("service", "basket"):
            return Reading(found.intent)
        found = self._valued(turn, found)
        lacking = self._lacking(turn)
        wish, unwanted = self._wish(turn)
        kinds = tuple(word for word in wish if stem(word) in self.vocabulary.index.kinds)
        if found.intent == "tell" and found.points:
            # What is asked of an item: the answer says so where the item says nothing of it.
            kinds, unwanted = (), ()
        elif found.intent not in ("find", "unclear", "hello", "more_like"):
            # Beside what is to be done, words can only point at a card by what stands on it.
            wish = tuple(word for word in wish if stem(word) in self.vocabulary.index.words)
            kinds, unwanted = tuple(word for word in kinds if word in wish), ()
        found = replace(found, wish=wish, unwanted=unwanted, kinds=kinds, corrected=turn.corrected)
        found = replace(found, lacking=lacking)
        if found.intent == "unclear" and (found.changes or lacking):
            found = replace(found, intent="find")
        return found

    def _phrased(self, turn: _Turn) -> Reading:
        """What turns of phrase say: intent, place in the list, price, person."""
        found = Reading()
        if hello := phrases.greeting_of(turn.text):
            turn.take(hello)
            turn.text = turn.without(hello)
            found = replace(found, intent="hello")
        where: dict[str, Any] = {}
        while self.vocabulary.has_price and (bound := phrases.bound_of(turn.text)):
            where["price"] = {**where.get("price", {}), **bound[0]}
            turn.take(bound[1])
            turn.text = turn.without(bound[1])
        if person := phrases.recipient_of(turn.text):
            turn.take(person)
            turn.text = turn.without(person)
            found = replace(found, recipient=person.what)
        if refused := phrases.none_of(turn.text):
            turn.take(refused)
            turn.text = turn.without(refused)
            found = replace(found, intent="hide", pointed="all")
        intent = None if refused else phrases.intent_of(turn.text)
        if intent:
            turn.take(intent)
            found = replace(found, intent=intent.what)
        relative = phrases.relative_of(turn.text) if self.vocabulary.has_price else None
        if relative and "price" not in where:
            turn.take(relative)
            found = replace(found, relative=relative.what)
        if ordinals := phrases.ordinals_of(turn.text):
            for _, span in ordinals:
                turn.take(span)
            places = tuple(place for place, _ in ordinals)
            found = replace(found, ordinal=places[0], beside=places[1:])
        elif intent and intent.what in ON_ITEM and (it := phrases.pronoun_of(turn.text)):
            turn.take(it)
            found = replace(found, pointed="it")
        elif intent and intent.what in ("why", "make_ad"):
            found = replace(found, pointed="it")
        if where:
            found = replace(found, where=where)
        if (where or relative) and found.intent == "hello":
            found = replace(found, intent="find")
        return found

    def _valued(self, turn: _Turn, found: Reading) -> Reading:
        """What the catalogue's values say: conditions, denials, and what no longer matters."""
        where: dict[str, list[Any]] = {}
        without: dict[str, list[Any]] = {}
        relax, alike, unlike = list(found.relax), list(found.alike), list(found.unlike)
        pointed, last_end, last_span = "", dict[str, int](), set[int]()
        for first, end, meaning in self._matches(turn):
            span = set(range(first, end))
            if self._one_after(turn, end) and found.intent in ON_ITEM:
                pointed = " ".join(word.stem for word in turn.words[first:end])
                turn.used |= span | {end}
                continue
            denied = self._denied(turn, first)
            # The shop has far more of it than the value covers: it is looked for by its word.
            if not denied and self._is_narrow(turn, first, end, meaning):
                continue
            target = without if denied else where
            values = target.setdefault(meaning.attribute, [])
            if last_end.get(meaning.attribute) == first and not denied:
                # "organic bananas": the last word names the thing, the one before it describes it.
                values.clear()
                turn.used -= last_span
            values += [value for value in meaning.values if value not in values]
            turn.used |= span
            last_end[meaning.attribute], last_span = end, span
        for first, end, attribute in self._named(turn):
            how = self._about(turn, first, end)
            if how == "relax" and attribute not in where and attribute not in without:
                relax.append(attribute)
            elif how in ("alike", "unlike"):
                (alike if how == "alike" else unlike).append(attribute)
            turn.used |= set(range(first, end))
        if filters := {p for p, word in enumerate(turn.words) if word.stem in _FILTERS}:
            relax, turn.used = ["*"], turn.used | filters
        conditions = dict(found.where)
        for attribute, values in where.items():
            if attribute in without:
                values = [value for value in values if value not in without[attribute]]
            if values:
                conditions[attribute] = values[0] if len(values) == 1 else values
        intent = found.intent
        # "something like wool" asks for wool, and points at nothing.
        if intent == "more_like" and not (found.points or pointed):
            intent = "find"
        # "the first shirt": a place in a list needs something to be done to it.
        ordinal = found.ordinal
        beside = found.relative or alike or unlike
        if intent == "hello" and (conditions or without or relax):
            intent = "find"
        if intent == "unclear" and ordinal and not (conditions or without or beside):
            intent = "tell"
        if intent in ("tell", "why", "make_ad"):
            # "Is the second one organic?" asks, and wants nothing changed.
            conditions, without, relax = {}, {}, []
        if intent == "hide" and unlike and not ordinal:
            intent = "find"
        return replace(
            found,
            intent=intent,
            where=conditions,
            without=without,
            relax=tuple(dict.fromkeys(relax)),
            alike=tuple(alike),
            unlike=tuple(unlike),
            pointed=pointed or found.pointed,
        )

    def _matches(self, turn: _Turn) -> Iterator[tuple[int, int, Meaning]]:
        """Longest phrases of the vocabulary, left to right, misspelt words corrected."""
        stems = [self._corrected(turn, place) for place in range(len(turn.words))]
        place = 0
        while place < len(stems):
            for length in range(min(LONGEST_PHRASE, len(stems) - place), 0, -1):
                part = tuple(stems[place : place + length])
                taken = any(p in turn.used for p in range(place, place + length))
                if taken or (length == 1 and turn.words[place].text in phrases.STOP):
                    continue
                meaning = self.vocabulary.meaning(part, turn.pending)
                if meaning is not None:
                    yield place, place + length, meaning
                    place += length
                    break
            else:
                place += 1

    def _corrected(self, turn: _Turn, place: int) -> str:
        word = turn.words[place]
        vocabulary = self.vocabulary
        known = (
            place in turn.used
            or word.text in phrases.STOP
            or word.text in _NEGATORS | _OTHER | _INDIFFERENT | _TURNS | _FIND
            or word.stem in vocabulary.words
            or word.stem in vocabulary.index.words
            or (word.stem,) in vocabulary.names
        )
        if known:
            return word.stem
        nearest = vocabulary.speller.nearest(word.stem)
        if not nearest:
            return word.stem
        turn.corrected[word.text] = nearest
        return nearest

    def _denied(self, turn: _Turn, first: int) -> bool:
        for place in range(first - 1, max(first - 7, -1), -1):
            word = turn.words[place]
            between = turn.text[word.end : turn.words[place + 1].start]
            if any(mark in between for mark in ".;!?") or ("," in between and place < first - 1):
                return False
            if word.text == "but" and turn.words[place - 1].text in ("anything", "everything"):
                return True
            if word.text == "than" and place and turn.words[place - 1].text == "other":
                return True
            # What belongs to a name denies nothing: "dips (non-refrigerated), grocery".
            if word.text in _NEGATORS and place not in turn.used:
                return True
            if word.text in _TURNS and not self._negated_verb(turn, place):
                return False
        return False

    def _negated_verb(self, turn: _Turn, place: int) -> bool:
        return place > 0 and turn.words[place - 1].text in _NEGATORS

    def _is_narrow(self, turn: _Turn, first: int, end: int, meaning: Meaning) -> bool:
        if not self.vocabulary.is_kind(meaning.attribute):
            return False
        said = turn.words[first:end]
        words = [turn.corrected.get(word.text, word.stem) for word in said]
        return meaning.items < MOSTLY * self.vocabulary.index.having(words)

    def _one_after(self, turn: _Turn, end: int) -> bool:
        return end < len(turn.words) and turn.words[end].text in ("one", "ones")

    def _named(self, turn: _Turn) -> Iterator[tuple[int, int, str]]:
        stems = [word.stem for word in turn.words]
        for length in (3, 2, 1):
            for place in range(len(stems) - length + 1):
                if any(p in turn.used for p in range(place, place + length)):
                    continue
                attribute = self.vocabulary.names.get(tuple(stems[place : place + length]))
                if attribute is not None:
                    yield place, place + length, attribute

    def _lacking(self, turn: _Turn) -> tuple[str, ...]:
        """What is named as an attribute is, in a catalogue without it: no item has the word."""
        found = dict[str, None]()
        for place, word in enumerate(turn.words):
            name = self.vocabulary.absent.get(word.stem)
            if name and place not in turn.used:
                found[name] = None
                turn.used.add(place)
        return tuple(found)

    def _about(self, turn: _Turn, first: int, end: int) -> str:
        """What is said of an attribute that is named: ``relax``, ``alike``, ``unlike`` or ''."""
        before = [word.text for word in turn.words[max(first - 4, 0) : first]]
        after = [word.text for word in turn.words[end : end + 5]]
        near = before[-2:]
        if any(word in _OTHER for word in near):
            return "unlike"
        if near and near[-1] in ("that", "this") and any(word in _NEGATORS for word in before):
            return "unlike"
        if any(word in _SAME for word in near) or (near and near[-1] in ("that", "this")):
            return "relax" if any(word in after for word in _NO_MATTER) else "alike"
        if any(word in _INDIFFERENT or word.startswith(_NO_MATTER) for word in before):
            return "relax"
        if any(word.startswith(_NO_MATTER) for word in after):
            return "relax"
        return ""

    def _wish(self, turn: _Turn) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Content words that nothing else took: those that are wanted, and those that are not."""
        wish, unwanted = dict[str, str](), dict[str, str]()
        for place, word in enumerate(turn.words):
            if place in turn.used or word.text in phrases.STOP | _FIND | _TURNS | _OTHER:
                continue
            if word.text in _NEGATORS | _INDIFFERENT or len(word.text) < 2 or word.text.isdigit():
                continue
            # As it was said, so that it reads well and vectors know it.
            meant = turn.corrected.get(word.text, word.text)
            denied = self._denied(turn, place)
            # "The colour is not important" leaves out nothing.
            if not (denied and word.text.startswith(_NO_MATTER)):
                (unwanted if denied else wish).setdefault(stem(meant), meant)
        return tuple(wish.values()), tuple(unwanted.values())


def _lowered(text: str) -> str:
    """Plain small letters; places are those of the result, not of the text."""
    return plain(text).replace("’", "'").replace("‘", "'")
