"""Names that users type, and the objects behind them, imported only when asked for.

Knows where an object lives and which extra brings its packages; it never imports one to list it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from genrec.errors import ConfigError, MissingExtra, nearest

__all__ = ["Entry", "Registry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one object lives.

    Attributes:
        target: ``module:attribute``.
        extra: the extra of genrec that installs what the module imports; empty for the core.
        about: one line for listings.
    """

    target: str
    extra: str = ""
    about: str = ""


class Registry:
    """Objects of one kind by name.

    Args:
        kind: what they are, in words, as messages say it: ``data source``, ``encoder``.
        entries: where each lives: an ``Entry``, or ``(target, extra)`` for short.
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry | tuple[str, str]]) -> None:
        self.kind = kind
        self._entries = {
            name: entry if isinstance(entry, Entry) else Entry(*entry)
            for name, entry in entries.items()
        }

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def entry(self, name: str) -> Entry:
        """Where an object lives, without importing it.

        Raises:
            ConfigError: nothing is registered under that name.
        """
        if name not in self._entries:
            raise ConfigError(f"There is no {self.kind} '{name}'; {nearest(name, self._entries)}")
        return self._entries[name]

    def load(self, name: str) -> Any:
        """The object behind a name.

        Raises:
            ConfigError: nothing is registered under that name.
            MissingExtra: a package that it imports is not installed.
        """
        entry = self.entry(name)
        module, _, attribute = entry.target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if not entry.extra or package in ("", "genrec"):
                raise
            purpose = f"The {self.kind} '{name}'"
            raise MissingExtra(package, entry.extra, purpose) from error

    def add(self, name: str, entry: Entry) -> None:
        """Registers one more object.

        Raises:
            ConfigError: the name is taken by another object.
        """
        if self._entries.get(name, entry) != entry:
            taken = self._entries[name].target
            raise ConfigError(f"The {self.kind} '{name}' is {taken} already. Choose another name.")
        self._entries[name] = entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self.names())})"
