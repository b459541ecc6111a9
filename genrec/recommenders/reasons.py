"""Why an item is recommended, in words, from nothing but the user's own history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.sequences import History
from genrec.recommenders.base import Recommendation
from genrec.semantic_ids.index import SemanticIndex


def with_reasons(
    found: Sequence[Recommendation], history: History, catalog: Catalog, index: SemanticIndex | None
) -> list[Recommendation]:
    """The same list with a reason each; recommenders without semantic IDs give none."""
    if index is None:
        return list(found)
    return [
        replace(one, reason=reason(catalog.position(one.item.id), history, catalog, index))
        for one in found
    ]


def reason(item: int, history: History, catalog: Catalog, index: SemanticIndex) -> str:
    """One clause that names the evidence; empty when the history holds none.

    Args:
        item: catalogue position of what is recommended.
    """
    before = np.flatnonzero(history.items == item)
    if len(before):
        if history.baskets is None:
            return f"chosen {_times(len(before))} before"
        baskets = len(np.unique(history.baskets[before]))
        return f"in {baskets} of {len(np.unique(history.baskets))} baskets so far"
    if not len(history):
        return ""
    shared = np.cumprod(index.codes[history.items] == index.codes[item], axis=1).sum(axis=1)
    if not shared.max():
        return ""
    # The latest of the most similar items.
    nearest = int(history.items[np.flatnonzero(shared == shared.max())[-1]])
    return f"like {catalog[nearest].title}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
