"""Beam search under a trie: the prompt is computed once, beams are a tree in the query axis.

At each step the live beams of a user are W more query positions of the same sequence. A 4-D mask
lets each see the prompt and its own ancestors, so the cache is neither copied nor reordered. The
score of an item is the sum over levels of log p(code), normalised over the codes of the level or,
where the trie says so, over those that the catalogue has there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from genrec.decoding.batches import Allowed, Progress, search_in_batches
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import Beams, Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie

# Beams in one forward pass; more go in several, so that exact scoring needs little memory.
QUERIES = 1024


class Scorer(Protocol):
    """What beam search needs of a backbone."""

    @property
    def device(self) -> torch.device: ...

    @property
    def sliding_window(self) -> int | None: ...

    @property
    def mixes_windows(self) -> bool: ...

    token_ids: Tensor
    codebook_sizes: tuple[int, ...]

    def hidden_states(self, **inputs: Any) -> Any: ...

    def head_rows(self) -> Tensor: ...

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor: ...


@torch.inference_mode()
def beam_search(
    backbone: Scorer,
    prompts: Sequence[Sequence[int]],
    trie: Trie | FoldedTrie,
    *,
    beams: int,
    allowed: Allowed = None,
    config: DecodeConfig | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Beams:
    """The most probable items after each prompt.

    With ``beams`` at least the number of items, or ``config.exact``, this is exact scoring of the
    whole catalogue. When ``beams`` allowed items exist, that many come back.

    Args:
        prompts: token ids, at least one each.
        trie: a ``FoldedTrie`` keeps folded filters from call to call.
        allowed: bool over catalogue positions, shape (catalogue,) or (users, catalogue), or rules.
        config: strategy; its ``beams`` is not looked at.
        batch_size: prompts at a time; prompts of like length go together.
    """
    folded = trie if isinstance(trie, FoldedTrie) else FoldedTrie(trie)
    return search_in_batches(
        partial(_search, backbone),
        prompts,
        folded.to(backbone.device),
        beams=beams,
        allowed=allowed,
        config=config,
        batch_size=batch_size,
        queries=QUERIES,
        progress=progress,
    )


def _search(backbone: Scorer, prompts: Sequence[Sequence[int]], frontier: Frontier) -> Beams:
    return taken_down(backbone, Prefilled(backbone, prompts), frontier)


class Tree(Protocol):
    """Prompts and the beams after them; ``hidden`` is the state after each live beam."""

    hidden: Tensor

    def grow(self, tokens: Tensor, parents: Tensor, *, last: bool) -> None: ...


def taken_down(backbone: Scorer, tree: Tree, frontier: Frontier) -> Beams:
    """The items that a frontier finds when it goes through all levels of its trie."""
    head = backbone.head_rows()
    while True:
        level = frontier.level
        logits = backbone.level_logits(tree.hidden, level, head)
        frontier.advance(torch.log_softmax(logits, dim=-1))
        if frontier.done:
            return frontier.finish()
        offset = sum(backbone.codebook_sizes[:level])
        tree.grow(
            backbone.token_ids[frontier.codes + offset],
            frontier.parents,
            last=level + 2 == frontier.trie.levels,
        )


class Prefilled:
    """Prompts and the beams after them, in one cache. Prompts are padded on the left.

    Attributes:
        hidden: the state after each live beam, shape (users, width, hidden size).
    """

    def __init__(self, backbone: Scorer, prompts: Sequence[Sequence[int]]) -> None:
        self.backbone, device = backbone, backbone.device
        users = len(prompts)
        ids, self.real, self.positions = left_padded(prompts, device)
        self.lengths = self.positions[:, -1:] + 1
        # Layers of the plain kind for every layer: a sliding cache would drop what beams need.
        self.cache = DynamicCache()
        output = backbone.hidden_states(
            input_ids=ids,
            attention_mask=self.real.long(),
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.hidden = output.last_hidden_state[:, -1:]
        self.depth = 0
        # visible[u, w, c]: whether beam w of user u may see the beam token in cache column c.
        self.visible = torch.zeros(users, 1, 0, dtype=torch.bool, device=device)
        self.column_depths = torch.zeros(0, dtype=torch.long, device=device)

    def grow(self, tokens: Tensor, parents: Tensor, *, last: bool) -> None:
        """Adds one token to each beam.

        Args:
            tokens: shape (users, width).
            parents: the former beam that each goes on from, shape (users, width).
            last: whether no beam will grow from these.
        """
        users, width = tokens.shape
        columns = self.visible.shape[2]
        inherited = self.visible.gather(1, parents[..., None].expand(-1, -1, columns))
        own = torch.eye(width, dtype=torch.bool, device=tokens.device).expand(users, -1, -1)
        hidden = []
        for start in range(0, width, QUERIES):
            part = slice(start, min(start + QUERIES, width))
            first = start if last else 0
            visible = torch.cat([inherited[:, part], own[:, part, first : part.stop]], dim=2)
            depths = torch.nn.functional.pad(
                self.column_depths, (0, part.stop - first), value=self.depth
            )
            hidden.append(self._forward(tokens[:, part], visible, depths))
            if last and part.stop < width:
                self.cache.crop(self.real.shape[1] + columns)
        self.hidden = hidden[0] if len(hidden) == 1 else torch.cat(hidden, dim=1)
        self.visible = torch.cat([inherited, own], dim=2)
        self.column_depths = torch.nn.functional.pad(
            self.column_depths, (0, width), value=self.depth
        )
        self.depth += 1

    def _forward(self, tokens: Tensor, visible: Tensor, depths: Tensor) -> Tensor:
        width = tokens.shape[1]
        seen = torch.cat([self.real[:, None, :].expand(-1, width, -1), visible], dim=2)
        backbone, mask = self.backbone, self._additive(seen)
        window = backbone.sliding_window
        if window is not None:
            here = self.lengths + self.depth
            beam_positions = self.lengths + depths
            positions = torch.cat([self.positions, beam_positions], dim=1)
            near = (here - positions < window)[:, None, :]
            sliding = self._additive(seen & near)
            both = {"full_attention": mask, "sliding_attention": sliding}
            mask = both if backbone.mixes_windows else sliding
        output = backbone.hidden_states(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(self.lengths + self.depth).expand(-1, width),
            past_key_values=self.cache,
            use_cache=True,
        )
        return output.last_hidden_state

    def _additive(self, seen: Tensor) -> Any:
        dtype = self.hidden.dtype
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def left_padded(
    prompts: Sequence[Sequence[int]], device: torch.device, *, least: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, which of them are real, and their positions, each of shape (prompts, tokens).

    Args:
        least: tokens in each row at least.
    """
    longest = max(least, *map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    real = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.as_tensor(prompt)
        real[row, longest - len(prompt) :] = True
    real = real.to(device)
    return ids.to(device), real, (real.long().cumsum(1) - 1).clamp(min=0)


@torch.inference_mode()
def last_states(backbone: Scorer, prompts: Sequence[Sequence[int]]) -> Tensor:
    """The hidden state after each prompt, shape (prompts, hidden size), float32."""
    ids, real, positions = left_padded(prompts, backbone.device)
    output = backbone.hidden_states(
        input_ids=ids, attention_mask=real.long(), position_ids=positions, use_cache=False
    )
    return output.last_hidden_state[:, -1].float()
