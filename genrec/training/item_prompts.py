"""What is said of each item in training an image model: a prompt with its own values filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, nearest

_PLACE = re.compile(r"\{([^{}]*)\}")


def item_prompts(catalog: Catalog, rows: Sequence[int] | np.ndarray, prompt: str) -> list[str]:
    """The prompt of each item; empty where the item lacks a value that the prompt names.

    Args:
        rows: positions in the catalogue.
        prompt: with ``{title}`` and ``{attribute}``, or without any.

    Raises:
        ConfigError: the catalogue has no such attribute; names all that it lacks.
    """
    names = list(dict.fromkeys(_PLACE.findall(prompt)))
    there = ["title", *catalog.attribute_names]
    unknown = [name for name in names if name not in there]
    if unknown or re.search(r"[{}]", _PLACE.sub("", prompt)):
        lacking = [f"there is no '{name}'; {nearest(name, there)}" for name in unknown]
        raise ConfigError(
            f"instance_prompt '{prompt}' cannot be filled in: "
            f"{'; '.join(lacking) or 'a { or } stands alone'}. Placeholders look like {{title}}."
        )
    columns = {name: catalog.table[name].to_list() for name in names}
    found = []
    for row in rows:
        own = {name: _said(values[row]) for name, values in columns.items()}
        found.append(_filled(prompt, own) if all(own.values()) else "")
    return found


def _filled(prompt: str, own: dict[str, str]) -> str:
    # One pass: a value that looks like a placeholder stays as it is.
    return _PLACE.sub(lambda place: own[place[1]], prompt)


def _said(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).strip()
