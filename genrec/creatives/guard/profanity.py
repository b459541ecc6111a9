"""Words that no advertisement says: the lists of ``glin-profanity``, by language.

Its JSON lists are read; its code and its optional models are not loaded. Some of its words are also
trade names of things; ``words/ambiguous.yaml`` has those, and an item that says them itself may.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml

from genrec.errors import ConfigError, MissingExtra, nearest

PACKAGE = "glin_profanity"
_WORDS = Path(__file__).parents[1] / "words"

MASKED = re.compile(
    r"(?<![\w*])(?:[a-z]{1,3}\*{2,6}[a-z]{0,4}|[a-z]\*[a-z]{2,6}|[a-z]{2,3}\*[a-z]{1,6})(?![\w*])"
)
"""A word with its middle starred out."""


@cache
def profane_words(languages: tuple[str, ...] = ("english",)) -> tuple[str, ...]:
    """The listed words of these languages, in lower case.

    Raises:
        MissingExtra: the package with the lists is not installed.
        ConfigError: there is no list for a language.
    """
    folder = _folder()
    known = sorted(path.stem for path in folder.glob("*.json") if path.stem != "globalWhitelist")
    words: set[str] = set()
    for language in languages:
        if language not in known:
            raise ConfigError(f"No profanity list for '{language}'; {nearest(language, known)}")
        listed = json.loads((folder / f"{language}.json").read_text("utf-8"))["words"]
        words.update(word.strip().lower() for word in listed if len(word.strip()) > 2)
    return tuple(sorted(words))


@cache
def ambiguous_words() -> frozenset[str]:
    """Listed words that an item's own title may excuse."""
    lines: Sequence[str] = yaml.safe_load((_WORDS / "ambiguous.yaml").read_text("utf-8"))
    return frozenset(lines)


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise MissingExtra("glin-profanity", "creatives", "The profanity filter")
    return Path(places[0]) / "data" / "dictionaries"
