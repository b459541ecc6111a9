"""Options of the HTTP service, without heavy imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from genrec.bounds import outside
from genrec.errors import ConfigError


@dataclass(frozen=True)
class ServeConfig:
    """How the service listens, batches and limits.

    Attributes:
        max_batch: requests that are computed together at most.
        max_wait_ms: how long a batch waits for one more of the last one's clients.
        queue: requests that may wait; more are answered 429.
        timeout: seconds until a request is answered 504.
        drain: seconds that requests under way get after a SIGTERM.
        cors: origins whose pages may call the service; ``*`` for all.
        kinds: kinds of events that count as choices; empty: all.
        max_n: most items in one list.
        max_body: bytes of a request's body.
        max_nesting: depth of brackets in a request's body.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_batch: int = 32
    max_wait_ms: float = 25.0
    queue: int = 256
    timeout: float = 30.0
    drain: float = 20.0
    cors: Sequence[str] = ()
    kinds: Sequence[str] = ()
    max_n: int = 1000
    max_body: int = 256 * 1024
    max_nesting: int = 32

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ConfigError: names every option that is out of range.
        """
        wrong = outside(
            self,
            port="[0, 65535]",
            max_wait_ms="[0, inf)",
            max_batch="[1, inf)",
            queue="[1, inf)",
            max_n="[1, inf)",
            max_body="[1024, inf)",
            max_nesting="[4, inf)",
            timeout="(0, inf)",
            drain="(0, inf)",
        )
        if wrong:
            raise ConfigError(f"The service cannot start: {'; '.join(wrong)}.")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
