"""Ctrl-C in the middle of a training: the step under way is finished and kept, then it ends."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType

log = logging.getLogger(__name__)

# What a terminal sends, and what a queue or a cluster sends before it takes a machine away.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OWN = (signal.default_int_handler, signal.SIG_DFL)


@dataclass
class Stop:
    """Whether somebody asked for the end."""

    asked: bool = False


@contextmanager
def stop_between_steps(*, heeded: bool = True) -> Iterator[Stop]:
    """Takes the first Ctrl-C or SIGTERM as a wish to end after this step; the second ends at once.

    Whoever trains looks at ``asked`` after each step. Signals that have a handler already keep it,
    and outside the main thread, which alone hears signals, nothing is changed.

    Args:
        heeded: whether to do all this; without it every signal does what it always does.
    """
    stop = Stop()
    here = heeded and threading.current_thread() is threading.main_thread()
    with _heard(stop) if here else nullcontext():
        yield stop


@contextmanager
def _heard(stop: Stop) -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in _SIGNALS}
    taken = [one for one, handler in before.items() if handler in _OWN]

    def asks(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        log.warning("The training ends after this step and keeps it; once more ends it at once.")

    for one in taken:
        signal.signal(one, asks)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, before[one])
