"""Simulated shoppers with known wants, who talk to an assistant and mark what it does.

After iEvaLM (Wang et al. 2023): the shopper knows what it wants, states a part, answers questions
truthfully, refuses what does not fit, and accepts what does. No language model plays the shopper,
so that the same seed gives the same conversations. Knows an assistant only by what it says and
shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from genrec.data.catalog import Catalog, Item

# Of all first mentions of a kind, so many have a slip of the finger.
SLIPS = 0.05
# So often a card that does not suit is refused for good, rather than more being said.
REFUSES = 0.3


@dataclass(frozen=True)
class Said:
    """What an assistant answered.

    Attributes:
        state: the conversation from now on, as the assistant keeps it.
        items: ids of the items that were shown.
        asked: attribute of the question; empty without one.
        options: answers to choose from.
        text: its words.
    """

    state: Any
    items: tuple[str, ...] = ()
    asked: str = ""
    options: tuple[str, ...] = ()
    text: str = ""


class Converser(Protocol):
    """An assistant as a shopper meets it."""

    @property
    def name(self) -> str:
        """As it is called beside its figures."""

    def begin(self, user: str) -> Any:
        """The state of a new conversation."""

    def say(self, state: Any, text: str) -> Said:
        """The answer to words."""

    def hide(self, state: Any, item: str) -> Said:
        """The answer to an item being refused for good."""


@dataclass(frozen=True)
class Want:
    """What one shopper wants.

    Attributes:
        kind: what it is called.
        values: attributes that matter, and the value of each.
        most: to pay; ``None`` for any price.
        suits: items that have all of it, and the shopper's taste, bool, shape (items,).
        target: id of an item that the shopper did choose.
    """

    user: str
    kind: str
    values: Mapping[str, str]
    most: float | None
    suits: np.ndarray
    target: str


@dataclass
class Talk:
    """One conversation, as it was.

    Attributes:
        turns: until something was accepted; 0 if nothing was.
        hit: whether the very target was shown.
        shown: cards in all; ``kept`` of them keep all that had been said in so many words,
            ``real`` are in the catalogue and in stock, ``repeats`` had been refused before.
        refusals: items refused for good.
        questions: that were asked.
        lines: what was said, for people to read.
    """

    want: Want
    turns: int = 0
    hit: bool = False
    shown: int = 0
    kept: int = 0
    real: int = 0
    repeats: int = 0
    refusals: int = 0
    questions: int = 0
    lines: list[str] = field(default_factory=list)


@dataclass
class _Stated:
    """Conditions that have been said, each as a check of an item."""

    values: dict[str, str] = field(default_factory=dict)
    unwanted: dict[str, set[str]] = field(default_factory=dict)
    most: float | None = None

    def holds(self, item: Item) -> bool:
        """Whether the item keeps all of it."""
        if self.most is not None and (item.price is None or item.price > self.most):
            return False
        if any(_value(item, name) != value for name, value in self.values.items()):
            return False
        return all(_value(item, name) not in values for name, values in self.unwanted.items())


class Shopper:
    """Talks until it accepts something or the turns are over.

    Args:
        seed: of its manner of speaking; equal seeds, equal shoppers.
    """

    def __init__(self, want: Want, catalog: Catalog, *, stock: str = "", seed: int = 0) -> None:
        self.want, self.catalog, self.stock = want, catalog, stock
        self.rng = np.random.default_rng(seed)
        self.stated = _Stated()
        self.refused: set[str] = set()

    def talk(self, converser: Converser, turns: int) -> Talk:
        """A conversation of at most so many turns."""
        talk = Talk(self.want)
        state = converser.begin(self.want.user)
        say = self._opening()
        for turn in range(1, turns + 1):
            talk.lines.append(f"> {say or 'hides ' + self.hiding}")
            said = converser.say(state, say) if say else converser.hide(state, self.hiding)
            state = said.state
            self._mark(talk, said)
            talk.lines.append(f"< {said.text}")
            talk.lines += [f"    {self._line(item)}" for item in said.items]
            if any(self._suits(item) for item in said.items):
                talk.turns = turn
                return talk
            say = self._next(talk, said)
        return talk

    def _mark(self, talk: Talk, said: Said) -> None:
        talk.questions += bool(said.asked)
        talk.hit |= self.want.target in said.items
        for item_id in said.items:
            talk.shown += 1
            if not self.catalog.has(item_id):
                continue
            item = self.catalog[item_id]
            talk.real += bool(not self.stock or item.attributes.get(self.stock, True))
            talk.kept += self.stated.holds(item)
            talk.repeats += item_id in self.refused

    def _suits(self, item: str) -> bool:
        known = self.catalog.has(item) and item not in self.refused
        return known and bool(self.want.suits[self.catalog.position(item)])

    def _opening(self) -> str:
        kind = self.want.kind.lower()
        if self.rng.random() < SLIPS and len(kind) > 4 and kind.isalpha():
            place = int(self.rng.integers(1, len(kind) - 2))
            kind = kind[:place] + kind[place + 1] + kind[place] + kind[place + 2 :]
        text = self._one("I'm looking for {}", "{}", "do you have {}?", "I need {}").format(kind)
        if self.rng.random() < 0.4:
            more = self._reveal()
            text = f"{text.rstrip('?')}, {more}" if more else text
        return text

    def _next(self, talk: Talk, said: Said) -> str:
        """What to say to what did not suit; empty to refuse ``hiding``."""
        shown = [item for item in said.items if self.catalog.has(item)]
        refuses = shown and self.rng.random() < REFUSES
        if said.asked and not refuses:
            return self._answer(said)
        if refuses:
            # The wrong one is refused for good, by its card.
            self.hiding = str(self.rng.choice(shown))
            self.refused.add(self.hiding)
            talk.refusals += 1
            return ""
        if shown and self.rng.random() < 0.25 and (unwanted := self._unwanted(shown)):
            return unwanted
        return self._reveal() or self._one("something else", "show me more", "what else?")

    def _answer(self, said: Said) -> str:
        name = said.asked
        if name == "price" and self.want.most is not None:
            self.stated.most = self.want.most
            return self._one("up to {:g}", "at most {:g}", "under {:g}").format(self.want.most)
        if name in self.want.values:
            self.stated.values[name] = self.want.values[name]
            return self.want.values[name]
        return self._one("doesn't matter", "any", "no preference")

    def _reveal(self) -> str:
        """Something that is wanted and has not been said; empty if all has."""
        left = [name for name in self.want.values if name not in self.stated.values]
        if self.want.most is not None and self.stated.most is None:
            left.append("price")
        if not left:
            return ""
        name = str(self.rng.choice(left))
        if name == "price":
            self.stated.most = self.want.most
            return self._one("under {:g}", "at most {:g}", "max {:g}").format(self.want.most)
        value = self.stated.values[name] = self.want.values[name]
        return self._one("{}", "{} please", "it should be {}").format(value)

    def _unwanted(self, shown: Sequence[str]) -> str:
        for item_id in shown:
            for name, value in self.want.values.items():
                own = _value(self.catalog[item_id], name)
                if own and own != value and name not in self.stated.values:
                    self.stated.unwanted.setdefault(name, set()).add(own)
                    return self._one("not {}", "no {} please", "anything but {}").format(own)
        return ""

    def _one(self, *ways: str) -> str:
        return ways[int(self.rng.integers(len(ways)))]

    def _line(self, item_id: str) -> str:
        if not self.catalog.has(item_id):
            return f"{item_id} (unknown)"
        item = self.catalog[item_id]
        price = "" if item.price is None else f" {item.price:.2f}"
        return f"{'*' if self._suits(item_id) else ' '} {item.title}{price}"

    hiding = ""


@dataclass(frozen=True)
class Verdict:
    """What many conversations came to, by the assistant's name.

    Attributes:
        success: share in which something was accepted, by the number of turns.
        real_items: share of cards that are in the catalogue and in stock.
        constraints_kept: share of cards that keep every condition said so far.
        rejected_repeats: cards that had been refused for good.
        recovered: share of success among conversations with a refusal.
        questions: on average.
        target_shown: share in which the very item was shown that the shopper did choose.
    """

    name: str
    conversations: int
    turns: int
    success: dict[int, float]
    mean_turns: float
    real_items: float
    constraints_kept: float
    rejected_repeats: int
    refusals: int
    recovered: float
    questions: float
    target_shown: float
    cards: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = dict(vars(self))
        values["success"] = {str(turn): share for turn, share in self.success.items()}
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in values.items()
        }


def judge_talks(name: str, talks: Sequence[Talk], turns: int) -> Verdict:
    """The figures of many conversations."""
    count = max(len(talks), 1)
    cards = max(sum(talk.shown for talk in talks), 1)
    refused = [talk for talk in talks if talk.refusals]
    done = [talk.turns for talk in talks if talk.turns]
    return Verdict(
        name=name,
        conversations=len(talks),
        turns=turns,
        success={
            t: sum(0 < talk.turns <= t for talk in talks) / count for t in range(1, turns + 1)
        },
        mean_turns=float(np.mean(done)) if done else 0.0,
        real_items=sum(talk.real for talk in talks) / cards,
        constraints_kept=sum(talk.kept for talk in talks) / cards,
        rejected_repeats=sum(talk.repeats for talk in talks),
        refusals=sum(talk.refusals for talk in talks),
        recovered=sum(talk.turns > 0 for talk in refused) / max(len(refused), 1),
        questions=sum(talk.questions for talk in talks) / count,
        target_shown=sum(talk.hit for talk in talks) / count,
        cards=sum(talk.shown for talk in talks),
    )


def meet(
    converser: Converser,
    wants: Sequence[Want],
    catalog: Catalog,
    *,
    turns: int = 5,
    stock: str = "",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Verdict, list[Talk]]:
    """Every shopper's conversation with an assistant, and what they came to.

    Args:
        turns: at most.
        stock: attribute that says whether an item is in stock; empty for none.
    """
    talks = []
    for number, want in enumerate(wants):
        shopper = Shopper(want, catalog, stock=stock, seed=seed * 1_000_003 + number)
        talks.append(shopper.talk(converser, turns))
        if progress:
            progress(number + 1, len(wants))
    return judge_talks(converser.name, talks, turns), talks


def _value(item: Item, name: str) -> str:
    value = item.attributes.get(name)
    return "" if value is None else str(value)
