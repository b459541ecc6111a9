"""API keys: made once, shown once, kept as salted hashes in one JSON file.

A key's secret is 256 random bits, so nobody can guess one from its hash however fast the hash is.
SHA-256 is therefore enough; a slow hash such as scrypt helps weak passwords only, and would cost
tens of milliseconds for each request, also for requests with wrong keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from genrec.bounds import outside
from genrec.errors import ArtefactError, ConfigError, nearest
from genrec.workspace import storage_errors

FORMAT = 1
_MOST_BUCKETS = 10_000
_MOST_TOLD = 5
PREFIX = "gr"
_HEXADECIMAL = "^([0-9a-f]{2})*$"


@dataclass(frozen=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        id: the part of the key that may be shown.
        name: whose it is, in words.
        salt: hexadecimal.
        digest: SHA-256 of salt and secret, hexadecimal.
        admin: whether it may reload models.
        rate: requests a minute; 0 for no limit.
        created: ISO 8601.
    """

    __pydantic_config__ = {"extra": "forbid"}

    id: str
    name: str
    salt: Annotated[str, Field(pattern=_HEXADECIMAL)]
    digest: Annotated[str, Field(pattern=_HEXADECIMAL)]
    admin: bool = False
    rate: float = 0
    created: str = ""

    def __post_init__(self) -> None:
        if problems := outside(self, rate="[0, inf)"):
            raise ConfigError(f"{problems[0]}: requests a minute, and 0 for no limit.")


_KEYS = TypeAdapter(list[ApiKey])


class KeyFile:
    """The keys in a file. Changes by another process are seen at the next request.

    Args:
        path: made by the first key, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}
        self._lock = threading.Lock()

    def new(self, name: str, *, admin: bool = False, rate: float = 0) -> str:
        """Makes a key and returns it; it cannot be shown again.

        Raises:
            ConfigError: another key has that name, or the rate is no number from 0.
        """
        with self._writing() as keys:
            if any(key.name == name for key in keys.values()):
                raise ConfigError(
                    f"{self.path} has a key '{name}'. Choose another name, or remove that one: "
                    f"genrec keys rm '{name}'"
                )
            number, secret, salt = (
                secrets.token_hex(4),
                secrets.token_urlsafe(32),
                secrets.token_hex(16),
            )
            created = datetime.now(UTC).isoformat(timespec="seconds")
            digest = _digest(salt, secret)
            keys[number] = ApiKey(number, name, salt, digest, admin, rate, created)
        return f"{PREFIX}_{number}_{secret}"

    def remove(self, name: str) -> ApiKey:
        """Removes the key of that name or id.

        Raises:
            ConfigError: there is none.
        """
        with self._writing() as keys:
            for number, key in keys.items():
                if name in (number, key.name):
                    return keys.pop(number)
            names = [key.name for key in keys.values()]
            raise ConfigError(f"{self.path} has no key '{name}'; {nearest(name, names)}")

    def all(self) -> list[ApiKey]:
        """All keys, the oldest first.

        Raises:
            ArtefactError: the file is damaged.
        """
        return list(self._current().values())

    def find(self, presented: str) -> ApiKey | None:
        """The key that somebody presents; ``None`` if it is none of these."""
        _, _, rest = presented.partition("_")
        number, _, secret = rest.partition("_")
        key = self._current().get(number)
        # An unknown id costs the same work as a wrong secret, so that time tells nothing.
        salt, digest = (key.salt, key.digest) if key else ("00", "0" * 64)
        right = hmac.compare_digest(_digest(salt, secret), digest)
        return key if right else None

    def _current(self) -> dict[str, ApiKey]:
        with self._lock:
            try:
                facts = self.path.stat()
            except FileNotFoundError:
                self._seen, self._keys = None, {}
                return self._keys
            seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if seen != self._seen:
                self._keys, self._seen = self._read(), seen
            return self._keys

    def _read(self) -> dict[str, ApiKey]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            version = int(content["format"])
            rows = _KEYS.validate_python(content["keys"]) if version == FORMAT else []
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            told = "; ".join(_told(error)) if isinstance(error, ValidationError) else error
            raise ArtefactError(
                f"{self.path} holds no API keys ({told}). Put it back, or delete it and make "
                "new keys: genrec keys new"
            ) from error
        if version != FORMAT:
            raise ArtefactError(f"{self.path} is of format {version}; this genrec reads {FORMAT}.")
        return {key.id: key for key in rows}

    @contextmanager
    def _writing(self) -> Iterator[dict[str, ApiKey]]:
        """The keys, to change; written as a whole at the end, one process at a time."""
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                keys = self._read()
                yield keys
                rows = [asdict(key) for key in keys.values()]
                text = json.dumps({"format": FORMAT, "keys": rows}, indent=1)
                temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self.path)


def _told(error: ValidationError) -> list[str]:
    # Without the values, which may be secret.
    return [
        f"keys.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors()[:_MOST_TOLD]
    ]


def _digest(salt: str, secret: str) -> str:
    material = bytes.fromhex(salt) + secret.encode("utf-8", "surrogatepass")
    return hashlib.sha256(material).hexdigest()


class RateLimits:
    """A token bucket for each key: it holds a minute's requests at most and fills evenly.

    Args:
        clock: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: ApiKey) -> float:
        """Takes one request; 0 if there was one, else the seconds until there is."""
        return self.take_of(key.id, key.rate)

    def take_of(self, name: str, rate: float) -> float:
        """The same for anybody's bucket.

        Args:
            rate: requests a minute; 0 for no limit.
        """
        if not rate:
            return 0.0
        now, full = self._clock(), max(rate, 1.0)
        with self._lock:
            held, since = self._buckets.get(name, (full, now))
            held = min(full, held + (now - since) * rate / 60)
            if name not in self._buckets and len(self._buckets) >= _MOST_BUCKETS:
                # Those untouched for two minutes are full again, as if they had never been.
                self._buckets = {
                    one: kept for one, kept in self._buckets.items() if now - kept[1] < 120
                }
            left = held - 1 if held >= 1 else held
            self._buckets[name] = (left, now)
        return 0.0 if held >= 1 else (1 - held) * 60 / rate
