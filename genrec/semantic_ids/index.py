"""Item <-> semantic ID, both ways. Knows codes and names, not vectors or models."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from genrec.data.catalog import Catalog
from genrec.data.reading import reading
from genrec.errors import InputError
from genrec.workspace import open_artefact, write_artefact

_WORDS = "words.json"
_TOKEN = re.compile(r"<([a-z]+)_(\d+)>")


class SemanticID(tuple[int, ...]):
    """An item's codes, coarse to fine; prints as ``<a_12><b_7><c_3>``."""

    __slots__ = ()

    def __str__(self) -> str:
        return "".join(token_name(level, code) for level, code in enumerate(self))

    @staticmethod
    def parse(text: str) -> SemanticID:
        """Reads what ``str`` wrote.

        Raises:
            InputError: the text is no semantic ID.
        """
        found = _TOKEN.findall(text)
        if "".join(f"<{letters}_{code}>" for letters, code in found) != text or any(
            letters != level_name(level) for level, (letters, _) in enumerate(found)
        ):
            raise InputError(f"'{text}' is no semantic ID; they look like <a_12><b_7><c_3>.")
        return SemanticID(int(code) for _, code in found)


def token_name(level: int, code: int) -> str:
    """The token of one code, such as ``<a_12>``."""
    return f"<{level_name(level)}_{code}>"


def level_name(level: int) -> str:
    """The letters of a level: a to z, then aa, ab, … as of columns in a sheet."""
    name = ""
    level += 1
    while level:
        level, place = divmod(level - 1, 26)
        name = chr(ord("a") + place) + name
    return name


@dataclass(frozen=True)
class SemanticIndex:
    """The semantic ID of every item; no two items share one.

    Attributes:
        item_ids: in the catalogue's order.
        codes: shape (items, levels), int32, each below its level's codebook size.
        codebook_sizes: number of codes, and of tokens, at each level.
        words: the word that each code of a level stands for, "" for none; empty where codes are
            no words.
    """

    item_ids: list[str]
    codes: np.ndarray
    codebook_sizes: tuple[int, ...]
    words: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        codes = self.codes
        if codes.shape != (len(self.item_ids), len(self.codebook_sizes)):
            raise InputError(
                f"Codes have shape {codes.shape}; {len(self.item_ids)} items with "
                f"{len(self.codebook_sizes)} levels need another."
            )
        if codes.size and ((codes < 0) | (codes >= np.array(self.codebook_sizes))).any():
            raise InputError("Some codes lie outside their codebook.")
        if len(self._rows_by_codes) != len(codes):
            raise InputError("Two items share a semantic ID; resolve the collisions first.")

    @property
    def levels(self) -> int:
        return len(self.codebook_sizes)

    @cached_property
    def level_offsets(self) -> np.ndarray:
        """Number of the first token of each level among all semantic-ID tokens, int64."""
        return np.concatenate([[0], np.cumsum(self.codebook_sizes[:-1])]).astype(np.int64)

    @cached_property
    def token_numbers(self) -> np.ndarray:
        """Codes as numbers among all semantic-ID tokens, shape (items, levels), int64."""
        return self.codes.astype(np.int64) + self.level_offsets

    @property
    def token_names(self) -> list[str]:
        """Every semantic-ID token, level by level."""
        return [
            token_name(level, code)
            for level, size in enumerate(self.codebook_sizes)
            for code in range(size)
        ]

    def word(self, token: int) -> str:
        """The word that a semantic-ID token stands for; "" for none.

        Args:
            token: number among all semantic-ID tokens.
        """
        level = int(np.searchsorted(self.level_offsets, token, side="right")) - 1
        code = token - int(self.level_offsets[level])
        known = level < len(self.words) and code < len(self.words[level])
        return self.words[level][code] if known else ""

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every item's codes."""
        about = repr((self.item_ids, self.codebook_sizes)).encode("utf-8", "replace")
        codes = np.ascontiguousarray(self.codes, np.int32)
        return hashlib.sha256(about + codes.tobytes()).hexdigest()[:16]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def _rows_by_codes(self) -> dict[bytes, int]:
        rows = np.ascontiguousarray(self.codes, np.int32)
        return {codes.tobytes(): row for row, codes in enumerate(rows)}

    def semantic_id(self, item_id: str) -> SemanticID:
        """An item's semantic ID.

        Raises:
            InputError: the item has none.
        """
        if item_id not in self._rows:
            raise InputError(
                f"Item '{item_id}' has no semantic ID. Add it: SemanticIdTokenizer.add"
            )
        return SemanticID(self.codes[self._rows[item_id]].tolist())

    def item_id(self, semantic_id: Sequence[int]) -> str | None:
        """The item with these codes, or ``None`` when no item has them."""
        row = self._rows_by_codes.get(np.array(semantic_id, np.int32).tobytes())
        return None if row is None else self.item_ids[row]

    def save(self, folder: Path) -> None:
        """Writes ``codes.parquet`` and a seal, as a whole or not at all."""
        about = {"codebook_sizes": list(self.codebook_sizes)}
        with write_artefact(folder, "semantic_index", **about) as temporary:
            self.write(temporary)

    def write(self, folder: Path) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        columns = {f"code_{level}": self.codes[:, level] for level in range(self.levels)}
        pl.DataFrame({"item_id": self.item_ids, **columns}).write_parquet(folder / "codes.parquet")
        (folder / "levels.json").write_text(json.dumps(list(self.codebook_sizes)))
        if self.words:
            (folder / _WORDS).write_text(json.dumps([list(level) for level in self.words]))

    @staticmethod
    def load(folder: Path) -> SemanticIndex:
        """Reads what ``save`` wrote.

        Raises:
            ArtefactError: missing, truncated or changed.
        """
        open_artefact(folder, "semantic_index")
        return SemanticIndex.read(folder)

    @staticmethod
    def read(folder: Path) -> SemanticIndex:
        """Reads the bare files of a folder that is known to be whole."""
        with reading(folder, "semantic index"):
            sizes = tuple(int(size) for size in json.loads((folder / "levels.json").read_text()))
            table = pl.read_parquet(folder / "codes.parquet", glob=False)
            codes = table.drop("item_id").to_numpy().astype(np.int32)
            named = folder / _WORDS
            words = json.loads(named.read_text()) if named.exists() else ()
            return SemanticIndex(table["item_id"].to_list(), codes, sizes, words)

    def __len__(self) -> int:
        return len(self.item_ids)

    def __repr__(self) -> str:
        sizes = "x".join(str(size) for size in self.codebook_sizes)
        return f"SemanticIndex({len(self):,} items; {sizes})"


def code_words(index: SemanticIndex, catalog: Catalog, each: int = 20) -> list[list[str]]:
    """For each semantic-ID token, its word, or titles of at most ``each`` items that carry it."""
    titles = catalog.table["title"].to_list()
    words: list[list[str]] = [[] for _ in range(sum(index.codebook_sizes))]
    for row, tokens in enumerate(index.token_numbers.tolist()):
        for token in tokens:
            if len(words[token]) < each:
                words[token].append(titles[row])
    if index.words:
        named = [index.word(token) for token in range(len(words))]
        words = [[name] if name else held for name, held in zip(named, words, strict=True)]
    return words
