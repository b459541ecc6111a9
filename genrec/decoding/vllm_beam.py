"""Beam search with vLLM: each live beam is a sequence of its own, the prompt comes from its cache.

Selection is that of ``Frontier``, so items and scores are those of ``beam_search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from genrec.decoding.batches import Allowed, Progress, search_in_batches
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import NEVER, Beams, Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie

# Sequences that the engine is handed at once; users with more beams go one at a time.
SEQUENCES = 1024


class LevelEngine(Protocol):
    """What the search needs of an engine."""

    @property
    def token_ids(self) -> Tensor: ...

    @property
    def codebook_sizes(self) -> tuple[int, ...]: ...

    def level_log_probabilities(self, sequences: Sequence[Sequence[int]], level: int) -> Tensor: ...


@torch.inference_mode()
def vllm_beam_search(
    engine: LevelEngine,
    prompts: Sequence[Sequence[int]],
    trie: Trie | FoldedTrie,
    *,
    beams: int,
    allowed: Allowed = None,
    config: DecodeConfig | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Beams:
    """The most probable items after each prompt; arguments and result as of ``beam_search``.

    Args:
        batch_size: prompts at a time; their caches must stay in the engine from level to level.
    """
    folded = trie if isinstance(trie, FoldedTrie) else FoldedTrie(trie)
    return search_in_batches(
        partial(_search, engine),
        prompts,
        folded.to(engine.token_ids.device),
        beams=beams,
        allowed=allowed,
        config=config,
        batch_size=batch_size,
        queries=SEQUENCES,
        progress=progress,
    )


def _search(engine: LevelEngine, prompts: Sequence[Sequence[int]], frontier: Frontier) -> Beams:
    sequences = [[list(prompt)] for prompt in prompts]
    token_ids = engine.token_ids.tolist()
    while not frontier.done:
        level = frontier.level
        codes = engine.codebook_sizes[level]
        scores = torch.full(
            (*frontier.alive.shape, codes),
            NEVER,
            dtype=torch.float32,
            device=frontier.scores.device,
        )
        # Dead beams are not sent: they are of no item, and their path may not exist.
        users, ways = frontier.alive.nonzero(as_tuple=True)
        if len(users):
            live = zip(users.tolist(), ways.tolist(), strict=True)
            scores[users, ways] = engine.level_log_probabilities(
                [sequences[user][way] for user, way in live], level
            )
        frontier.advance(scores)
        offset = sum(engine.codebook_sizes[:level])
        sequences = [
            [[*before[way], token_ids[offset + code]] for way, code in zip(*grown, strict=True)]
            for before, *grown in zip(
                sequences, frontier.parents.tolist(), frontier.codes.tolist(), strict=True
            )
        ]
    return frontier.finish()
