"""A process of its own that starts at once: forked by a server that has imported everything.

A fresh interpreter spends seconds of each start on imports. What is killed, sent a signal or run
beside others must be a process, but need not pay that; what starts an interpreter is tested where
the interpreter is the point.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# One server serves all tests of a worker, so whoever starts it first asks for all of this. None
# of it may start threads when it is imported: a fork has none of them, but all of their locks.
IMPORTED = [
    "genrec.cli.main",
    "genrec.cli.run",
    "genrec.stages.pipeline",
    "genrec.stages.serve",
    "genrec.stages.batch",
    "genrec.stages.chat",
    "genrec.stages.tune",
    "genrec.stages.update",
    "genrec.training.trainer",
    "sentence_transformers",
    "tests.creatives.small_shop",
    "tests.training.in_company",
]

# As it is while tests are collected, before any of them changes it.
_ENVIRONMENT = dict(os.environ)


def context() -> multiprocessing.context.ForkServerContext:
    """Starts processes from the server; the server itself starts with the first call."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(IMPORTED)
    # It imports from the folder in which it starts, and what it forks has its environment: not that
    # of the one test which happens to be the first.
    now = dict(os.environ)
    try:
        _become(_ENVIRONMENT)
        with contextlib.chdir(REPOSITORY):
            forkserver.ensure_running()
    finally:
        _become(now)
    return found


def _become(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


class Started:
    """As much of ``subprocess.Popen`` as tests use; what it writes goes into files.

    Args:
        text: what its stdin, a pipe, holds; less than a pipe takes at once, 64 KB.

    Attributes:
        log: the file of what it writes to stdout and stderr, in a folder that is ``close``d.
    """

    def __init__(self, target, *values, cwd: Path, text: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.log, self._out = folder / "stderr", folder / "stdout"
        self._process = context().Process(
            target=_be,
            args=(target, values, cwd, text, dict(os.environ), self._out, self.log),
            daemon=True,
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """As a shell sees it, and minus the signal's number where one ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float = 240) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a process of the tests", timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    @property
    def stdout(self) -> str:
        return self._out.read_text() if self._out.exists() else ""

    @property
    def stderr(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def close(self) -> None:
        """Ends it, if it has not ended, and removes what it wrote."""
        self.kill()
        self._process.join()
        self._folder.cleanup()

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def genrec(cwd: Path, *words: str, text: str = "") -> Started:
    """Starts ``genrec words…`` in a folder."""
    return Started(_genrec, words, cwd=cwd, text=text)


def python(cwd: Path, text: str, *words: str) -> Started:
    """Starts a program, as ``python -c text words…`` would."""
    return Started(_python, text, words, cwd=cwd)


def _be(target, values, cwd, text, environment, out, errors) -> None:
    import torch

    for path, number in ((out, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    # Nothing of the server's is freed here, so no search for garbage need look through it.
    gc.freeze()
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    os.dup2(read, 0)
    sys.stdin = os.fdopen(0, closefd=False)
    _become(environment)
    os.chdir(cwd)
    torch.set_num_threads(1)
    target(*values)


def _genrec(words) -> None:
    from genrec.cli.main import main

    sys.argv = ["genrec", *words]
    main()


def _python(text, words) -> None:
    sys.argv = ["-c", *words]
    exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})
