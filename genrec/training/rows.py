"""What a training is given and what it tells; loads nothing of what trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

Batch = dict[str, Tensor]
Progress = Callable[[int, int, float], None]
Targets = Callable[[Batch], Tensor | int]
STATE_FILE = "fit.json"


class Rows(Protocol):
    """Training rows; a list will do. With ``set_epoch``, they are told each epoch's number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class TrainingRows(torch.utils.data.Dataset[Any]):
    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]

    def set_epoch(self, epoch: int) -> None:
        """Passed on by the data loader to rows that differ from epoch to epoch."""
        if hasattr(self.rows, "set_epoch"):
            self.rows.set_epoch(epoch)
