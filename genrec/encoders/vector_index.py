"""Nearest vectors among many, by faiss: exact for thousands, by cells for millions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from genrec.encoders.base import ItemVectors
from genrec.errors import ArtefactError, InputError

# Up to so many vectors, looking at all of them takes milliseconds.
EXACT = 50_000
# Shares of an index of cells: how many there are, and how many are looked into.
_CELLS_PER_ROOT, _LOOKED_INTO = 4, 32


class VectorIndex:
    """Items by the direction of their vectors; items without a vector are never found.

    Args:
        vectors: of a catalogue's items.
        exact: look at all vectors however many there are; by default up to ``EXACT``.

    Raises:
        InputError: no item has a vector.
    """

    def __init__(self, vectors: ItemVectors, *, exact: bool | None = None) -> None:
        self.rows = np.flatnonzero(vectors.mask)
        if not len(self.rows):
            raise InputError("No item has a vector to be found by.")
        found = unit(vectors.vectors[self.rows])
        count, width = found.shape
        whole = count <= EXACT if exact is None else exact
        if whole:
            self.index: Any = faiss.IndexFlatIP(width)
        else:
            cells = int(_CELLS_PER_ROOT * count**0.5)
            cells = max(1, min(cells, count // 39))
            self.index = faiss.IndexIVFFlat(
                faiss.IndexFlatIP(width), width, cells, faiss.METRIC_INNER_PRODUCT
            )
            # Cells need a few dozen vectors each to be learned from; more only take time.
            sample = np.random.default_rng(0).permutation(count)[: 64 * cells]
            self.index.train(found[sample])
            self.index.nprobe = min(_LOOKED_INTO, cells)
        self.index.add(found)

    @property
    def exact(self) -> bool:
        """Whether it looks at all vectors."""
        return isinstance(self.index, faiss.IndexFlatIP)

    def search(
        self, query: np.ndarray, n: int, *, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The n nearest items, best first, and their cosines, both of shape (≤ n,).

        Args:
            query: a vector, shape (dimensions,).
            allowed: bool over all items, shape (items,).
        """
        options: dict[str, Any] = {}
        count = min(n, len(self.rows))
        if allowed is not None:
            chosen = np.flatnonzero(allowed[self.rows])
            if not len(chosen):
                return np.zeros(0, np.int64), np.zeros(0, np.float32)
            count = min(n, len(chosen))
            selector = faiss.IDSelectorBatch(chosen)
            options["params"] = self._parameters(selector, len(chosen))
        scores, places = self.index.search(unit(query[None]), count, **options)
        real = places[0] >= 0
        return self.rows[places[0][real]], scores[0][real]

    def _parameters(self, selector: Any, chosen: int) -> Any:
        if self.exact:
            plain: Any = faiss.SearchParameters
            return plain(sel=selector)
        # Where few items are allowed, they may lie in any cell.
        share = chosen / len(self.rows)
        looked = min(self.index.nlist, int(np.ceil(self.index.nprobe / share)))
        parameters: Any = faiss.SearchParametersIVF
        return parameters(sel=selector, nprobe=looked)

    def write(self, path: Path) -> None:
        """Writes faiss's own file, with the items' rows beside it."""
        faiss.write_index(self.index, str(path))
        np.save(path.with_suffix(".npy"), self.rows, allow_pickle=False)

    @staticmethod
    def read(path: Path) -> VectorIndex:
        """Reads what ``write`` wrote into a folder that has been verified.

        Raises:
            ArtefactError: it cannot be read.
        """
        found = VectorIndex.__new__(VectorIndex)
        try:
            found.index = faiss.read_index(str(path))
            found.rows = np.load(path.with_suffix(".npy"), allow_pickle=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise ArtefactError(f"{path} cannot be read ({error}). Delete it.") from error
        return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1, float32, in one piece."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(length, 1e-12), np.float32)
