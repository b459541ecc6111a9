"""Where copy appears: fields, their roles and their limits, read from ``channels.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from genrec.creatives.letters import COUNTS, cut, with_plain_blanks
from genrec.errors import ConfigError, nearest

ROLES = ("name", "hook", "detail", "body", "action", "keywords")
_SHIPPED = Path(__file__).with_name("channels.yaml")


@dataclass(frozen=True, slots=True)
class Field:
    """One text of a channel.

    Attributes:
        role: what stands in it, one of ``ROLES``.
        most: its longest length.
        count: how that is counted, a name of ``COUNTS``.
        sentences: of a body, at most.
        named: whether a body begins with the item's name, because no other field has it.
    """

    name: str
    role: str
    most: int
    count: str = "graphemes"
    sentences: int = 1
    named: bool = False

    def length(self, text: str) -> int:
        """How long a text is here."""
        return COUNTS[self.count](text)

    def fits(self, text: str) -> bool:
        return self.length(text) <= self.most

    def plain(self, text: str) -> str:
        """The text as it is sent: a message of GSM letters knows no hard blank."""
        return with_plain_blanks(text) if self.count == "sms" else text

    def cut(self, text: str) -> str:
        """The text, or as many of its first words as fit."""
        return cut(text, self.most, COUNTS[self.count])


@dataclass(frozen=True, slots=True)
class Channel:
    """A place where copy appears.

    Attributes:
        about: what it is, in words.
        fields: in the order in which they are read.
    """

    name: str
    about: str
    fields: tuple[Field, ...]

    def problems(self, texts: dict[str, str]) -> list[str]:
        """What does not fit, in words; empty if all does."""
        return [
            f"{one.name} is {one.length(texts[one.name])} long; at most {one.most} fit"
            for one in self.fields
            if one.name in texts and not one.fits(texts[one.name])
        ]


def load_channels(path: Path | None = None) -> dict[str, Channel]:
    """Channels by name: the shipped ones, or those of a file of your own.

    Raises:
        ConfigError: the file cannot be read or does not fit; names all problems at once.
    """
    return dict(_shipped()) if path is None else _read(path)


def channel_named(name: str, channels: dict[str, Channel] | None = None) -> Channel:
    """One channel.

    Raises:
        ConfigError: there is none of that name.
    """
    known = _shipped() if channels is None else channels
    if name not in known:
        raise ConfigError(f"There is no channel '{name}'; {nearest(name, known)}")
    return known[name]


@cache
def _shipped() -> dict[str, Channel]:
    return _read(_SHIPPED)


def _read(path: Path) -> dict[str, Channel]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"The channels of {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"{path} names no channels; see {_SHIPPED.name} of genrec for the form.")
    problems: list[str] = []
    channels = {
        str(name): _channel(str(name), values, problems) for name, values in content.items()
    }
    if problems:
        raise ConfigError(f"The channels of {path} do not fit:\n" + "\n".join(problems))
    return channels


def _channel(name: str, values: Any, problems: list[str]) -> Channel:
    fields = values.get("fields") if isinstance(values, dict) else None
    if not isinstance(fields, dict) or not fields:
        problems.append(f"  - {name}: has no fields")
        return Channel(name, "", ())
    made = [_field(name, str(field), options, problems) for field, options in fields.items()]
    return Channel(name, str(values.get("about", "")), tuple(one for one in made if one))


def _field(channel: str, name: str, options: Any, problems: list[str]) -> Field | None:
    where = f"  - {channel}.{name}"
    if not isinstance(options, dict):
        problems.append(f"{where}: is no mapping of options")
        return None
    known = ("role", "most", "count", "sentences", "named")
    unknown = [str(key) for key in options if key not in known]
    before = len(problems)
    problems += [f"{where}: there is no '{key}'; {nearest(key, known)}" for key in unknown]
    if options.get("role") not in ROLES:
        problems.append(f"{where}: role is {options.get('role')!r}; choose {', '.join(ROLES)}")
    if options.get("count", "graphemes") not in COUNTS:
        problems.append(f"{where}: count is {options['count']!r}; choose {', '.join(COUNTS)}")
    for key in ("most", "sentences"):
        value = options.get(key, 1 if key == "sentences" else None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            problems.append(f"{where}: {key} is {value!r}; it is a number of at least 1")
    return Field(name, **options) if len(problems) == before else None
