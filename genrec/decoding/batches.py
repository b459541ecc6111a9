"""Many prompts, some at a time: what is the same for every way to run the LLM."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import NEVER, Beams, Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie

Allowed: TypeAlias = np.ndarray | Tensor | AllowedItems | None
Progress = Callable[[int, int], None]


class Search(Protocol):
    """Finds the most probable items after each prompt, whatever runs the LLM."""

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        trie: Trie | FoldedTrie,
        *,
        beams: int,
        allowed: Allowed = None,
        config: DecodeConfig | None = None,
        progress: Progress | None = None,
    ) -> Beams: ...


def search_in_batches(
    advance: Callable[[Sequence[Sequence[int]], Frontier], Beams],
    prompts: Sequence[Sequence[int]],
    folded: FoldedTrie,
    *,
    beams: int,
    allowed: Allowed,
    config: DecodeConfig | None,
    batch_size: int,
    queries: int,
    progress: Progress | None,
) -> Beams:
    """The most probable items after each prompt, prompts of like length together.

    Args:
        advance: takes a frontier of some prompts through all levels.
        folded: on the device of the log-probabilities.
        queries: prompts go one at a time where there are more beams than this.
    """
    config = config or DecodeConfig()
    rules = rules_from(allowed, len(prompts))
    width = max(beams, len(folded.trie.items)) if config.exact else beams
    items = torch.full((len(prompts), beams), -1)
    # Said outright: loading a model elsewhere may change the default for a while.
    scores = torch.full((len(prompts), beams), NEVER, dtype=torch.float32)
    states: Tensor | None = None
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    if width > queries:
        batch_size = 1
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        part = [prompts[row] for row in rows]
        frontier = Frontier(
            folded,
            len(part),
            width,
            rules=None if rules is None else rules.take(rows),
            config=config,
            seeds=[zlib.crc32(np.asarray(prompt, np.int64).tobytes()) for prompt in part],
        )
        found = advance(part, frontier)
        items[rows] = found.items[:, :beams].cpu()
        scores[rows] = found.scores[:, :beams].cpu()
        if found.states is not None:
            if states is None:
                states = torch.zeros(len(prompts), found.states.shape[1], dtype=torch.float32)
            states[rows] = found.states.cpu()
        if progress is not None:
            progress(start + len(rows), len(order))
    return Beams(items, scores, states)


def rules_from(allowed: Any, users: int) -> AllowedItems | None:
    """Rules in the form that the search reads; ``None`` allows everything."""
    if allowed is None or isinstance(allowed, AllowedItems):
        return allowed
    mask = np.asarray(allowed)
    return AllowedItems.of_mask(mask, users, mask.shape[-1])
