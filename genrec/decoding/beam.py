"""Beam search under a trie: the prompt is computed once, beams are a tree in the query axis.

At each step the live beams of a user are W more query positions of the same sequence. A 4-D mask
lets each see the prompt and its own ancestors, so the cache is neither copied nor reordered. Where
the trie has few branches left, all of them go into one pass, and further levels need none. The
score of an item is the sum over levels of log p(code), normalised over the codes of the level or,
where the trie says so, over those that the catalogue has there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from genrec.decoding.batches import Allowed, Progress, search_in_batches
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import Ahead, Beams, Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie

# Beams in one forward pass; more go in several, so that exact scoring needs little memory.
QUERIES = 1024
# A further pass costs as much as so many tokens more in one: it reads all weights once more, and
# on a GPU it is mostly launches.
PASS_CPU, PASS_GPU = 64, 512


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

    def hidden_states(self, *, alone: bool = False, **inputs: Any) -> Any: ...

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

    def follow(self, frontier: Frontier) -> None:
        """Goes on by the codes that a frontier chose last."""


@dataclass(frozen=True)
class Branches:
    """Tokens that beams may grow by later: of each the former token or beam that it goes on from.

    Attributes:
        tokens: shape (users, branches); likewise ``parents``.
    """

    tokens: Tensor
    parents: Tensor


def taken_down(backbone: Scorer, tree: Tree, frontier: Frontier) -> Beams:
    """The items that a frontier finds when it goes through all levels of its trie."""
    head = backbone.head_rows()
    # A copy: passes of a fixed size write over what they gave before.
    states = tree.hidden[:, 0].float().clone()
    while True:
        logits = backbone.level_logits(tree.hidden, frontier.level, head)
        frontier.advance(torch.log_softmax(logits, dim=-1))
        if frontier.done:
            return replace(frontier.finish(), states=states)
        tree.follow(frontier)


def tokens_at(backbone: Scorer, level: int, codes: Tensor) -> Tensor:
    """Token ids of codes of a level, shaped as they are."""
    return backbone.token_ids[codes + sum(backbone.codebook_sizes[:level])]


class Prefilled:
    """Prompts and the beams after them, in one cache.

    What all prompts begin with, such as an instruction, is computed once for all where that pays;
    the rest is padded on the left.

    Attributes:
        hidden: the state after each live beam, shape (users, width, hidden size).
    """

    def __init__(self, backbone: Scorer, prompts: Sequence[Sequence[int]]) -> None:
        self.backbone, device = backbone, backbone.device
        # How many tokens more in one pass cost as much as a further pass does.
        self.pass_tokens = PASS_CPU if device.type == "cpu" else PASS_GPU
        users = len(prompts)
        # Layers of the plain kind for every layer: a sliding cache would drop what beams need.
        self.cache = DynamicCache()
        start = self._shared(prompts)
        ids, real, positions = left_padded([prompt[start:] for prompt in prompts], device)
        positions = positions + start
        self.real, self.positions = real, positions
        if start:
            before = torch.arange(start, device=device).expand(users, -1)
            self.positions = torch.cat([before, positions], dim=1)
            self.real = torch.cat([torch.ones_like(before, dtype=torch.bool), real], dim=1)
        self.lengths = positions[:, -1:] + 1
        output = backbone.hidden_states(
            alone=True,
            input_ids=ids,
            attention_mask=self.real.long(),
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.hidden = output.last_hidden_state[:, -1:]
        self.depth = 0
        # What is computed of levels that are not chosen yet, and which nodes it is of.
        self._ahead: list[tuple[Tensor, Tensor]] = []
        self._nodes_ahead: list[Ahead] = []
        # visible[u, w, c]: whether beam w of user u may see the beam token in cache column c.
        self.visible = torch.zeros(users, 1, 0, dtype=torch.bool, device=device)
        self.column_depths = torch.zeros(0, dtype=torch.long, device=device)

    def _shared(self, prompts: Sequence[Sequence[int]]) -> int:
        """Computes what all prompts begin with, if that pays; returns its number of tokens."""
        start = common_start(prompts)
        pays = start * (len(prompts) - 1) > self.pass_tokens
        # A window counts columns, and padding would stand between the start and the rest.
        if not pays or self.backbone.sliding_window is not None:
            return 0
        ids = torch.tensor([list(prompts[0][:start])], device=self.backbone.device)
        self.backbone.hidden_states(
            alone=True, input_ids=ids, past_key_values=self.cache, use_cache=True
        )
        self.cache.batch_repeat_interleave(len(prompts))
        return start

    def follow(self, frontier: Frontier) -> None:
        """See ``Tree``; takes what was computed ahead, and looks ahead where there is nothing."""
        if self._nodes_ahead:
            self.take(self._nodes_ahead.pop(0).places(frontier.nodes))
            return
        self._nodes_ahead = frontier.ahead(self.pass_tokens, QUERIES)
        self.grow(
            tokens_at(self.backbone, frontier.level - 1, frontier.codes),
            frontier.parents,
            last=frontier.level + 1 == frontier.trie.levels,
            ahead=[
                Branches(tokens_at(self.backbone, level, one.codes), one.parents)
                for level, one in enumerate(self._nodes_ahead, frontier.level)
            ],
        )

    def grow(
        self, tokens: Tensor, parents: Tensor, *, last: bool, ahead: Sequence[Branches] = ()
    ) -> None:
        """Adds one token to each beam.

        Args:
            tokens: shape (users, width).
            parents: the former beam that each goes on from, shape (users, width).
            last: whether no beam will grow from these.
            ahead: what each may grow by after them, level by level, to be computed with them.
        """
        columns = self.visible.shape[2]
        rows = self.visible.gather(1, parents[..., None].expand(-1, -1, columns))
        if tokens.shape[1] > QUERIES:
            self._grow_in_parts(tokens, rows, last=last)
            return
        every = [tokens, *(one.tokens for one in ahead)]
        widths = [each.shape[1] for each in every]
        rows = torch.nn.functional.pad(rows, (0, sum(widths)))
        seen, start = [], columns
        for number, width in enumerate(widths):
            if number:
                above = ahead[number - 1].parents[..., None].expand(-1, -1, rows.shape[2])
                rows = rows.gather(1, above)
            rows[:, :, start : start + width] |= self._own(width)
            seen.append(rows)
            start += width
        depths = torch.arange(len(widths), device=tokens.device) + self.depth
        own = depths.repeat_interleave(torch.tensor(widths, device=tokens.device))
        self.column_depths = torch.cat([self.column_depths, own])
        hidden = self._forward(
            torch.cat(every, dim=1), torch.cat(seen, dim=1), self.column_depths, own
        )
        states = hidden.split(widths, dim=1)
        self._ahead = list(zip(states[1:], seen[1:], strict=True))
        self.hidden, self.visible = states[0], seen[0]
        self.depth += 1

    def take(self, places: Tensor) -> None:
        """Goes on from tokens that were computed ahead, those of the next level.

        Args:
            places: of each beam's token among them, shape (users, width).
        """
        hidden, visible = self._ahead.pop(0)
        wide = places[..., None]
        self.hidden = hidden.gather(1, wide.expand(-1, -1, hidden.shape[2]))
        self.visible = visible.gather(1, wide.expand(-1, -1, visible.shape[2]))
        self.depth += 1

    def _grow_in_parts(self, tokens: Tensor, inherited: Tensor, *, last: bool) -> None:
        width, columns = tokens.shape[1], inherited.shape[2]
        own, hidden = self._own(width).expand(len(tokens), -1, -1), []
        for start in range(0, width, QUERIES):
            part = slice(start, min(start + QUERIES, width))
            first = start if last else 0
            visible = torch.cat([inherited[:, part], own[:, part, first : part.stop]], dim=2)
            depths = torch.nn.functional.pad(
                self.column_depths, (0, part.stop - first), value=self.depth
            )
            here = depths.new_full((part.stop - part.start,), self.depth)
            hidden.append(self._forward(tokens[:, part], visible, depths, here))
            if last and part.stop < width:
                self.cache.crop(self.real.shape[1] + columns)
        self.hidden = torch.cat(hidden, dim=1)
        self.visible = torch.cat([inherited, own], dim=2)
        self.column_depths = torch.nn.functional.pad(
            self.column_depths, (0, width), value=self.depth
        )
        self.depth += 1

    def _own(self, width: int) -> Tensor:
        return torch.eye(width, dtype=torch.bool, device=self.backbone.device)

    def _forward(self, tokens: Tensor, visible: Tensor, columns: Tensor, own: Tensor) -> Tensor:
        """Hidden states of tokens behind the prompts.

        Args:
            visible: which columns behind the prompts each sees, shape (users, tokens, columns).
            columns: how many tokens behind the prompt each column is, shape (columns,).
            own: the same of the tokens.
        """
        width = tokens.shape[1]
        seen = torch.cat([self.real[:, None, :].expand(-1, width, -1), visible], dim=2)
        backbone, mask = self.backbone, self._additive(seen)
        window, here = backbone.sliding_window, self.lengths + own
        if window is not None:
            positions = torch.cat([self.positions, self.lengths + columns], dim=1)
            near = here[:, :, None] - positions[:, None, :] < window
            sliding = self._additive(seen & near)
            both = {"full_attention": mask, "sliding_attention": sliding}
            mask = both if backbone.mixes_windows else sliding
        output = backbone.hidden_states(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=here,
            past_key_values=self.cache,
            use_cache=True,
        )
        return output.last_hidden_state

    def _additive(self, seen: Tensor) -> Any:
        dtype = self.hidden.dtype
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def common_start(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, short of the last of any."""
    first, last = min(prompts, key=list), max(prompts, key=list)
    most = min(map(len, prompts)) - 1
    same = (n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return min(most, next(same, most))


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
def last_states(
    backbone: Scorer, prompts: Sequence[Sequence[int]], *, batch_size: int = 64
) -> Tensor:
    """The hidden state after each prompt, shape (prompts, hidden size), float32, on the CPU.

    Args:
        prompts: token ids, at least one each.
        batch_size: prompts at a time.
    """
    states = []
    for start in range(0, len(prompts), batch_size):
        ids, real, positions = left_padded(prompts[start : start + batch_size], backbone.device)
        output = backbone.hidden_states(
            alone=True,
            input_ids=ids,
            attention_mask=real.long(),
            position_ids=positions,
            use_cache=False,
        )
        states.append(output.last_hidden_state[:, -1].float().cpu())
    return torch.cat(states)
