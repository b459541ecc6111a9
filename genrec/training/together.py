"""One training step shared by several processes, equal to the same step in one.

A batch is cut into as many parts as there are processes. Each takes the mean over the targets of
its own part, weighed so that the mean over processes, which gradients get, is the mean over all
targets. Knows nothing of what is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from genrec.training.rows import Batch

# How many targets a process's part of a batch has; never handed to a loss.
TARGETS = "targets_of_part"
# What each mean in a loss of several is multiplied by, shape (means,); handed to the loss.
SHARES = "shares"


class Learner(nn.Module):
    """A model with its loss, so that wrappers of modules see a whole step as one ``forward``.

    A loss calls what it likes of a model, and what wraps a model acts upon ``forward`` alone.
    """

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch, *, half: torch.dtype | None = None) -> Tensor:
        """The loss of a batch; with ``half``, computed in that type where autocast allows it."""
        # The stock code's autocast reaches forward() of the model only.
        device = next(iter(batch.values())).device.type
        with torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            return self.loss(self.model, batch)


class Whole(nn.Module):
    """A learner in a wrapper that does nothing: the Trainer wraps what it does not find wrapped."""

    def __init__(self, learner: nn.Module) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, batch: Batch, *, half: torch.dtype | None = None) -> Tensor:
        loss: Tensor = self.learner(batch, half=half)
        return loss


class Parts(Sampler[list[int]]):
    """This process's part of each batch: every ``count``-th row. May be empty at an epoch's end.

    Args:
        batches: of row numbers, the same in every process.
    """

    def __init__(self, batches: Any, dataset: Any, rank: int, count: int) -> None:
        self.batches, self.dataset, self.rank, self.count = batches, dataset, rank, count
        self.batch_size, self.drop_last = batches.batch_size, batches.drop_last

    @property
    def batch_sampler(self) -> Parts:
        """Itself: the Trainer looks there for whom to tell the epoch, behind a wrapper or not."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.batches.sampler.set_epoch(epoch)
        self.dataset.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        for rows in self.batches:
            yield rows[self.rank :: self.count]

    def __len__(self) -> int:
        return len(self.batches)


def parts_of(
    whole: DataLoader[Any],
    *,
    rank: int,
    count: int,
    data_seed: int,
    targets: Callable[[Batch], Tensor | int],
) -> DataLoader[Any]:
    """A loader of this process's parts of the batches that one process would get.

    Args:
        whole: a loader of whole batches, in seeded order.
        targets: how many targets the loss of a batch is the mean of. Of a loss that is a sum of
            several means, that of each, shape (means,); such a loss multiplies each by its entry
            of ``batch[SHARES]``, where it is given one.
    """
    from accelerate.data_loader import prepare_data_loader

    dataset: Dataset[Any] = whole.dataset
    collate = whole.collate_fn

    def collated(rows: list[Any]) -> Batch:
        # Every process takes part in every step; one without rows has a step that weighs nothing.
        batch: Batch = collate(rows or [dataset[0]])
        # A whole number: DeepSpeed rounds others to the precision that it trains in.
        counts = torch.as_tensor(targets(batch), dtype=torch.int64)
        return {**batch, TARGETS: counts if rows else torch.zeros_like(counts)}

    seeded = prepare_data_loader(
        whole, num_processes=1, process_index=0, use_seedable_sampler=True, data_seed=data_seed
    )
    return DataLoader(
        dataset,
        batch_sampler=Parts(seeded.batch_sampler, dataset, rank, count),
        collate_fn=collated,
        pin_memory=whole.pin_memory,
    )


def shares_of(counts: Tensor, device: torch.device) -> Tensor:
    """What a part's means count for, so that their mean over processes is that of the batch.

    Args:
        counts: targets of this process's part, shape () or (means,).
    """
    own = counts.to(device, torch.float64)
    together = own.clone()
    distributed.all_reduce(together)
    return (own * distributed.get_world_size() / together.clamp(min=1)).float()


def mean_over_processes(value: Tensor) -> float:
    """The mean of what all processes have."""
    together = value.detach().double()
    distributed.all_reduce(together)
    return float(together / distributed.get_world_size())


def told_by_main(value: float, device: torch.device) -> float:
    """The main process's value, in all of them."""
    told = torch.tensor([value], dtype=torch.float64, device=device)
    distributed.broadcast(told, 0)
    return float(told[0])
