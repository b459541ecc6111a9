"""The process: who may reach it, signals, and an end in bounded time.

SIGTERM and Ctrl-C: no more connections are taken, ``/readyz`` says 503, what was accepted is
answered, the store is closed, exit code 0. SIGHUP: the run's folder is loaded again.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from genrec.errors import ConfigError, MissingExtra
from genrec.serving.keys import KeyFile
from genrec.serving.options import ServeConfig

if TYPE_CHECKING:
    from fastapi import FastAPI

    from genrec.serving.service import Service

log = logging.getLogger(__name__)

# uvloop hands batches over with fewer turns of the loop; there is none for Windows.
LOOP = "asyncio" if sys.platform == "win32" else "uvloop"
# Seconds for what waits when the server could not start.
_SLACK = 5.0


def check_access(config: ServeConfig, keys: KeyFile | None, *, no_auth: bool) -> KeyFile | None:
    """The keys to ask for; ``None`` lets everyone in.

    Raises:
        ConfigError: other machines could call without a key, and nobody said that they may.
    """
    if keys is not None and no_auth:
        raise ConfigError("--keys and --no-auth exclude each other. Leave one of them out.")
    if keys is not None and not keys.all():
        raise ConfigError(
            f"{keys.path} holds no API key, so nobody could call. "
            f"Make one: genrec keys new NAME --keys {keys.path}"
        )
    if keys is None and not no_auth and not config.is_local:
        raise ConfigError(
            f"Without API keys the service listens on this machine only, not on {config.host}. "
            "Make a key (genrec keys new NAME --keys keys.json) and name the file with --keys, or "
            "let everyone in with --no-auth."
        )
    return keys


def check_packages() -> None:
    """Says early what is missing.

    Raises:
        MissingExtra: a package of the extra ``serve`` is not installed.
    """
    from importlib.util import find_spec

    for package in ("fastapi", "httptools", "uvicorn", "prometheus_client", LOOP):
        if find_spec(package) is None:
            raise MissingExtra(package.replace("_", "-"), "serve", "The HTTP service")


def run_server(app: FastAPI, service: Service, config: ServeConfig) -> None:
    """Serves until a signal ends it.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    import uvicorn

    class Server(uvicorn.Server):
        """Leaves with code 0 after a signal that it obeyed; uvicorn raises the signal again."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            log.info("The service is open at http://%s:%d/", config.host, config.port)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            caught = (signal.SIGINT, signal.SIGTERM)
            before = {number: signal.signal(number, self.handle_exit) for number in caught}
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: _reload(service))
            try:
                yield
            finally:
                loop.remove_signal_handler(signal.SIGHUP)
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # A second signal does not wait for anybody.
            self.force_exit = self.should_exit
            service.draining = True
            super().handle_exit(sig, frame)

    settings = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        loop=LOOP,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(config.drain)),
        timeout_keep_alive=10,
    )
    server = Server(settings)
    try:
        server.run()
    except SystemExit as end:
        if end.code:
            raise ConfigError(
                f"The service cannot listen on {config.host}:{config.port}. "
                "Is another one running there? Choose another --port."
            ) from None
    finally:
        # Closed already, unless it could not start or a second signal came.
        service.close(0 if server.force_exit else _SLACK)


def _reload(service: Service) -> None:
    from genrec.serving.problems import RequestProblem

    def work() -> None:
        try:
            # What changed after another reload began would be missed by it.
            service.reload(wait=True)
        except RequestProblem as problem:
            log.error("%s", problem.message)

    threading.Thread(target=work, name="genrec-reload", daemon=True).start()
