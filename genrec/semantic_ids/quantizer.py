"""Items -> codes, before collisions are resolved. The interface of every quantiser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from genrec.data.catalog import Catalog
from genrec.errors import InputError
from genrec.semantic_ids.options import SemanticIdConfig

Progress = Callable[[int, int], None]


class Quantizer(ABC):
    """Learns codebooks from items and turns items into codes.

    An item's codes depend on the item and the codebooks alone, so items that come later never move
    earlier ones. What of an item is read, ``inputs`` says: most read its vector.

    Attributes:
        kind: registered name.
        ordered: whether a code depends on the codes before it, so that they must be generated in
            order (residual quantisers) or may be predicted in one pass (product quantisers).
        codebook_sizes: number of codes at each level.
    """

    kind: ClassVar[str]
    ordered: ClassVar[bool]
    codebook_sizes: tuple[int, ...]

    @classmethod
    def of(cls, config: SemanticIdConfig) -> Quantizer:
        """The quantiser that these options describe, not yet fitted."""
        return cls(levels=config.levels, codebook_size=config.codebook_size)

    def __init__(self, levels: int, codebook_size: int) -> None:
        self.codebook_sizes = (codebook_size,) * levels

    def inputs(self, catalog: Catalog, vectors: np.ndarray) -> np.ndarray:
        """What the other methods are given, one row for each item: here the vectors.

        Args:
            vectors: shape (items, dimensions), float32, in catalogue order.

        Raises:
            InputError: some vectors are not finite.
        """
        del catalog
        return checked(vectors)

    @abstractmethod
    def fit(
        self,
        inputs: np.ndarray,
        *,
        seed: int,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Learns the codebooks.

        Args:
            inputs: as ``inputs`` gave them.
            folder: for checkpoints, where learning takes long; a killed training of the same
                inputs, options and seed goes on there.
            progress: called with units done and units in all.
        """

    @abstractmethod
    def encode(self, inputs: np.ndarray) -> np.ndarray:
        """Codes, shape (items, levels), int32, each below its level's codebook size."""

    @abstractmethod
    def last_level_distances(self, inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """How far each item is from every code of the last level, given its codes before.

        Returns:
            Shape (items, codebook_sizes[-1]), float32, smallest at the code that ``encode`` gives;
            inf for codes that were never learned.
        """

    def rebuilt(self, codes: np.ndarray) -> np.ndarray | None:
        """The vectors that codes stand for, shape (items, dimensions); ``None`` for no vectors."""
        del codes
        return None

    def words(self) -> list[list[str]] | None:
        """The word that each code stands for, level by level; ``None`` where codes have none."""
        return None

    @abstractmethod
    def tensors(self) -> dict[str, np.ndarray]:
        """All that was learned."""

    @abstractmethod
    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        """Puts back what ``tensors`` gave."""


class ResidualKMeans(Quantizer):
    """k-means on the vectors, then on what is left over, level by level (faiss).

    Within about 4 % of RQ-VAE's recommendation quality in published comparisons, without its
    training or its codebook collapse.
    """

    kind = "residual-kmeans"
    ordered = True

    def __init__(self, levels: int = 3, codebook_size: int = 256, iterations: int = 20) -> None:
        super().__init__(levels, codebook_size)
        self.iterations = iterations
        self.codebooks: list[np.ndarray] = []

    def fit(
        self,
        inputs: np.ndarray,
        *,
        seed: int,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        del folder
        residual = checked(inputs).copy()
        self.codebooks = []
        for level, size in enumerate(self.codebook_sizes):
            self.codebooks.append(centres(residual, size, self.iterations, seed + level))
            residual -= self.codebooks[-1][self._nearest(level, residual)]
            if progress is not None:
                progress(level + 1, len(self.codebook_sizes))

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        residual = checked(inputs).copy()
        codes = np.empty((len(residual), len(self.codebook_sizes)), np.int32)
        for level, codebook in enumerate(self.codebooks):
            codes[:, level] = self._nearest(level, residual)
            residual -= codebook[codes[:, level]]
        return codes

    def last_level_distances(self, inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        residual = checked(inputs).copy()
        for level, codebook in enumerate(self.codebooks[:-1]):
            residual -= codebook[codes[:, level]]
        return distances_to(residual, self.codebooks[-1], self.codebook_sizes[-1])

    def rebuilt(self, codes: np.ndarray) -> np.ndarray:
        # Resolving collisions may have given a code that was never learned; it stands for nothing.
        return sum_of_centres(self.codebooks, codes)

    def tensors(self) -> dict[str, np.ndarray]:
        return {f"level_{level}": codebook for level, codebook in enumerate(self.codebooks)}

    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        self.codebooks = [tensors[f"level_{level}"] for level in range(len(tensors))]

    def _nearest(self, level: int, vectors: np.ndarray) -> np.ndarray:
        return nearest_centre(vectors, self.codebooks[level])


def centres(vectors: np.ndarray, size: int, iterations: int, seed: int) -> np.ndarray:
    """Centres by k-means, shape (at most ``size`` and the distinct vectors, dimensions)."""
    import faiss

    vectors = np.ascontiguousarray(vectors, np.float32)
    distinct = len(np.unique(vectors, axis=0)) if len(vectors) <= 4 * size else size
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        min(size, distinct),
        niter=iterations,
        seed=seed,
        min_points_per_centroid=1,
    )
    kmeans.train(vectors)
    return np.ascontiguousarray(kmeans.centroids, dtype=np.float32)


def nearest_centre(vectors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """The number of each vector's nearest centre, shape (items,), int32."""
    import faiss

    _, nearest = faiss.knn(np.ascontiguousarray(vectors, np.float32), codebook, 1)
    return nearest[:, 0].astype(np.int32)


def distances_to(vectors: np.ndarray, codebook: np.ndarray, size: int) -> np.ndarray:
    """Squared distances to the centres, shape (items, size), float32; inf beyond the centres."""
    squared = (vectors**2).sum(1, keepdims=True) + (codebook**2).sum(1) - 2 * vectors @ codebook.T
    full = np.full((len(vectors), size), np.inf, np.float32)
    full[:, : len(codebook)] = squared
    return full


def sum_of_centres(codebooks: Sequence[np.ndarray], codes: np.ndarray) -> np.ndarray:
    """The sum of the centres that codes name, shape (items, dimensions), float32."""
    total = np.zeros((len(codes), codebooks[0].shape[1]), np.float32)
    for level, codebook in enumerate(codebooks):
        learned = codes[:, level] < len(codebook)
        total[learned] += codebook[codes[learned, level]]
    return total


def checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or not vectors.size:
        raise InputError(f"Item vectors have shape {vectors.shape}; expected (items, dimensions).")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} item vectors hold NaN or infinity. Encode these items again.",
            [f"item row {row}" for row in bad],
        )
    return vectors
