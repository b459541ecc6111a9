"""Batches that serve several optimiser steps, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class RepeatedBatches(Sampler[int]):
    """Numbers of rows: each batch as often as it is asked for, then the next, until all rows came.

    The order depends on the seed and the epoch's number alone, so that a resumed run goes on as the
    whole one would have. The last batch is filled up from the first rows of the order: a shorter
    one would run into its own repetition.

    Args:
        rows: how many there are.
        times: each batch.
    """

    def __init__(self, rows: int, *, batch_size: int, times: int, seed: int) -> None:
        self.rows, self.batch_size, self.times, self.seed = rows, batch_size, times, seed
        self.epoch = 0

    @property
    def _batches(self) -> int:
        return -(-self.rows // self.batch_size)

    def __len__(self) -> int:
        return self._batches * self.batch_size * self.times

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        batches = np.resize(order, (self._batches, self.batch_size))
        yield from np.repeat(batches, self.times, axis=0).reshape(-1).tolist()

    def set_epoch(self, epoch: int) -> None:
        """The order of an epoch is a function of its number."""
        self.epoch = epoch
