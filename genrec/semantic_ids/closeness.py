"""How many codes items have in common that belong together. Knows codes and pairs of items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NEIGHBOURS = 10
# Items, and pairs, that are looked at.
_ITEMS, _PAIRS = 2000, 50_000


def nearest_items(
    vectors: np.ndarray, seed: int, *, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Some items and the 10 nearest others of each, shapes (rows,) and (rows, at most 10).

    Args:
        among: whose neighbours are looked for; at most 2,000 of all items if left out.
    """
    import faiss

    pool = np.arange(len(vectors)) if among is None else among
    rows = np.random.default_rng(seed).permutation(pool)[:_ITEMS]
    neighbours = min(NEIGHBOURS, len(vectors) - 1)
    if neighbours < 1:
        return rows, np.zeros((len(rows), 0), np.int64)
    everything = np.ascontiguousarray(vectors, np.float32)
    _, found = faiss.knn(everything[rows], everything, neighbours + 1)
    own = found == rows[:, None]
    # An exact duplicate can stand before the item itself; drop the item, or else the last one.
    own[~own.any(axis=1), -1] = True
    return rows, found[~own].reshape(len(rows), neighbours)


def shared_codes(
    codes: np.ndarray, one: np.ndarray, other: np.ndarray, *, ordered: bool
) -> list[float]:
    """The share of pairs with each prefix in common; or, unordered, of equal codes, one number."""
    if not len(one):
        return []
    equal = codes[one] == codes[other]
    if not ordered:
        return [round(float(equal.mean()), 4)]
    return [round(float(share), 4) for share in np.cumprod(equal, axis=1).mean(axis=0)]


def chance_shared(codes: np.ndarray, seed: int, *, ordered: bool) -> list[float]:
    """``shared_codes`` of pairs of different items drawn at random."""
    if len(codes) < 2:
        return []
    draw = np.random.default_rng(seed)
    one = draw.integers(len(codes), size=_PAIRS)
    other = (one + draw.integers(1, len(codes), size=_PAIRS)) % len(codes)
    return shared_codes(codes, one, other, ordered=ordered)


def followers(items: np.ndarray, lengths: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of different items that follow each other in a history, at most 50,000.

    Args:
        items: of all events, user by user.
        lengths: events of each user.
    """
    users = np.repeat(np.arange(len(lengths)), lengths)
    one, other = items[:-1].astype(np.int64), items[1:].astype(np.int64)
    pairs = np.flatnonzero((users[:-1] == users[1:]) & (one != other))
    pairs = np.random.default_rng(seed).permutation(pairs)[:_PAIRS]
    return one[pairs], other[pairs]


def category_purity(
    codes: np.ndarray, categories: Sequence[str], seed: int, *, ordered: bool
) -> tuple[float, float]:
    """The share of items that have the commonest category of those with their code; and by chance.

    For ordered codes under the first code, else the mean over levels. Codes of single items are
    pure without merit and left out, as are items without a category.
    """
    known = np.array([bool(name) for name in categories])
    if not known.any():
        return 0.0, 0.0
    _, numbers = np.unique(np.array(categories, dtype=str)[known], return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(numbers)
    levels = codes[known, :1] if ordered else codes[known]
    pure, chance = (
        float(np.mean([_purity(column, labels) for column in levels.T]))
        for labels in (numbers, dealt)
    )
    return round(pure, 4), round(chance, 4)


def _purity(codes: np.ndarray, labels: np.ndarray) -> float:
    cells, counts = np.unique(np.stack([codes, labels]), axis=1, return_counts=True)
    most = np.zeros(int(codes.max()) + 1, np.int64)
    np.maximum.at(most, cells[0], counts)
    sizes = np.bincount(codes, minlength=len(most))
    shared = sizes > 1
    return float(most[shared].sum() / max(int(sizes[shared].sum()), 1))
