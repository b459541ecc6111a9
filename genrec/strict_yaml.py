"""YAML that people write by hand, read without surprises, and what is wrong with it in words.

A key given twice, an anchor, a file of megabytes: each is refused where plain YAML would take it.
Knows nothing of campaigns.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import BaseModel, ValidationError

from genrec.errors import ConfigError, InputError, nearest

MOST_BYTES = 1_000_000
DEEPEST = 12


class _Loader(yaml.SafeLoader):
    """Plain values only, every key once, no anchors."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors (& and *) are not read here; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key '{key.value}' is given twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    # YAML reads 0123 as 83 and 12:30 as 750; an id or a time was meant.
    if re.fullmatch(r"[-+]?0\d+|.*:.*", node.value):
        raise yaml.MarkedYAMLError(
            problem=f"{node.value} is read as another number; put it in quotes",
            problem_mark=node.start_mark,
        )
    return int(loader.construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """The mapping that a file holds.

    Args:
        what: what the file is, in words, for messages.

    Raises:
        InputError: it cannot be read, is too large, is no YAML, or is no mapping.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"The {what} {path} has {size:,} bytes; {MOST_BYTES:,} is the limit. Long lists "
                "of users or items belong in a file of their own, one id a line."
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"There is no {what} {path}. Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"The {what} {path} cannot be read: {reason}.") from error
    return parse_yaml(text, f"{what} {path}")


def parse_yaml(text: str, what: str) -> dict[str, Any]:
    """The mapping that a text holds.

    Raises:
        InputError: it is no YAML, or no mapping; says the line.
    """
    try:
        # Safe: a SafeLoader that reads less still.
        values = yaml.load(text, Loader=_Loader)  # nosec B506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise InputError(f"The {what} is no YAML:{place} {error.problem}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"The {what} is no YAML: {reason}.") from error
    if not isinstance(values, dict):
        raise InputError(f"The {what} is no mapping of names to values, such as 'name: spring'.")
    if _depth(values) > DEEPEST:
        raise InputError(f"The {what} is nested deeper than {DEEPEST}.")
    return values


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        level = inner
    return depth


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong, one line for each place, with the nearest name for an unknown key."""
    return list(dict.fromkeys(_lines(error, model)))


def _lines(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for one in error.errors(include_url=False):
        # A union names each of its kinds in the place; those are no keys of the file.
        path = [str(part) for part in one["loc"] if re.fullmatch(r"[\w. -]+", str(part))]
        place = ".".join(path) or "the whole"
        if one["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            # The key itself may be any text.
            key = str(one["loc"][-1])
            above = path[:-1] if path and path[-1] == key else path
            place = ".".join([*above, key if path and path[-1] == key else repr(key)])
            yield f"{place}: there is no such key; {nearest(key, _keys_at(model, above))}"
        elif one["type"] == "missing":
            yield f"{place}: missing"
        elif one["type"] == "value_error":
            yield from (f"{place}: {line}" for line in str(one["ctx"]["error"]).splitlines())
        else:
            given = repr(one["input"])
            shown = given if len(given) <= 80 else f"{given[:77]}…"
            yield f"{place}: {one['msg']} (it is {shown})"


def said_of(problem: Mapping[str, Any]) -> str:
    """What is wrong with one value; of a text where a list is meant, how YAML writes a list.

    Args:
        problem: one of pydantic's ``errors()``.
    """
    given = problem["input"]
    if problem["type"] in ("list_type", "sequence_str", "tuple_type") and isinstance(given, str):
        return f"it is {given!r} and must be a list: [{given}]"
    return f"{problem['msg']} (it is {given!r})"


def _keys_at(model: type[BaseModel], path: list[str]) -> list[str]:
    here: type[Any] = model
    for name in path:
        annotation = _annotations(here).get(name)
        inner = _model_in(annotation)
        if inner is not None:
            here = inner
    return list(_annotations(here))


def _annotations(model: type[Any]) -> dict[str, Any]:
    """What stands at each key of a section, which is a model or a dataclass of options."""
    if issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    return get_type_hints(model)


def _model_in(annotation: Any) -> type[Any] | None:
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation)
    ):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def set_options(
    content: dict[str, Any],
    texts: Sequence[str],
    *,
    example: str,
    of_paths: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Sets values by their paths, in place; a section as a whole before the options inside it.

    Args, Raises: as of ``set_option``.
    """
    for text in sorted(texts, key=lambda one: one.partition("=")[0].count(".")):
        set_option(content, text, example=example, of_paths=of_paths)


def set_option(
    content: dict[str, Any],
    text: str,
    *,
    example: str,
    of_paths: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Sets one value by its path, in place: ``train.steps=2000``.

    Args:
        content: mappings in mappings; sections that are absent or null are made.
        example: what such a text looks like, for the message.
        of_paths: sections whose keys are paths themselves, each with the keys that may follow one:
            ``tune.train.steps.low=10`` sets ``low`` of ``train.steps`` in ``tune``.

    Raises:
        ConfigError: it does not look like that, its value is not YAML, or a section is a value.
    """
    path, found, value = text.partition("=")
    keys = path.strip().split(".")
    if not found or not all(keys):
        raise ConfigError(f"'{text}' is no override; they look like {example}")
    try:
        parsed = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"The value of '{text}' is not YAML: {error}") from error
    section, *rest = keys
    if rest and section in (of_paths or {}):
        below = rest[-1:] if len(rest) > 1 and rest[-1] in (of_paths or {})[section] else []
        keys = [section, ".".join(rest[: len(rest) - len(below)]), *below]
    set_value(content, keys, parsed, said=text)


def set_value(content: dict[str, Any], keys: Sequence[str], value: Any, *, said: str = "") -> None:
    """Sets one value by the keys that lead to it, in place; see ``set_option``.

    Raises:
        ConfigError: a section is a value.
    """
    section = content
    for key in keys[:-1]:
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
        if not isinstance(section, dict):
            raise ConfigError(
                f"'{said or '.'.join(keys)}' does not fit: {key} is a value, not a section."
            )
    section[keys[-1]] = value
