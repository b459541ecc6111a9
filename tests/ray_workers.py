"""Finds the workers of Ray that a process has started, and kills one of them in the middle."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Processes that were started by one, or by those that it started."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {pid})


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def workers_of(pid: int) -> list[int]:
    """Ray's processes that map batches, for a driver."""
    return [child for child in descendants(pid) if "MapWorker" in command_of(child)]


@contextmanager
def one_killed(begun: Callable[[], bool]) -> Iterator[list[int]]:
    """Kills a worker of this process's Ray once something is done and while more is to do.

    Args:
        begun: whether some part of the work is there.

    Yields:
        A list that has its number when it was killed.
    """
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if begun() and (workers := workers_of(os.getpid())):
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()
