"""Unordered codes: a vector is cut into parts, and each part has a codebook of its own (OPQ)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrec.semantic_ids.options import SemanticIdConfig
from genrec.semantic_ids.quantizer import (
    Progress,
    Quantizer,
    centres,
    checked,
    distances_to,
    nearest_centre,
)

# Vectors that the rotation is found by.
_TURNED_BY = 50_000


class ProductCodes(Quantizer):
    """Optimised product quantisation: the vectors are turned so that equal parts lose least.

    No code depends on another, so all of them can be predicted in one pass, and 8 to 32 of them
    tell far more items apart than a few residual ones (Ge, He, Ke and Sun 2013, "Optimized product
    quantization"; as long semantic IDs in Hou et al. 2025, "Generating long semantic IDs in
    parallel for recommendation").

    Args:
        levels: parts, and codes of an item.
        rotation: whether to turn; plain product quantisation does not.
    """

    kind = "opq"
    ordered = False

    def __init__(
        self,
        levels: int = 16,
        codebook_size: int = 256,
        iterations: int = 20,
        *,
        rotation: bool = True,
    ) -> None:
        super().__init__(levels, codebook_size)
        self.iterations, self.rotation = iterations, rotation
        self.turn = np.zeros((0, 0), np.float32)
        self.codebooks: list[np.ndarray] = []

    @classmethod
    def of(cls, config: SemanticIdConfig) -> ProductCodes:
        """See ``Quantizer.of``."""
        return cls(config.levels, config.codebook_size, rotation=config.rotation)

    def fit(
        self,
        inputs: np.ndarray,
        *,
        seed: int,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        del folder
        vectors = checked(inputs)
        levels = len(self.codebook_sizes)
        wide = -(-vectors.shape[1] // levels) * levels
        self.turn = np.eye(wide, dtype=np.float32)[: vectors.shape[1]].copy()
        if self.rotation:
            self.turn = self._turned(vectors, wide, seed)
        self.codebooks = []
        for level, part in enumerate(self._parts(vectors)):
            size = self.codebook_sizes[level]
            self.codebooks.append(centres(part, size, self.iterations, seed + level))
            if progress is not None:
                progress(level + 1, levels)

    def _turned(self, vectors: np.ndarray, wide: int, seed: int) -> np.ndarray:
        """A rotation after which codes lose less, shape (dimensions, wide).

        Codebooks and rotation in turn: the best rotation for given codes is the orthogonal matrix
        nearest to the product of the vectors and what the codes stand for. (The one of faiss ends
        the process where there are fewer items than dimensions.)
        """
        size, levels = self.codebook_sizes[0], len(self.codebook_sizes)
        padded = np.zeros((len(vectors), wide), np.float32)
        padded[:, : vectors.shape[1]] = vectors
        rows = np.random.default_rng(seed).permutation(len(padded))[:_TURNED_BY]
        padded = padded[rows]
        start = np.random.default_rng(seed).normal(size=(wide, wide))
        turn = np.linalg.qr(start)[0].astype(np.float32)
        parts = np.split(padded @ turn, levels, axis=1)
        books = [centres(part, size, 4, seed + level) for level, part in enumerate(parts)]
        for _ in range(self.iterations):
            parts = np.split(padded @ turn, levels, axis=1)
            rebuilt = [_closer(part, book) for part, book in zip(parts, books, strict=True)]
            left, _, right = np.linalg.svd(padded.T @ np.concatenate(rebuilt, axis=1))
            turn = np.ascontiguousarray(left @ right, np.float32)
        return turn[: vectors.shape[1]]

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        codes = np.empty((len(inputs), len(self.codebook_sizes)), np.int32)
        for level, part in enumerate(self._parts(checked(inputs))):
            codes[:, level] = nearest_centre(part, self.codebooks[level])
        return codes

    def last_level_distances(self, inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        del codes
        last = self._parts(checked(inputs))[-1]
        return distances_to(last, self.codebooks[-1], self.codebook_sizes[-1])

    def rebuilt(self, codes: np.ndarray) -> np.ndarray:
        parts = []
        for level, codebook in enumerate(self.codebooks):
            part = np.zeros((len(codes), codebook.shape[1]), np.float32)
            learned = codes[:, level] < len(codebook)
            part[learned] = codebook[codes[learned, level]]
            parts.append(part)
        return np.concatenate(parts, axis=1) @ self.turn.T

    def tensors(self) -> dict[str, np.ndarray]:
        books = {f"level_{level}": codebook for level, codebook in enumerate(self.codebooks)}
        return {"turn": self.turn, **books}

    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        self.turn = tensors["turn"]
        self.codebooks = [tensors[f"level_{level}"] for level in range(len(tensors) - 1)]

    def _parts(self, vectors: np.ndarray) -> list[np.ndarray]:
        turned = vectors @ self.turn
        return [
            np.ascontiguousarray(part)
            for part in np.split(turned, len(self.codebook_sizes), axis=1)
        ]


def _closer(part: np.ndarray, book: np.ndarray) -> np.ndarray:
    """What each row's centre stands for, after the centres have moved to the mean of their rows."""
    own = nearest_centre(part, book)
    counts = np.bincount(own, minlength=len(book))
    sums = np.zeros_like(book)
    np.add.at(sums, own, part)
    met = counts > 0
    book[met] = sums[met] / counts[met, None]
    return book[own]
