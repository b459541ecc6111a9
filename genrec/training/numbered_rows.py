"""Training rows known by their numbers and made in ``collate``, varied anew in each epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class NumberedRows:
    """What such rows share; a row is its epoch and its number, since the loader fetches ahead.

    Attributes:
        seed: of what varies.
        epoch: told by the data loader.
    """

    seed: int
    epoch = 0

    def __getitem__(self, number: int) -> tuple[int, int]:
        return self.epoch, number

    def set_epoch(self, epoch: int) -> None:
        """The rows of an epoch are a function of its number."""
        self.epoch = epoch

    def drawn(self, batch: Sequence[tuple[int, int]]) -> tuple[list[int], np.random.Generator]:
        """The numbers of a batch, and what decides how they vary: the same for the same batch."""
        numbers = [number for _, number in batch]
        return numbers, np.random.default_rng([self.seed, batch[0][0], *numbers])
