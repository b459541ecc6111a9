"""One turn: a state and a message to events and a new state."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from genrec.data.sequences import History
from genrec.errors import InputError
from genrec.serving.conversation import replies
from genrec.serving.conversation.candidates import Asked, Found, find
from genrec.serving.conversation.carded import cards, chosen
from genrec.serving.conversation.constraints import chip, without
from genrec.serving.conversation.events import (
    AdMade,
    ChatEvent,
    Done,
    Error,
    Explanation,
    FilterSet,
    Question,
    Token,
)
from genrec.serving.conversation.evidence import Reasons, details, short_title
from genrec.serving.conversation.incoming import problem_of
from genrec.serving.conversation.listening import DROP, Reader, listen
from genrec.serving.conversation.message import Message
from genrec.serving.conversation.model_reader import EitherReader, ModelReader
from genrec.serving.conversation.next_state import after, kinds_named, names_a_kind, rejecting
from genrec.serving.conversation.phrases import is_no, is_yes
from genrec.serving.conversation.questions import best_question
from genrec.serving.conversation.reading import Reading
from genrec.serving.conversation.references import together
from genrec.serving.conversation.rules import RuleReader
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import KEPT, ChatState, Pending

log = logging.getLogger(__name__)

_SENTENCE = re.compile(r"\S.*?(?:[.!?:](?=\s)|$)\s*", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Conversation:
    """A shop assistant. Keeps nothing between turns, so one serves all sessions at once.

    Args:
        reader: understands free words; by default the rules, and after them the text model if the
            shop has one.
        cards: items shown at a time.
        questions: most questions of one session.
    """

    shop: Shop
    reader: Reader | None = None
    cards: int = 4
    questions: int = 3

    @cached_property
    def reading(self) -> Reader:
        """What understands free words: the rules, and the shop's text model where they do not."""
        if self.reader:
            return self.reader
        rules = RuleReader(self.shop.vocabulary)
        if self.shop.text_model is None:
            return rules
        return EitherReader(rules, ModelReader(self.shop.vocabulary, self.shop.text_model))

    def turn(self, state: ChatState, message: Message) -> Iterator[ChatEvent]:
        """The answer to a message, as it is made; the last event is ``Done`` with the new state.

        Never raises for what a shopper sends, nor when something behind the shop is down: that is
        an ``Error`` event, and the state is as before.
        """
        if problem := problem_of(self.shop, state, message):
            yield from self._failed(state, problem)
            return
        try:
            turn = _Turn(self, state, message)
            for event in turn.answer():
                if isinstance(event, Token):
                    turn.text += event.text
                yield event
        except InputError as error:
            yield from self._failed(state, Error("refused", str(error).splitlines()[0]))
        except Exception:
            log.exception("A turn could not be answered")
            yield from self._failed(state, Error("unavailable", replies.UNAVAILABLE))

    def _failed(self, state: ChatState, problem: Error) -> Iterator[ChatEvent]:
        yield problem
        yield Done(state, problem.text, state.turns)


class _Turn:
    """One turn under way."""

    def __init__(self, conversation: Conversation, state: ChatState, message: Message) -> None:
        self.conversation, self.shop = conversation, conversation.shop
        self.before, self.message = state, message
        self.number = state.turns + 1
        self.text = ""

    def answer(self) -> Iterator[ChatEvent]:
        """The events of the turn."""
        reading, item = listen(self.shop, self.before, self.message, self.conversation.reading)
        state, intent = self.before, reading.intent
        if intent == "undo":
            yield from self._undo()
        elif intent == "restart":
            kept = ChatState(user=state.user, rejected=state.rejected, shown=state.shown)
            fresh = replace(kept, turns=state.turns, before=state.remembered().before)
            yield from self._say(replies.RESTARTED)
            yield FilterSet({}, (), "", self._count(fresh))
            yield self._done(fresh)
        elif intent in replies.TO_INTENTS and not (intent == "hello" and self._known):
            brief = is_yes(self.message.text.lower()) or is_no(self.message.text.lower())
            yield from self._say(replies.GO_ON if brief else replies.TO_INTENTS[intent])
            yield self._done(state)
        elif reading.lacking and not (reading.changes or reading.points):
            yield from self._say(replies.lacking(reading.lacking))
            yield self._done(state)
        elif intent in ("why", "tell", "make_ad", "buy"):
            yield from self._about(reading, item)
        elif intent in ("hide", "less_like", "more_like") and not item and not self._all(reading):
            yield from self._say(replies.WHICH if state.cards else replies.NOTHING_SHOWN)
            yield self._done(state)
        else:
            yield from self._search(reading, item)

    @property
    def _known(self) -> bool:
        return len(self._history(self.before)) > 0

    def _history(self, state: ChatState) -> History:
        # What is for somebody else is not looked for by the shopper's own taste.
        return self.shop.history("" if state.recipient else state.user)

    def _all(self, reading: Reading) -> bool:
        return reading.intent == "hide" and reading.pointed == "all" and bool(self.before.cards)

    def _undo(self) -> Iterator[ChatEvent]:
        found = self.before.undone()
        if found is None:
            yield from self._say(replies.NO_UNDO)
            yield self._done(self.before)
            return
        lead = "Taken back."
        yield from self._shown(replace(found, pending=None), lead=lead, reading=Reading("undo"))

    def _about(self, reading: Reading, item: str) -> Iterator[ChatEvent]:
        """Why, what, or an ad, of one item."""
        state = self.before
        if not item and reading.intent in ("tell", "buy") and (reading.wish or reading.where):
            # "Buy the blue lamp", which was not shown: it is looked for.
            yield from self._search(replace(reading, intent="find"), "")
            return
        if not item:
            yield from self._say(replies.WHICH if state.cards else replies.NOTHING_SHOWN)
            yield self._done(state)
            return
        state = replace(state, focus=item)
        if reading.intent == "make_ad":
            yield from self._ad(state, item)
            return
        items = together(self.shop, self.before, reading, item)
        if reading.intent == "buy":
            yield from self._buy(state, items)
            return
        if reading.intent == "why":
            told = [
                Reasons(self.shop, state, self._history(state)).long(
                    self.shop.catalog.position(item)
                )
            ]
        else:
            asked = (*reading.wish, *reading.lacking)
            told = [details(self.shop, self.shop.item(one), asked) for one in items]
        yield from self._say(" ".join(one.text for one in told))
        for one, why in zip(items, told, strict=False):
            yield Explanation(one, why.text, why.facts, why.items)
        yield self._done(state, ("More like this", "Something else", "Make me an ad for it"))

    def _buy(self, state: ChatState, items: Sequence[str]) -> Iterator[ChatEvent]:
        taken = [chosen(self.shop, one) for one in items]
        yield from self._say(replies.chosen([(one.title, one.price_text) for one in taken]))
        yield from taken
        yield self._done(state, ("More like this", "Something else"))

    def _ad(self, state: ChatState, item: str) -> Iterator[ChatEvent]:
        user = "" if state.recipient else state.user
        copy = self.shop.ad(item, user, seed=self.number)
        if not copy.fields:
            yield from self._say("I cannot write an ad for this one: its name may not be shown.")
        else:
            yield from self._say(f"Here is an ad for {short_title(self.shop.item(item))}.")
            said = tuple(one.text for one in copy.statements)
            known = self.shop.profile(user) is not None
            yield AdMade(item, copy.channel, dict(copy.fields), said, copy.notes, known)
        yield self._done(state, ("More like this", "Something else"))

    def _search(self, reading: Reading, item: str) -> Iterator[ChatEvent]:
        """Changes what is wanted, and shows what fits."""
        state = self.before.remembered()
        if reading.intent in ("hide", "less_like"):
            named = together(self.shop, self.before, reading, item)
            state = rejecting(state, self.before.cards if self._all(reading) else named)
        before, state = state, after(self.shop, state, reading, item)
        narrowed = bool(before.where or before.wish) and names_a_kind(self.shop, reading)
        if narrowed and not self._is_both(state, reading):
            # Nothing is both, so the other thing is meant.
            state = after(self.shop, before, reading, item, fresh=True)
        if reading.intent in ("hide", "less_like"):
            state = replace(state, focus="")
        if reading.intent == "any" and state.pending:
            state = replace(state, asked=_with(state.asked, state.pending.attribute))
        if reading.intent not in ("hide", "less_like"):
            state = replace(state, pending=None)
        title = short_title(self.shop.item(item)) if item else ""
        lead = replies.lead(reading, title, again=bool(self.before.cards))
        yield from self._shown(state, lead=lead, reading=reading)

    def _shown(self, state: ChatState, *, lead: str, reading: Reading) -> Iterator[ChatEvent]:
        """Filter, words, cards and perhaps a question for a state."""
        history = self._history(state)
        off = self._positions(state.rejected)
        off = np.union1d(off, self._positions(self._seen(reading)))
        cheapest = reading.relative == "cheapest"
        asked = Asked(state, history, off, cheapest, self.message.picture)
        found = find(self.shop, asked, self.conversation.cards)
        if not len(found.items):
            # What leads on to cards is not said where there are none.
            yield from self._nothing(state, reading, lead.partition(" Here is")[0])
            return
        known = set(reading.wish) - set(found.missing)
        guessed = known <= {*reading.corrected.values()} and len(known) < len(found.missing)
        if reading.wish and guessed and not found.near:
            beside = replace(reading, wish=(), kinds=(), corrected={}, recipient="")
            if not (beside.changes or beside.points or self.message.picture):
                said = replies.corrected(reading.corrected) if reading.corrected else ""
                yield from self._say(f"{said} {replies.not_known(found.missing)}".strip())
                yield self._done(replace(self.before, pending=None, recipient=state.recipient))
                return
        if found.missing and not found.near:
            # A word that no item has would be looked for in vain in every turn to come.
            kept = (word for word in state.wish.split() if word not in found.missing)
            state = replace(state, wish=" ".join(kept))
        yield self._filter(state, found.matching)
        words = [lead] if lead else []
        going_on = reading.intent in ("more", "more_like", "less_like", "hide")
        if found.partly and (not going_on or {*reading.wish} & {*found.missing}):
            # What leads on to the cards stands next to them.
            words.insert(0 if going_on else len(words), replies.partly(found.missing, found.near))
        if going_on and words:
            yield from self._say(" ".join(words))
        else:
            line = replies.found(
                self.shop,
                state,
                shown=len(found.items),
                matching=found.matching,
                near=bool(found.near) or (found.partly and not found.missing),
                cheapest=cheapest,
                lead=" ".join(words),
            )
            yield from self._say(line)
        yield cards(self.shop, state, history, found.items, self.number)
        ids = tuple(self.shop.catalog.ids[int(one)] for one in found.items)
        state = replace(state, shown=(*state.shown, ids)[-KEPT // 10 :])
        if state.focus not in ids:
            state = replace(state, focus="")
        if reading.intent in ("find", "hello", "any") and not cheapest:
            state, question = self._question(state, found)
            if question:
                yield from self._say(f" {question.text}")
                yield question
        yield self._done(state, self._suggestions(state))

    def _seen(self, reading: Reading) -> list[str]:
        """What has been shown and need not come again in this turn."""
        shown = self.before.shown
        if reading.intent in ("more", "more_like", "less_like"):
            return [one for cards in shown for one in cards]
        if reading.intent == "hide":
            # The other cards stay where they are; what came before them does not come back.
            earlier = {one for cards in shown[:-1] for one in cards}
            return sorted(earlier - set(self.before.cards))
        return []

    def _question(self, state: ChatState, found: Found) -> tuple[ChatState, Question | None]:
        if len(state.asked) >= self.conversation.questions:
            return state, None
        asking = best_question(self.shop, state, found.pool, shown=self.conversation.cards)
        if asking is None:
            return state, None
        pending = Pending(asking.attribute, asking.options, asking.wheres)
        state = replace(state, pending=pending, asked=_with(state.asked, asking.attribute))
        return state, Question(asking.text, asking.attribute, asking.options)

    def _nothing(self, state: ChatState, reading: Reading, lead: str) -> Iterator[ChatEvent]:
        """Says so, names the constraint that costs most, and shows nothing."""
        others = bool(self._seen(reading)) or reading.intent in ("hide", "less_like")
        if others:
            # What was refused stays so; what was looked for stays as it was.
            state = replace(
                state, focus="", wish=self.before.wish, likes=self.before.likes, pending=None
            )
        seen = self._seen(reading)
        counts = {
            name: self._matching(replace(state, where=without(state.where, name)), seen)
            for name in state.where
        }
        drop = max(counts, key=lambda name: counts[name], default="")
        said, options = "", tuple[str, ...]()
        if drop and counts[drop]:
            said = chip(drop, state.where[drop], lambda one: replies.money(self.shop, one))
            options = (f"Yes, drop {said}", "No, keep it")
            state = replace(state, pending=Pending(DROP, options, ({drop: True}, {})))
        yield self._filter(state, 0)
        line = replies.nothing(
            self.shop,
            state,
            drop=said,
            more=counts.get(drop, 0),
            others=others,
            several=kinds_named(self.shop, reading) > 1,
        )
        yield from self._say(f"{lead} {line}".strip())
        if options:
            yield Question(f"Shall I drop {said}?", drop, options)
        yield self._done(state, options or ("Start over",))

    def _filter(self, state: ChatState, matching: int) -> FilterSet:
        said = replies.constraints(self.shop, state)
        return FilterSet(dict(state.where), said, state.wish, matching)

    def _count(self, state: ChatState) -> int:
        """Items in stock that satisfy the constraints and were not refused."""
        allowed = self.shop.allowed(state.where).allowed
        off = self._positions(state.rejected)
        if allowed is None:
            return len(self.shop.catalog) - len(off)
        return int(np.count_nonzero(allowed)) - int(np.count_nonzero(allowed[off]))

    def _matching(self, state: ChatState, seen: Sequence[str]) -> int:
        """Items that satisfy the constraints and the wish, but for those that were seen."""
        off = self._positions([*state.rejected, *seen])
        asked = Asked(state, self._history(state), np.unique(off))
        return find(self.shop, asked, 0).matching

    def _is_both(self, state: ChatState, reading: Reading) -> bool:
        """Whether some item is what was wanted before and of the kind that is named now."""
        found = find(self.shop, Asked(state, self._history(state), self._positions(())), 0)
        heard = set(reading.kinds) - set(found.missing)
        return bool(found.matching) and not (found.partly and (heard or "meaning" in found.near))

    def _positions(self, items: Sequence[str]) -> np.ndarray:
        known = [one for one in items if self.shop.has(one)]
        return self.shop.catalog.positions(known).astype(np.int64)

    def _suggestions(self, state: ChatState) -> tuple[str, ...]:
        if state.pending:
            return (*state.pending.options, "Doesn't matter")
        return ("Cheaper", "Something else", "Why the first?")

    def _say(self, text: str) -> Iterator[Token]:
        """The words, a sentence at a time."""
        for match in _SENTENCE.finditer(f"{self.text and ' '}{text.strip()}".lstrip()):
            piece = match.group()
            begins = " " if self.text and not self.text.endswith(" ") else ""
            yield Token(begins + piece)

    def _done(self, state: ChatState, suggestions: tuple[str, ...] = ()) -> Done:
        return Done(replace(state, turns=self.number), self.text, self.number, suggestions)


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)
