"""A real server: on a thread of this process, or as a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import uvicorn

from tests import own_process
from tests.serving.shops import free_port

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@contextlib.contextmanager
def on_thread(app):
    """Serves an application on a free port; gives its address."""
    port = free_port()
    config = uvicorn.Config(app, port=port, http="httptools", log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def as_process(*words: str):
    """Runs ``python words…`` with ``PORT`` in place; gives the process and its address.

    What it writes is read with ``log_of``.
    """
    port = free_port()
    command = [sys.executable, *(word.replace("PORT", str(port)) for word in words)]
    # A file and no pipe: nobody reads while the process runs, and a full pipe would stop it.
    with tempfile.NamedTemporaryFile(delete=False) as written:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=written,
            stderr=written,
        )
    process.log = Path(written.name)
    with _answering(process, port) as address:
        yield process, address
    process.log.unlink()


@contextlib.contextmanager
def forked(*words: str):
    """The same for ``genrec words…``, in a process that has imported everything already."""
    port = free_port()
    command = [word.replace("PORT", str(port)) for word in words]
    with own_process.genrec(REPOSITORY, *command) as process, _answering(process, port) as address:
        yield process, address


@contextlib.contextmanager
def _answering(process, port: int):
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log_of(process)
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{address}/healthz").status_code == 200
        return False

    try:
        until(answers, seconds=60)
        yield address
    finally:
        process.kill()
        process.wait()


def log_of(process) -> str:
    """Everything that a process wrote so far."""
    return process.log.read_text()


def until(holds, *, seconds: float = 10) -> None:
    """Waits for something that is about to happen."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"did not happen within {seconds:g} s"
        time.sleep(0.01)
