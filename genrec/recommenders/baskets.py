"""Which events of a history belong together. A history without baskets has one event in each."""

from __future__ import annotations

import numpy as np

from genrec.data.sequences import History, Sequences


def basket_ranks(history: History) -> np.ndarray:
    """Number of each event's basket in its history, from 1 upwards, shape (events,), int64."""
    if history.baskets is None or not len(history):
        return np.arange(1, len(history) + 1)
    return 1 + np.concatenate([[0], np.cumsum(np.diff(history.baskets) != 0)]).astype(np.int64)


def basket_numbers(histories: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Baskets of all histories, numbered through from 0.

    Returns:
        The basket of each event, shape (events,), int64, ascending; and the row in ``histories``
        of each basket, shape (baskets,), int64.
    """
    owners = np.repeat(np.arange(len(histories)), histories.lengths)
    if not len(owners):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if histories.baskets is None:
        return np.arange(len(owners)), owners
    new = np.concatenate([[True], np.diff(owners) != 0])
    new |= np.concatenate([[True], np.diff(histories.baskets) != 0])
    return np.cumsum(new) - 1, owners[new]
