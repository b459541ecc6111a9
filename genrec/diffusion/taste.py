"""The vector of what somebody likes: the mean of the pictures that they chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from genrec.encoders.base import ItemVectors
from genrec.errors import InputError


def taste_vector(
    vectors: ItemVectors, items: Sequence[str], *, weights: Sequence[float] = ()
) -> np.ndarray | None:
    """The mean of unit vectors of the chosen items, shape (dimensions,), float32.

    Each item counts alike, whatever the length of its vector. Items without a picture count
    nothing; without any, there is no taste and the answer is None.

    Args:
        vectors: of any encoder of pictures.
        items: ids of what was chosen; one that was chosen twice counts twice.
        weights: how much each counts, such as for its age; empty: all alike.

    Raises:
        InputError: unknown items, or weights that do not fit; all of them.
    """
    rows: Mapping[str, int] = {item_id: row for row, item_id in enumerate(vectors.item_ids)}
    problems = [f"there is no item '{item}'" for item in items if item not in rows]
    if weights and len(weights) != len(items):
        problems.append(f"{len(weights)} weights for {len(items)} items")
    problems += [f"a weight is {weight}" for weight in weights if not weight >= 0]
    if problems:
        raise InputError("No taste could be made of what was chosen.", problems)
    shares = np.array(weights or [1.0] * len(items), np.float64)
    chosen = np.array([rows[item] for item in items], np.int64)
    seen = vectors.mask[chosen] & (shares > 0)
    if not seen.any():
        return None
    found = vectors.vectors[chosen[seen]].astype(np.float64)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    mean = np.average(found, axis=0, weights=shares[seen])
    return mean.astype(np.float32)
