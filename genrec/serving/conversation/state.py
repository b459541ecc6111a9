"""What a session knows: frozen, as JSON both ways, a new one for each turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from genrec.errors import InputError

# So many earlier states can be gone back to.
UNDO = 8
# So many items of a session are remembered of each kind, the latest.
KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that waits for its answer.

    Attributes:
        attribute: of the catalogue, which it is about.
        options: values to choose from; bounds in words where it is about a number.
        wheres: for each option, the constraint that it stands for.
    """

    __pydantic_config__ = {"extra": "forbid"}

    attribute: str
    options: tuple[str, ...] = ()
    wheres: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ChatState:
    """One session up to now.

    Attributes:
        user: whose history counts; empty when nobody is known.
        where: hard constraints, as an ``ItemFilter`` in JSON.
        wish: words that items are looked for by.
        unwanted: words that no item may have.
        likes: ids of items that more like them are wanted of, latest last.
        dislikes: ids of items that less like them are wanted of.
        rejected: ids of items that never come again.
        shown: ids of the items of each turn that showed some, latest last.
        focus: id of the item that was spoken of last; empty without one.
        recipient: whom it is for where it is not for the shopper, such as ``sister``.
        pending: the question that waits for an answer.
        asked: attributes that were asked about; each is asked once.
        turns: how many there were.
        before: what ``undo`` goes back to, latest last.
    """

    __pydantic_config__ = {"extra": "forbid"}

    user: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    wish: str = ""
    unwanted: tuple[str, ...] = ()
    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    shown: tuple[tuple[str, ...], ...] = ()
    focus: str = ""
    recipient: str = ""
    pending: Pending | None = None
    asked: tuple[str, ...] = ()
    turns: int = 0
    before: tuple[Mapping[str, Any], ...] = ()

    @property
    def cards(self) -> tuple[str, ...]:
        """Ids of the items that were shown last."""
        return self.shown[-1] if self.shown else ()

    def knows(self, item: str) -> bool:
        """Whether the item has been shown in this session."""
        return any(item in cards for cards in self.shown)

    def remembered(self) -> ChatState:
        """The state with itself added to what ``undo`` goes back to."""
        here = {name: _plain(getattr(self, name)) for name in _UNDONE}
        return replace(self, before=(*self.before, here)[-UNDO:])

    def undone(self) -> ChatState | None:
        """The state before the last change; ``None`` when there is none."""
        if not self.before:
            return None
        *rest, last = self.before
        return replace(self, **_read(dict(last)), before=tuple(rest))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    def to_json(self) -> str:
        """As a JSON text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ChatState:
        """The state that ``to_dict`` wrote.

        Raises:
            InputError: it is none.
        """
        try:
            state = _STATE.validate_python(dict(values))
            for earlier in state.before:
                # It comes to be read when somebody goes back; too late to say that it is none.
                _STATE.validate_python(dict(earlier))
        except (ValidationError, ValueError) as error:
            raise InputError(f"This is no state of a chat: {_problem(error)}.") from error
        return state

    @staticmethod
    def from_json(text: str) -> ChatState:
        """The state that ``to_json`` wrote.

        Raises:
            InputError: it is none.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"This is no state of a chat: {error}.") from error
        if not isinstance(values, dict):
            raise InputError(f"This is no state of a chat but a {type(values).__name__}.")
        return ChatState.from_dict(values)


_STATE: TypeAdapter[ChatState] = TypeAdapter(ChatState)


def _problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


# What a change of mind takes back; the rest only grows.
_UNDONE = ("where", "wish", "unwanted", "likes", "dislikes", "rejected", "focus", "recipient")


def _plain(value: Any) -> Any:
    if isinstance(value, Pending):
        return {
            "attribute": value.attribute,
            "options": list(value.options),
            "wheres": [dict(one) for one in value.wheres],
        }
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _read(values: dict[str, Any]) -> dict[str, Any]:
    for name in ("unwanted", "likes", "dislikes", "rejected"):
        if name in values:
            values[name] = tuple(values[name])
    return values
