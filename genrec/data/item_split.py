"""Which items are held out, decided by their ids alone. Knows nothing of users."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from genrec.errors import InputError


def drawn_order(ids: Sequence[str], *, seed: int = 0) -> np.ndarray:
    """Positions in a random order that each id decides for itself, shape (items,).

    The order of two items is the same in every catalogue that has both.
    """
    digests = [hashlib.sha256(f"{seed}:{item_id}".encode()).digest() for item_id in ids]
    return np.array(sorted(range(len(ids)), key=lambda row: digests[row]), np.int64)


def hold_out(ids: Sequence[str], held_out: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions to train on and ``held_out`` positions to judge by, each ascending.

    Raises:
        InputError: fewer than two items would be left to train on.
    """
    if len(ids) < held_out + 2:
        raise InputError(
            f"{held_out:,} of {len(ids):,} items cannot be held out: at least two must be left to "
            "train on. Lower held_out."
        )
    order = drawn_order(ids, seed=seed)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
