"""Batches for networks that read histories of item vectors. Knows positions of items only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genrec.data.sequences import Sequences
from genrec.recommenders.baskets import basket_ranks
from genrec.recommenders.sasrec_network import NO_TARGET, START_RANK, inputs_of

# Half of the rows hide only their newest event, which is what is asked for later.
_NEWEST_ONLY = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events of one user, some of which will be hidden.

    Attributes:
        items: shape (events,), int32.
        ranks: number of the basket of each event, from 1, shape (events,), int64.
    """

    items: np.ndarray
    ranks: np.ndarray


def stretches(histories: Sequences, max_history: int) -> list[Stretch]:
    """Training rows that together hold every event once, cut from the newest backwards."""
    rows = []
    for history in histories:
        ranks = basket_ranks(history)
        for stop in range(len(history), 0, -max_history):
            span = slice(max(0, stop - max_history), stop)
            rows.append(Stretch(history.items[span], ranks[span] - ranks[span][0] + 1))
    return rows


def masking(share: float) -> Callable[[Sequence[Stretch]], dict[str, Tensor]]:
    """A collate function that hides events: a share of a row's, or the newest one alone.

    Where only the newest is hidden, the row is first cut at a random place, so that short
    histories are met too.
    """

    def collate(rows: Sequence[Stretch]) -> dict[str, Tensor]:
        chosen, hidden = [], []
        for row in rows:
            if float(torch.rand(())) < _NEWEST_ONLY:
                stop = 1 + int(torch.randint(len(row.items), ()))
                chosen.append(Stretch(row.items[:stop], row.ranks[:stop]))
                hidden.append(torch.arange(stop) == stop - 1)
            else:
                draw = torch.rand(len(row.items))
                chosen.append(row)
                hidden.append((draw < share) | (draw == draw.min()))
        return _masked_batch(chosen, hidden)

    return collate


def _masked_batch(rows: Sequence[Stretch], hidden: Sequence[Tensor]) -> dict[str, Tensor]:
    width = 1 + max(len(row.items) for row in rows)
    items = torch.zeros(len(rows), width, dtype=torch.long)
    ranks = torch.full((len(rows), width), width, dtype=torch.long)
    targets = torch.full((len(rows), width), NO_TARGET, dtype=torch.long)
    ranks[:, 0] = START_RANK
    for number, (row, mask) in enumerate(zip(rows, hidden, strict=True)):
        events = slice(1, 1 + len(row.items))
        found = torch.from_numpy(row.items.astype(np.int64))
        items[number, events] = found
        ranks[number, events] = torch.from_numpy(row.ranks)
        targets[number, events] = found.masked_fill(~mask, NO_TARGET)
    return {"items": items, "ranks": ranks, "targets": targets}


def asked(histories: Sequences, max_history: int) -> tuple[Tensor, Tensor, Tensor]:
    """Histories with one hidden event behind them, as a network for masked items is asked.

    Returns:
        Items, ranks and where the hidden event stands, each of shape (users, events + 2).
    """
    items, ranks, newest = inputs_of(histories, max_history)
    users, columns = items.shape
    # Padding stands behind everything: the hidden event takes the first free column.
    place = (ranks < columns).sum(dim=1, keepdim=True)
    last = torch.where(newest, ranks, START_RANK).amax(dim=1, keepdim=True)
    items = torch.cat([items, items.new_zeros(users, 1)], dim=1)
    ranks = torch.cat([ranks, ranks.new_full((users, 1), columns)], dim=1)
    ranks = ranks.masked_fill(ranks == columns, columns + 1)
    ranks = ranks.scatter(1, place, last + 1)
    return items, ranks, torch.zeros_like(ranks, dtype=torch.bool).scatter(1, place, value=True)
