"""Groups of test users: by how much we know of them, and by how popular their targets are."""

from __future__ import annotations

import numpy as np

from genrec.data.sequences import Sequences

LENGTHS = (0, 1, 5, 10, 20, 50, 200, 1000)
POPULARITY = (("head", 0.2), ("middle", 0.6), ("tail", 1.0))


def by_history_length(histories: Sequences) -> dict[str, np.ndarray]:
    """Rows of the users in each band of history length, empty bands left out."""
    lengths, slices = histories.lengths, {}
    for low, after in zip(LENGTHS, [*LENGTHS[1:], None], strict=True):
        inside = lengths >= low if after is None else (lengths >= low) & (lengths < after)
        if after is None:
            name = f"history {low}+"
        else:
            name = f"history {low}" if after == low + 1 else f"history {low}-{after - 1}"
        if inside.any():
            slices[name] = np.flatnonzero(inside)
    return slices


def by_item_popularity(targets: Sequences, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of the users whose targets are mostly head, middle, tail or unseen items.

    The items that have training events, most chosen first, are cut after the first fifth and after
    three fifths: head, middle and tail. Items without events are ``unseen``. A user belongs to the
    band of the median target.

    Args:
        counts: training events of each item, shape (items,).
    """
    seen = counts > 0
    ranks = np.empty(len(counts))
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    share = ranks / max(1, seen.sum())
    bands = np.searchsorted([limit for _, limit in POPULARITY[:-1]], share, side="right")
    bands[~seen] = len(POPULARITY)
    names = [*(name for name, _ in POPULARITY), "unseen"]
    of_user = np.array([int(np.median(bands[row.items])) for row in targets], dtype=np.int64)
    return {
        f"target {name}": np.flatnonzero(of_user == band)
        for band, name in enumerate(names)
        if (of_user == band).any()
    }
