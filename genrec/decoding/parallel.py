"""One pass for all codes: every level is predicted from the prompt alone, and every item scored.

For unordered codes (OPQ): an item's score is the sum over levels of log p(code | prompt), with no
code conditioned on another. No beam, so nothing can be lost on the way, but where a large catalogue
is searched along a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.decoding.batches import rules_from
from genrec.decoding.beam import Prefilled, Scorer
from genrec.decoding.code_graph import CodeGraph
from genrec.decoding.frontier import NEVER, Beams

# Scores of one block, users times items: 64 MB.
CELLS = 16_000_000


@torch.inference_mode()
def parallel_search(
    backbone: Scorer,
    prompts: Sequence[Sequence[int]],
    codes: np.ndarray | Tensor,
    *,
    beams: int,
    allowed: np.ndarray | Tensor | AllowedItems | None = None,
    graph: CodeGraph | None = None,
    explored: int = 100,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Beams:
    """The most probable items after each prompt.

    Args:
        prompts: token ids, at least one each.
        codes: shape (items, levels); in catalogue order.
        beams: how many items to return.
        allowed: as of ``beam_search``.
        graph: what to search along instead of scoring every item.
        explored: how wide, with a graph.
    """
    table = torch.as_tensor(np.asarray(codes), dtype=torch.long).to(backbone.device)
    rules = rules_from(allowed, len(prompts))
    items = torch.full((len(prompts), beams), -1)
    scores = torch.full((len(prompts), beams), NEVER, dtype=torch.float32)
    head = backbone.head_rows()
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        hidden = Prefilled(backbone, [prompts[row] for row in rows]).hidden[:, 0]
        chances = [
            torch.log_softmax(backbone.level_logits(hidden, level, head), dim=-1)
            for level in range(table.shape[1])
        ]
        dense = None if rules is None else rules.take(rows).dense()
        if graph is None:
            found = best_items(chances, table, beams, dense)
        else:
            found = graph.best_items(chances, table, beams, explored=explored, allowed=dense)
        items[rows], scores[rows] = found.items.cpu(), found.scores.cpu()
        if progress is not None:
            progress(start + len(rows), len(order))
    return Beams(items, scores)


def best_items(
    chances: Sequence[Tensor], codes: Tensor, beams: int, allowed: np.ndarray | None = None
) -> Beams:
    """The items of the highest summed log-probability, a block of items at a time.

    Args:
        chances: log-probabilities of each level's codes, shape (users, codes of the level).
        codes: int64, shape (items, levels).
        allowed: bool, shape (users, items).
    """
    users, device = len(chances[0]), codes.device
    block = max(beams, CELLS // max(users, 1))
    pad: Any = torch.nn.functional.pad
    best = torch.full((users, 0), NEVER, dtype=torch.float32, device=device)
    held = torch.zeros(users, 0, dtype=torch.long, device=device)
    for start in range(0, len(codes), block):
        part = codes[start : start + block]
        total = torch.zeros(users, len(part), dtype=torch.float32, device=device)
        for level, row in enumerate(chances):
            total += row[:, part[:, level]]
        if allowed is not None:
            mask = torch.from_numpy(allowed[:, start : start + block]).to(device)
            total = total.masked_fill_(~mask, NEVER)
        best = torch.cat([best, total], dim=1)
        positions = torch.arange(start, start + len(part), device=device)
        held = torch.cat([held, positions.expand(users, -1)], dim=1)
        # A stable sort of what topk kept puts the lower position first among equals.
        best, kept = best.topk(min(beams, best.shape[1]), dim=1)
        held = held.gather(1, kept)
    held, order = held.sort(dim=1)
    best = best.gather(1, order)
    best, order = best.sort(dim=1, descending=True, stable=True)
    held = torch.where(best > NEVER, held.gather(1, order), -1)
    missing = beams - held.shape[1]
    return Beams(pad(held, (0, missing), value=-1), pad(best, (0, missing), value=NEVER))
