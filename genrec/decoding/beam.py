"""Beam search under a trie: the prompt is computed once, beams are a tree in the query axis.

At each step the live beams of a user are W more query positions of the same sequence. A 4-D mask
lets each see the prompt and its own ancestors, so the cache is neither copied nor reordered. The
score of an item is the sum over levels of log p(code), normalised over the codes of the level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from genrec.decoding.trie import Trie


class Scorer(Protocol):
    """What beam search needs of a backbone."""

    @property
    def device(self) -> torch.device: ...

    token_ids: Tensor
    codebook_sizes: tuple[int, ...]

    def hidden_states(self, **inputs: object) -> object: ...

    def head_rows(self) -> Tensor: ...

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Beams:
    """Finished beams of many users, best first.

    Attributes:
        items: catalogue positions, shape (users, beams), int64; -1 where there are fewer items.
        scores: log-probabilities, shape (users, beams), float32; -inf where there is no item.
    """

    items: Tensor
    scores: Tensor


@torch.inference_mode()
def beam_search(
    backbone: Scorer,
    prompts: Sequence[Sequence[int]],
    trie: Trie,
    *,
    beams: int,
    allowed: Tensor | None = None,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Beams:
    """The most probable items after each prompt.

    With ``beams`` at least the number of items, this is exact scoring of the whole catalogue.
    When ``beams`` allowed items exist, that many come back: at each level either every node that
    leads to an allowed item is kept, or ``beams`` of them are.

    Args:
        prompts: token ids, at least one each.
        allowed: bool over catalogue positions, shape (catalogue,) or (users, catalogue).
        batch_size: prompts at a time; prompts of like length go together.
    """
    trie = trie.to(backbone.device)
    items = torch.full((len(prompts), beams), -1)
    scores = torch.full((len(prompts), beams), float("-inf"))
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        mask = None
        if allowed is not None:
            mask = (allowed if allowed.dim() == 1 else allowed[rows]).to(backbone.device)
            mask = mask[None] if mask.dim() == 1 else mask
        found = _search(backbone, [prompts[row] for row in rows], trie, beams, mask)
        items[rows], scores[rows] = found.items.cpu(), found.scores.cpu()
        if progress is not None:
            progress(start + len(rows), len(order))
    return Beams(items, scores)


def _search(
    backbone: Scorer,
    prompts: Sequence[Sequence[int]],
    trie: Trie,
    beams: int,
    allowed: Tensor | None,
) -> Beams:
    device = backbone.device
    users, longest = len(prompts), max(map(len, prompts))
    ids = torch.zeros(users, longest, dtype=torch.long)
    real = torch.zeros(users, longest, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.as_tensor(prompt)
        real[row, longest - len(prompt) :] = True
    ids, real = ids.to(device), real.to(device)
    positions = (real.long().cumsum(1) - 1).clamp(min=0)
    lengths = positions[:, -1:] + 1

    cache = DynamicCache()
    output = backbone.hidden_states(
        input_ids=ids,
        attention_mask=real.long(),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    )
    hidden = output.last_hidden_state[:, -1:]  # type: ignore[attr-defined]
    dtype = hidden.dtype
    head = backbone.head_rows()
    nodes_allowed = None if allowed is None else trie.fold(allowed)
    offsets = [sum(backbone.codebook_sizes[:level]) for level in range(trie.levels)]

    nodes = torch.zeros(users, 1, dtype=torch.long, device=device)
    total = torch.zeros(users, 1, device=device)
    # visible[u, w, c]: whether beam w of user u may see the beam token in cache column c.
    visible = torch.zeros(users, 1, 0, dtype=torch.bool, device=device)
    for level in range(trie.levels):
        logits = backbone.level_logits(hidden, level, head)
        log_probabilities = torch.log_softmax(logits, dim=-1)
        child, code, exists = trie.children(level, nodes)
        gain = log_probabilities.gather(2, code)
        if nodes_allowed is not None:
            allowed_here = nodes_allowed[level].expand(users, -1)
            exists = exists & allowed_here.gather(1, child.flatten(1)).view_as(child)
        scored = (total[..., None] + gain).masked_fill(~exists, float("-inf")).flatten(1)
        total, best = scored.topk(min(beams, scored.shape[1]), dim=1)
        parent = best // child.shape[2]
        nodes = child.flatten(1).gather(1, best)
        if level + 1 == trie.levels:
            break
        code = code.flatten(1).gather(1, best)
        width = code.shape[1]
        columns = visible.shape[2]
        inherited = visible.gather(1, parent[..., None].expand(-1, -1, columns))
        own = torch.eye(width, dtype=torch.bool, device=device).expand(users, -1, -1)
        visible = torch.cat([inherited, own], dim=2)
        seen = torch.cat([real[:, None, :].expand(-1, width, -1), visible], dim=2)
        mask = torch.zeros(seen.shape, dtype=dtype, device=device)
        mask.masked_fill_(~seen, torch.finfo(dtype).min)
        output = backbone.hidden_states(
            input_ids=backbone.token_ids[code + offsets[level]],
            attention_mask=mask[:, None],
            position_ids=(lengths + level).expand(-1, width),
            past_key_values=cache,
            use_cache=True,
        )
        hidden = output.last_hidden_state  # type: ignore[attr-defined]
    found = torch.where(total > float("-inf"), trie.items[nodes], -1)
    missing = beams - found.shape[1]
    return Beams(
        torch.nn.functional.pad(found, (0, missing), value=-1),
        torch.nn.functional.pad(total, (0, missing), value=float("-inf")).float(),
    )
