"""Who computes the parts of a large job: this process, several, or Ray. Parts know how to be kept.

An engine is told how to open a writer and which parts are left. It hands each part to some writer
once; what a killed worker had not written is not there, and is computed by the next run.
Knows nothing of users, items or ads.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from genrec.errors import ConfigError
from genrec.registry import Entry, Registry

ENGINES = Registry(
    "engine",
    {
        "local": Entry("genrec.stages.engines:run_here", about="processes on this machine"),
        "ray": Entry(
            "genrec.stages.batch_ray:run_on_ray", "ray", "Ray Data: workers, or a cluster"
        ),
    },
)

Progress = Callable[[int], None]


class Part(Protocol):
    """A piece of work that is written as a whole or not at all."""

    @property
    def size(self) -> int:
        """How many of the job's units it holds."""


Write = Callable[[Any, Progress], None]
# What opens a writer travels between processes; the writer itself stays where it was opened.
OpenWriter = Callable[[], Write]


def run_here(
    open_writer: OpenWriter, parts: Sequence[Part], workers: int, progress: Progress
) -> None:
    """Computes the parts one after the other in this process, or in several of their own.

    Args:
        workers: processes; below 2 there is none but this.

    Raises:
        GenrecError: as raised by a writer.
        ConfigError: a process was killed.
    """
    if workers > 1:
        _run_in_processes(open_writer, parts, min(workers, len(parts)), progress)
        return
    write = open_writer()
    for part in parts:
        write(part, progress)


def _run_in_processes(
    open_writer: OpenWriter, parts: Sequence[Part], workers: int, progress: Progress
) -> None:
    waiting = iter(parts)
    running: dict[Future[None], Part] = {}
    # Forking a process that has threads, as torch and polars do, may leave locks held for ever.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _open, (open_writer,)) as pool:
        try:
            while True:
                # One more than there are processes, so that none waits for the next part.
                while len(running) <= workers and (part := next(waiting, None)) is not None:
                    running[pool.submit(_write, part)] = part
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    part = running.pop(done)
                    done.result()
                    progress(part.size)
        except BrokenProcessPool as error:
            raise ConfigError(
                "A worker process was killed, perhaps for want of memory. Repeat the command to go "
                "on with what it left; fewer --workers need less memory."
            ) from error
        finally:
            for future in running:
                future.cancel()


_writer: Write | None = None


def _open(open_writer: OpenWriter) -> None:
    global _writer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _writer = open_writer()


def _write(part: Part) -> None:
    if _writer is None:
        raise RuntimeError("the worker was not opened")
    _writer(part, lambda _done: None)


def _end_with_parent() -> None:
    # A pool's processes wait for ever for a parent that was killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
