"""Work on a thread of its own, so that it leaves nothing behind. Knows no service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What a function gives, or raises, run on a thread that ends with it.

    Each thread that computes keeps its own team of OpenMP threads, and where teams have more
    threads than there are cores, libgomp lets none of them wait awake: a model of a million numbers
    then takes twice as long for a step. A thread that loads a model and tries it must therefore not
    outlive that, or the one that answers requests is slow for ever after.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001
            answer.set_exception(error)

    threading.Thread(target=run, name="genrec-apart", daemon=True).start()
    return answer.result()
