"""What the chat endpoint needs of a text model. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn: ``role`` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How text is drawn.

    Attributes:
        max_tokens: at most so many.
        temperature: 0 takes the likeliest token each time.
        stop: texts at which the answer ends; they are not part of it.
        seed: for draws that can be repeated.
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    stop: Sequence[str] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer.

    Attributes:
        text: goes behind the pieces before.
        tokens: of which it is made.
        finish: ``stop`` or ``length`` in the last piece, else empty.
    """

    text: str
    tokens: int = 1
    finish: str = ""


class TextModel(Protocol):
    """Writes the next turn of a conversation."""

    name: str

    def prompt_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the conversation so far."""

    def reply(self, messages: Sequence[ChatMessage], sampling: Sampling) -> Iterator[Piece]:
        """The next turn, piece by piece; closing the iterator ends the work."""
