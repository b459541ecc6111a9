"""What a conversation says, piece by piece: the typed events of one turn.

A surface (terminal, page, protocol) draws events and knows nothing else of the conversation. The
last event of every turn is ``Done``; an ``Error`` may stand before it, and never ends the session.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from genrec.serving.conversation.state import ChatState


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """One piece of an answer. Subclasses name their ``kind``."""

    kind: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, with the kind."""
        return {"kind": self.kind, **_plain(asdict(self))}


@dataclass(frozen=True, slots=True)
class Token(ChatEvent):
    """A piece of the assistant's words; joined, the pieces of a turn are its text."""

    kind: ClassVar[str] = "token"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Question(ChatEvent):
    """A question that narrows the wish; it may be answered in words or by one of the options.

    Attributes:
        text: as the shopper reads it; it is among the tokens as well.
        attribute: of the catalogue, which it is about.
        options: answers to choose from, the likeliest first.
    """

    kind: ClassVar[str] = "question"
    text: str = ""
    attribute: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterSet(ChatEvent):
    """The hard constraints that hold from now on.

    Attributes:
        where: as an ``ItemFilter`` in JSON.
        chips: the same in words, one a constraint, such as ``under $20``.
        wish: the words that items are looked for by.
        matching: how many items in stock satisfy them.
    """

    kind: ClassVar[str] = "filter"
    where: dict[str, Any] = field(default_factory=dict)
    chips: tuple[str, ...] = ()
    wish: str = ""
    matching: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """One item as it is shown.

    Attributes:
        item: id.
        price: in the catalogue's currency; ``None`` when unknown.
        price_text: the same as it is read, empty when unknown.
        image: path in the catalogue's media folder, empty without a picture.
        why: one short clause, from the item's facts or the shopper's own choices; may be empty.
        facts: short facts of the item, such as its brand and material.
    """

    item: str
    title: str
    price: float | None = None
    price_text: str = ""
    image: str = ""
    why: str = ""
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cards(ChatEvent):
    """Items that are shown, best first. Every one exists, is in stock and fits the constraints.

    Attributes:
        turn: number of the turn, to be sent back with what is done to a card.
    """

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...] = ()
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Explanation(ChatEvent):
    """Why an item is shown.

    Attributes:
        facts: names of the item's facts that the text rests on.
        evidence: ids of the shopper's own items that it rests on.
    """

    kind: ClassVar[str] = "explanation"
    item: str = ""
    text: str = ""
    facts: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdMade(ChatEvent):
    """An ad for an item, written for this shopper and passed by the guard.

    Attributes:
        channel: whose form it has.
        fields: such as ``title`` and ``body``.
        statements: what it says, one by one.
        notes: what was left out, and why.
        personal: whether something is known of the shopper that it could be written for.
    """

    kind: ClassVar[str] = "ad"
    item: str = ""
    channel: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    personal: bool = True


@dataclass(frozen=True, slots=True)
class Chosen(ChatEvent):
    """An item that the shopper takes. Nothing is ordered: what a basket is, the surface knows.

    Attributes:
        price: in the catalogue's currency; ``None`` when unknown.
        price_text: the same as it is read, empty when unknown.
    """

    kind: ClassVar[str] = "chosen"
    item: str = ""
    title: str = ""
    price: float | None = None
    price_text: str = ""


@dataclass(frozen=True, slots=True)
class Error(ChatEvent):
    """Something could not be done; the session is as it was before the turn.

    Attributes:
        code: for programs: ``empty``, ``too_long``, ``unreadable``, ``stale_card``,
            ``unavailable``.
        text: for the shopper.
    """

    kind: ClassVar[str] = "error"
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Done(ChatEvent):
    """The end of a turn.

    Attributes:
        state: of the session from now on; not part of ``to_dict``, for it is the server's own.
        text: all words of the turn.
        turn: number of the turn, from 1.
        suggestions: short things that the shopper might say next.
    """

    kind: ClassVar[str] = "done"
    state: ChatState | None = None
    text: str = ""
    turn: int = 0
    suggestions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without the state."""
        return {
            "kind": self.kind,
            "text": self.text,
            "turn": self.turn,
            "suggestions": list(self.suggestions),
        }


EVENTS: dict[str, type[ChatEvent]] = {
    one.kind: one
    for one in (Token, Question, FilterSet, Cards, Explanation, AdMade, Chosen, Error, Done)
}


def read_event(values: dict[str, Any]) -> ChatEvent:
    """The event that ``to_dict`` wrote; of ``Done`` all but the state.

    Raises:
        KeyError: there is no event of that kind.
    """
    made = EVENTS[values["kind"]]
    known = {one.name for one in fields(made)}
    given = {name: _frozen(value) for name, value in values.items() if name in known}
    if made is Cards:
        given["cards"] = tuple(
            Card(**{name: _frozen(value) for name, value in card.items()})
            for card in values["cards"]
        )
    return made(**given)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
