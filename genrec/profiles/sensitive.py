"""Which items are too sensitive to make a trait, by a versioned file of rules.

Patterns are words, never regular expressions of whoever wrote the file: they are escaped, and
matched in linear time however long a title is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from genrec.data.catalog import MEDIA_COLUMNS, Catalog
from genrec.errors import ConfigError, InputError, nearest

FOLDER = Path(__file__).parent / "rules"
SUFFIX = ".yaml"
_KEYS = ("version", "topics")
_LISTS = ("words", "except", "attributes", "hidden")
_TOPIC_KEYS = ("exclude", *_LISTS)
_PUNCTUATION = re.compile(r"[!-/:-@\[-^`{-~]")


@dataclass(frozen=True)
class Topic:
    """One sensitive topic; see the head of ``rules/sensitive.yaml`` for its fields."""

    name: str
    exclude: bool = True
    words: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @cached_property
    def finds(self) -> str:
        return _pattern(self.words)

    @cached_property
    def spares(self) -> str:
        return _pattern(self.exceptions)


@dataclass(frozen=True)
class SensitiveRules:
    """All topics of a rule file.

    Attributes:
        version: the file's number and a hash of its content, printed beside every profile.
    """

    version: str
    topics: tuple[Topic, ...] = field(default=())

    @staticmethod
    def load(name: str | Path) -> SensitiveRules:
        """The rules of a shipped name, or of a ``.yaml`` file.

        Raises:
            ConfigError: no such rules.
            InputError: the file is not readable as rules; lists every problem.
        """
        path = Path(name)
        if path.suffix != SUFFIX:
            shipped = {file.stem: file for file in FOLDER.glob(f"*{SUFFIX}")}
            if str(name) not in shipped:
                raise ConfigError(
                    f"There are no rules '{name}'; {nearest(str(name), shipped)} "
                    f"Or name a {SUFFIX} file."
                )
            path = shipped[str(name)]
        try:
            text = path.read_text(encoding="utf-8")
            content = yaml.safe_load(text)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise InputError(f"The rules {path} cannot be read: {error}") from error
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return _parsed(content, str(path), digest)

    def topics_of(self, catalog: Catalog) -> dict[str, np.ndarray]:
        """For each topic that is excluded, whether each item falls under it, shape (items,)."""
        columns = _texts(catalog)
        distinct = pl.concat(columns).unique() if columns else pl.Series([], dtype=pl.String)
        plain = _plain(distinct)
        found = {topic.name: np.zeros(len(catalog), bool) for topic in self._active}
        for topic in self._active:
            bad = distinct.filter(pl.Series(_hits(plain, topic.finds, topic.spares))).implode()
            for column in columns:
                found[topic.name] |= column.is_in(bad).to_numpy()
        return found

    def attributes_of(self, catalog: Catalog) -> list[str]:
        """The catalogue's attributes that may be read."""
        closed = {name.casefold() for topic in self._active for name in topic.attributes}
        patterns = [topic.finds for topic in self._active]
        names = pl.Series(catalog.attribute_names, dtype=pl.String)
        told = np.zeros(len(names), bool)
        for pattern in patterns:
            told |= _matches(names.str.replace_all("_", " "), pattern, "")
        return [
            n for n, bad in zip(names, told, strict=True) if not bad and n.casefold() not in closed
        ]

    def unsayable(self, values: pl.Series) -> np.ndarray:
        """Which values may not be said, because of themselves or by ``hidden``."""
        said = np.zeros(len(values), bool)
        for topic in self._active:
            said |= _matches(values, topic.finds, topic.spares)
            said |= _matches(values, _pattern(topic.hidden), "")
        return said

    @property
    def _active(self) -> list[Topic]:
        return [topic for topic in self.topics if topic.exclude]


def _texts(catalog: Catalog) -> list[pl.Series]:
    """The columns that say what an item is; long texts mention too much to be asked."""
    found = []
    for column in catalog.table:
        if column.name in {"item_id", "text", *MEDIA_COLUMNS}:
            continue
        if column.dtype == pl.List(pl.String):
            column = column.list.join(" ; ")
        if column.dtype in (pl.String, pl.Categorical, pl.Enum):
            found.append(column.cast(pl.String).fill_null("").alias("text"))
    return found


def _matches(texts: pl.Series, finds: str, spares: str) -> np.ndarray:
    return _hits(_plain(texts.cast(pl.String).fill_null("")), finds, spares)


def _plain(texts: pl.Series) -> pl.Series:
    """Lower case, compatible forms, without what cannot be seen."""
    return texts.str.normalize("NFKC").str.replace_all(r"[\p{Cf}\p{Cc}]", "").str.to_lowercase()


def _hits(plain: pl.Series, finds: str, spares: str) -> np.ndarray:
    if not finds or not len(plain):
        return np.zeros(len(plain), bool)
    hit = plain.str.contains(finds).to_numpy().copy()
    if spares and hit.any():
        # A blank, so that what stood on either side stays apart.
        rest = plain.filter(pl.Series(hit)).str.replace_all(spares, " ")
        hit[hit] = rest.str.contains(finds).to_numpy()
    return hit


def _pattern(words: tuple[str, ...]) -> str:
    """One expression for whole words and phrases; blanks match any run of what is no letter."""
    parts = []
    for word in sorted(words, key=len, reverse=True):
        stem = word.casefold().strip().removesuffix("*")
        escaped = r"[^\p{L}\p{N}]+".join(
            _PUNCTUATION.sub(r"\\\g<0>", part) for part in stem.split()
        )
        parts.append(escaped + (r"[\p{L}\p{N}]*" if word.strip().endswith("*") else ""))
    return rf"\b(?:{'|'.join(parts)})\b" if parts else ""


def _parsed(content: Any, where: str, digest: str) -> SensitiveRules:
    if not isinstance(content, Mapping):
        raise InputError(f"The rules {where} hold no keys; they need 'version' and 'topics'.")
    problems = [f"unknown key '{k}'; {nearest(str(k), _KEYS)}" for k in content if k not in _KEYS]
    version, topics = content.get("version"), content.get("topics")
    if not isinstance(version, int) or isinstance(version, bool):
        problems.append(f"version is {version!r}, not a whole number")
    if not isinstance(topics, Mapping):
        problems.append("'topics' is missing, or has no names under it")
        topics = {}
    made = [_topic(str(name), topic, problems) for name, topic in topics.items()]
    if problems:
        raise InputError(f"The rules {where} cannot be used.", problems)
    return SensitiveRules(f"{version}-{digest}", tuple(made))


def _topic(name: str, content: Any, problems: list[str]) -> Topic:
    if not isinstance(content, Mapping):
        problems.append(f"{name}: has no keys")
        return Topic(name)
    for key in content:
        if key not in _TOPIC_KEYS:
            problems.append(f"{name}: unknown key '{key}'; {nearest(str(key), _TOPIC_KEYS)}")
    lists: dict[str, tuple[str, ...]] = {}
    for key in _LISTS:
        words = content.get(key, [])
        if not isinstance(words, list) or not all(
            isinstance(word, str) and re.search(r"\w", word) for word in words
        ):
            problems.append(f"{name}: {key} is not a list of words")
            words = []
        lists[key] = tuple(words)
    exclude = content.get("exclude", True)
    if not isinstance(exclude, bool):
        problems.append(f"{name}: exclude is {exclude!r}, neither true nor false")
    return Topic(
        name,
        exclude is True,
        lists["words"],
        lists["except"],
        lists["attributes"],
        lists["hidden"],
    )
