"""One turn as it is said: written by the thread that computes it, read by whoever listens.

A reader may come late, leave and come again: each piece has a number, and reading begins after any.
Knows threads and event loops, not what is said.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

Piece = dict[str, Any]


class Feed:
    """The pieces of one turn.

    Args:
        version: of the session after the turn.
        pieces: what was said already; a kept turn is all said.
        ended: whether nothing more comes.
    """

    def __init__(self, version: int, pieces: Sequence[Piece] = (), *, ended: bool = False) -> None:
        self.version, self.ended = version, ended
        self._pieces, self._first = list(pieces), 0
        self._changed = threading.Condition()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def say(self, piece: Piece) -> None:
        """Adds a piece."""
        with self._changed:
            self._pieces.append(piece)
            self._wake()

    def begin_again(self, version: int, piece: Piece) -> None:
        """Takes back what was said: the session went on elsewhere, and the turn is computed anew.

        The piece that says so has the number 0, and those after it count from 1 again, as they
        will when the turn is read from its store.
        """
        with self._changed:
            self.version = version
            self._pieces.append(piece)
            self._first = len(self._pieces)
            self._wake()

    def place(self, version: int, number: int) -> int:
        """Where to go on after the piece of that number, to be given to ``read`` or ``listen``."""
        with self._changed:
            return self._first + number if version == self.version else 0

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self.ended = True
            self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            # A loop that closed meanwhile has no reader left.
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def read(self, after: int = 0) -> Iterator[tuple[int, Piece]]:
        """Pieces with their numbers from 1, those after a place, as they come; blocks."""
        while True:
            with self._changed:
                while len(self._pieces) <= after and not self.ended:
                    self._changed.wait()
                pieces, over, first = self._pieces[after:], self.ended, self._first
            for piece in pieces:
                after += 1
                yield _number(after, first), piece
            if over:
                return

    async def listen(
        self, after: int = 0, *, beat: float = 10
    ) -> AsyncIterator[tuple[int, Piece | None]]:
        """The same without blocking; ``None`` for each ``beat`` seconds of silence."""
        loop = asyncio.get_running_loop()
        while True:
            with self._changed:
                pieces, over, first = self._pieces[after:], self.ended, self._first
                if not pieces and not over:
                    more = asyncio.Event()
                    self._waiting.append((loop, more))
            for piece in pieces:
                after += 1
                yield _number(after, first), piece
            if over:
                return
            if pieces:
                continue
            try:
                await asyncio.wait_for(more.wait(), beat)
            except TimeoutError:
                with self._changed:
                    self._waiting = [one for one in self._waiting if one[1] is not more]
                yield 0, None


def _number(place: int, first: int) -> int:
    """A piece's number; before the last beginning, what it had then does not matter any more."""
    return place - first if place >= first else place
