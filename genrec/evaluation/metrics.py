"""Ranking metrics, one value per user, and what the lists look like together.

Formulas, with R a user's distinct targets and the list cut at k:

- ``hit_rate``: 1 if any target is in the list.
- ``recall``: targets in the list / |R|, as in RecBole and in Li et al. (2023), "A next basket
  recommendation reality check"; not divided by min(k, |R|), so that it can be below 1 for a perfect
  list that is shorter than R. With one target it equals ``hit_rate``.
- ``ndcg``: sum of 1 / log2(rank + 1) over the hits, divided by the same sum for the ideal list of
  min(k, |R|) hits (Järvelin and Kekäläinen 2002, binary relevance).
- ``mrr``: 1 / rank of the first hit, 0 without one.

An item that a list repeats counts at its first place only. Knows arrays only: no model, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.data.sequences import Sequences
from genrec.errors import InputError

CUTOFFS = (1, 5, 10, 20)
ACCURACY = ("recall", "hit_rate", "ndcg", "mrr")


def hit_matrix(ranked: np.ndarray, targets: Sequences) -> np.ndarray:
    """Whether each place of each list holds a target, bool, shape (users, n).

    Args:
        ranked: catalogue positions, best first, shape (users, n); negative where there is none.
        targets: what each user chose.

    Raises:
        InputError: the number of lists and of users differ.
    """
    if ranked.ndim != 2 or len(ranked) != len(targets):
        raise InputError(
            f"There are lists of shape {ranked.shape} for {len(targets)} users. "
            "Give one list per user, in the same order."
        )
    rows = np.arange(len(ranked), dtype=np.int64)
    span = 2 + max(int(ranked.max(initial=0)), int(targets.items.max(initial=0)))
    keys = rows[:, None] * span + ranked
    wanted = np.repeat(rows, targets.lengths) * span + targets.items
    hits: np.ndarray = np.isin(keys, wanted) & (ranked >= 0) & ~repeated(ranked)
    return hits


def repeated(ranked: np.ndarray) -> np.ndarray:
    """Places whose item stands further up in the same list, bool, shape (users, n)."""
    order = np.argsort(ranked, axis=1, kind="stable")
    in_order = np.take_along_axis(ranked, order, axis=1)
    again = np.zeros(ranked.shape, bool)
    again[:, 1:] = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)
    out = np.zeros(ranked.shape, bool)
    np.put_along_axis(out, order, again, axis=1)
    return out


def distinct_targets(targets: Sequences) -> np.ndarray:
    """Different target items of each user, shape (users,), int64."""
    owners = np.repeat(np.arange(len(targets), dtype=np.int64), targets.lengths)
    pairs = np.unique(np.stack([owners, targets.items.astype(np.int64)]), axis=1)
    counts: np.ndarray = np.bincount(pairs[0], minlength=len(targets))
    return counts


def hit_rate(hits: np.ndarray, k: int) -> np.ndarray:
    """Shape (users,), float64."""
    return np.asarray(hits[:, :k].any(axis=1), np.float64)


def recall(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Shape (users,), float64; ``relevant`` counts each user's distinct targets."""
    return np.asarray(hits[:, :k].sum(axis=1) / np.maximum(1, relevant), np.float64)


def ndcg(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Shape (users,), float64; ``relevant`` counts each user's distinct targets."""
    discounts = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[1.0], np.cumsum(discounts)])[np.minimum(relevant, k)]
    return np.asarray(hits[:, :k] @ discounts[: hits.shape[1]] / ideal, np.float64)


def mrr(hits: np.ndarray, k: int) -> np.ndarray:
    """Shape (users,), float64."""
    first = hits[:, :k].argmax(axis=1)
    return np.where(hits[:, :k].any(axis=1), 1 / (first + 1.0), 0.0)


def per_user(
    ranked: np.ndarray, targets: Sequences, cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, np.ndarray]:
    """Every accuracy metric at every cutoff, each of shape (users,), by names like ``ndcg@10``.

    Raises:
        InputError: a cutoff is below 1 or longer than the lists, or the number of lists is wrong.
    """
    odd = [k for k in cutoffs if not 1 <= k <= ranked.shape[-1]]
    if odd:
        raise InputError(
            f"Cutoff {odd[0]} does not fit lists of {ranked.shape[-1]} items. "
            f"Choose from 1 to {ranked.shape[-1]}, or rank more items."
        )
    hits, relevant = hit_matrix(ranked, targets), distinct_targets(targets)
    values = {}
    for k in cutoffs:
        values[f"recall@{k}"] = recall(hits, relevant, k)
        values[f"hit_rate@{k}"] = hit_rate(hits, k)
        values[f"ndcg@{k}"] = ndcg(hits, relevant, k)
        values[f"mrr@{k}"] = mrr(hits, k)
    return values


def exposure(ranked: np.ndarray, items: int, k: int) -> np.ndarray:
    """How many lists show each item in their first k places, shape (items,), int64."""
    shown = ranked[:, :k]
    valid = (shown >= 0) & (shown < items) & ~repeated(shown)
    counts: np.ndarray = np.bincount(shown[valid].astype(np.int64), minlength=items)
    return counts


def coverage(exposed: np.ndarray) -> float:
    """Share of the catalogue that is shown to anyone."""
    return float((exposed > 0).mean()) if len(exposed) else 0.0


def gini(exposed: np.ndarray) -> float:
    """Inequality of exposure over all items: 0 when all are shown equally, towards 1 when one is.

    ``sum_i (2 i - n - 1) x_i / (n sum x)`` with x ascending and i from 1.
    """
    total, n = exposed.sum(), len(exposed)
    if not total:
        return 0.0
    ascending = np.sort(exposed)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * total))


def novelty(exposed: np.ndarray, counts: np.ndarray) -> float:
    """Mean self-information of what is shown, ``-log2 P(item)``, in bits.

    Zhou et al. (2010), "Solving the apparent diversity-accuracy dilemma". P is the item's share of
    training events, each item counted once more, so that a new item has finite information.

    Args:
        exposed: as from ``exposure``.
        counts: training events of each item, shape (items,).
    """
    if not exposed.sum():
        return 0.0
    bits = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    return float(bits @ exposed / exposed.sum())


def invalid_places(ranked: np.ndarray, items: int, none: int) -> int:
    """Places that hold no item of the catalogue, or one that the list showed already.

    Args:
        none: what marks a place that was left empty because no item was allowed; not counted.
    """
    outside = (ranked != none) & ((ranked < 0) | (ranked >= items))
    return int(outside.sum() + repeated(ranked).sum())
