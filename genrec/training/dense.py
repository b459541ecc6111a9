"""The dense half of a hybrid: the state after a history is told which item follows, among many."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from genrec.training.fit import Batch
from genrec.training.packing import NO_TARGET

MASKED = -1e4


class ItemScorer(Protocol):
    """What the loss needs of an item table."""

    trained: Tensor

    @property
    def repeat(self) -> Tensor: ...

    def vectors(self, items: Tensor | None = None) -> Tensor: ...

    def queries(self, hidden: Tensor) -> Tensor: ...


def dense_loss(table: ItemScorer, hidden: Tensor, batch: Batch, *, negatives: int) -> Tensor:
    """Mean cross-entropy of the next item among sampled ones and those of the row's own past.

    Negatives are drawn uniformly and shared by all positions of a step (a sampled softmax); with
    the past beside them the model learns whether people choose the same again. Items that nobody
    has chosen are never drawn: being told from them would only teach that their like is unwanted.

    Args:
        hidden: shape (packs, tokens, width).
        batch: with ``next_items``, ``held_items`` and ``segments`` of ``collate_packed``.
        negatives: how many; 0 takes all items.
    """
    packs, places = (batch["next_items"] != NO_TARGET).nonzero(as_tuple=True)
    wanted = batch["next_items"][packs, places]
    columns = (batch["held_items"] != NO_TARGET).any(0).nonzero()[:, 0]
    held = batch["held_items"][:, columns]
    drawn = table.trained.nonzero()[:, 0]
    if 0 < negatives < len(drawn):
        drawn = drawn[torch.randint(len(drawn), (negatives,), device=hidden.device)]
    apart, number = torch.unique(
        torch.cat([wanted, drawn, held.clamp(min=0).flatten()]), return_inverse=True
    )
    vectors = functional.normalize(table.vectors(apart), dim=-1)
    of_wanted, of_drawn, of_held = number.split([len(wanted), len(drawn), held.numel()])
    asked = table.queries(hidden)
    queries = asked[packs, places]
    target = (queries * vectors[of_wanted]).sum(-1)
    others = queries @ vectors[of_drawn].T
    others = others.masked_fill(drawn[None] == wanted[:, None], MASKED)
    # The past of each position: items known by then, of its own row. All positions of a pack are
    # compared with its items at once, since a copy of the items for each would be far larger.
    past = (asked @ vectors[of_held.view(held.shape)].mT)[packs, places]
    behind = (
        (held[packs] != NO_TARGET)
        & (batch["segments"][packs][:, columns] == batch["segments"][packs, places][:, None])
        & (columns[None] <= places[:, None])
    )
    is_wanted = behind & (held[packs] == wanted[:, None])
    past = (past + table.repeat).masked_fill(~behind | is_wanted, MASKED)
    target = target + table.repeat * is_wanted.any(1).to(queries.dtype)
    logits = torch.cat([target[:, None], others, past], dim=1).float()
    return functional.cross_entropy(logits, torch.zeros_like(wanted))
