"""How often a vector finds its partner among others: words their picture, pictures their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.errors import InputError

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True)
class Retrieval:
    """Recall in one direction.

    Attributes:
        recall: cutoff -> share of queries whose partner is among the first so many.
        chance: cutoff -> the same for a random order.
        queries: judged.
        pool: candidates that each was searched among.
    """

    recall: dict[int, float]
    chance: dict[int, float]
    queries: int
    pool: int


def retrieve(
    queries: np.ndarray,
    keys: np.ndarray,
    *,
    pool: int,
    cutoffs: Sequence[int] = CUTOFFS,
) -> Retrieval:
    """Searches the partner of each query, the key in its row, among ``pool`` keys by cosine.

    Rows are cut into pools in their order; a last one that is not full is left out, unless it is
    the only one. Keys as good as the partner count as if their order were drawn, so that equal
    vectors for everything come out at chance.

    Args:
        queries: shape (items, dimensions).
        keys: shape (items, dimensions).

    Raises:
        InputError: fewer than two items, shapes that differ, or NaN and infinity.
    """
    if queries.shape != keys.shape or len(queries) < 2:
        raise InputError(
            f"Vectors of shape {queries.shape} and {keys.shape} cannot be compared: both need one "
            "row for each item, and at least two."
        )
    if not (np.isfinite(queries).all() and np.isfinite(keys).all()):
        raise InputError("The vectors hold NaN or infinity. Train the tower again.")
    size = min(pool, len(queries))
    pools = [slice(start, start + size) for start in range(0, len(queries) - size + 1, size)]
    found = [_hits(_unit(queries[part]), _unit(keys[part]), cutoffs) for part in pools]
    return Retrieval(
        recall=dict(zip(cutoffs, np.mean(found, axis=0).tolist(), strict=True)),
        chance={cutoff: min(1.0, cutoff / size) for cutoff in cutoffs},
        queries=size * len(pools),
        pool=size,
    )


def _hits(queries: np.ndarray, keys: np.ndarray, cutoffs: Sequence[int]) -> list[float]:
    scores = queries @ keys.T
    own = np.diagonal(scores)[:, None]
    # Equal vectors differ in the last bits where they are multiplied in another order.
    level = np.isclose(scores, own, rtol=0, atol=1e-6)
    better = ((scores > own) & ~level).sum(1)
    ties = level.sum(1)
    return [float(np.clip((cutoff - better) / ties, 0, 1).mean()) for cutoff in cutoffs]


def _unit(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
