"""Cases with candidate items: a prompt, what was chosen after it, and how probable items are there.

Candidates of a case stand behind one copy of its prompt, each blind to the others, so that a group
of items costs its prompt once. Knows tokens, codes and the trie; knows nothing of rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.decoding.folded import FoldedRules, FoldedTrie
from genrec.decoding.trie import among_legal
from genrec.training.fit import Batch
from genrec.training.packing import IN_VIEW, packed_mask

NO_CANDIDATE = -1
# Where a candidate cannot be reached; finite, so that what multiplies it by 0 stays 0.
FLOOR = -1e4


@dataclass(frozen=True, slots=True)
class Case:
    """One place in a user's history.

    Attributes:
        prompt: vocabulary rows of the history before it, shape (tokens,), int64.
        targets: catalogue positions of what was chosen next, shape (targets,), int64, at least one.
        seen: catalogue positions in the history, shape (items,), int64.
        group: number of the group that the prompt was written for; -1 for none.
    """

    prompt: np.ndarray
    targets: np.ndarray
    seen: np.ndarray
    group: int = -1


class CodeScorer(Protocol):
    """What scoring needs of a backbone."""

    token_ids: Tensor
    codebook_sizes: tuple[int, ...]

    @property
    def device(self) -> torch.device: ...

    def embed(self, input_ids: Tensor) -> Tensor: ...

    def hidden_states(self, **inputs: Any) -> Any: ...

    def head_rows(self) -> Tensor: ...

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor: ...

    def in_domains(self, domains: Tensor) -> Any: ...


class Draw(Protocol):
    """Finds items after prompts under the trie: the best ones, or drawn ones."""

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        groups: np.ndarray,
        n: int,
        rules: AllowedItems,
        *,
        temperature: float | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Catalogue positions, shape (prompts, n), int64, distinct in a row; -1 where fewer.

        Args:
            groups: of the prompts, shape (prompts,).
            temperature: of draws without replacement; ``None`` takes the most probable.
        """
        ...


def collate_cases(cases: Sequence[Case]) -> Batch:
    """Cases -> ``prompts`` and ``targets``, ``seen``, padded with -1, and ``groups``."""
    return {
        "prompts": _padded([case.prompt for case in cases]),
        "targets": _padded([case.targets for case in cases]),
        "seen": _padded([case.seen for case in cases]),
        "groups": torch.tensor([case.group for case in cases]),
    }


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    full = torch.full((len(rows), max(1, *map(len, rows))), -1, dtype=torch.long)
    for place, row in enumerate(rows):
        full[place, : len(row)] = torch.from_numpy(np.asarray(row, np.int64))
    return full


def ragged(padded: Tensor) -> list[np.ndarray]:
    """The rows of a batch's tensor without their padding."""
    return [row[row >= 0] for row in padded.cpu().numpy()]


def prompts_of(batch: Batch) -> list[list[int]]:
    """The prompts of a batch as lists."""
    return [row.tolist() for row in ragged(batch["prompts"])]


class CandidateScores:
    """Log-probabilities of items after prompts, with gradients.

    Args:
        trie: of the catalogue.
        codes: semantic ID of each catalogue position, shape (items, levels).
    """

    def __init__(self, trie: FoldedTrie, codes: np.ndarray) -> None:
        self.folded = trie
        self.codes = torch.from_numpy(np.asarray(codes, np.int64))
        self.nodes = _nodes_above(trie, self.codes)

    def __call__(
        self,
        backbone: CodeScorer,
        batch: Batch,
        items: Tensor,
        *,
        normalise: str = "legal",
        rules: AllowedItems | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Log-probability of each code, shape (cases, candidates, levels), float32.

        Args:
            items: catalogue positions, shape (cases, candidates), -1 for none, whose values are 0.
            normalise: over ``legal`` continuations of the trie, or over the whole ``level``.
            rules: items that each case may get; a continuation that leads to none is not legal.
            temperature: logits are divided by it.
        """
        device = backbone.device
        self.folded = self.folded.to(device)
        known = items >= 0
        rows = items.clamp(min=0).cpu()
        codes = self.codes[rows].to(device)
        hidden = self._states(backbone, batch, codes)
        head = backbone.head_rows()
        follow = None
        if rules is not None and not rules.is_everything:
            follow = FoldedRules(self.folded, rules)
        found = []
        for level in range(codes.shape[2]):
            # All candidates start from the one state after the prompt.
            state = hidden[:, :1].expand(-1, codes.shape[1], -1)
            if level:
                state = hidden[:, level :: codes.shape[2] - 1]
            logits = backbone.level_logits(state, level, head) / temperature
            own = codes[:, :, level]
            if normalise == "level":
                chances = torch.log_softmax(logits, dim=-1)
                found.append(chances.gather(2, own[..., None])[..., 0])
                continue
            nodes = self.nodes[level][rows].to(device)
            child, code, exists = self.folded.trie.children(level, nodes)
            if follow is not None:
                is_open = follow.open(level, child)
                if is_open is not None:
                    exists &= is_open
                follow.close(level, nodes, exists)
            chances = among_legal(logits, code, exists)
            here = (code == own[..., None]) & exists
            picked = chances.masked_fill(~here, 0.0).sum(dim=-1)
            found.append(torch.where(here.any(dim=-1), picked, torch.full_like(picked, FLOOR)))
        whole = torch.stack(found, dim=-1)
        return whole.masked_fill(~known.to(device)[..., None], 0.0)

    def _states(self, backbone: CodeScorer, batch: Batch, codes: Tensor) -> Tensor:
        """The state after each prompt and after each code but the last.

        Returns:
            Shape (cases, 1 + candidates * (levels - 1), width), candidate after candidate.
        """
        device = backbone.device
        prompts = batch["prompts"].to(device)
        cases, longest = prompts.shape
        lengths = (prompts >= 0).sum(dim=1)
        width = codes.shape[2] - 1
        offsets = torch.tensor(np.cumsum([0, *backbone.codebook_sizes[:-1]]), device=device)
        tokens = backbone.token_ids[(codes + offsets)[:, :, :width].flatten(1)]
        chains = torch.arange(codes.shape[1], device=device).repeat_interleave(width)
        depths = torch.arange(width, device=device).repeat(codes.shape[1])
        ids = torch.cat([prompts.clamp(min=0), tokens], dim=1)
        segments = torch.zeros_like(ids)
        segments[:, :longest] = torch.where(prompts >= 0, 0, -1)
        places = torch.arange(longest, device=device).expand(cases, -1)
        positions = torch.cat([places, lengths[:, None] + depths], dim=1)
        linked = torch.full((longest,), IN_VIEW, device=device)
        embeddings = backbone.embed(ids)
        hidden = backbone.hidden_states(
            inputs_embeds=embeddings,
            attention_mask=packed_mask(
                segments, embeddings.dtype, torch.cat([linked, chains]).expand(cases, -1)
            ),
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        last = hidden[torch.arange(cases, device=device), lengths - 1]
        return torch.cat([last[:, None], hidden[:, longest:]], dim=1)


def _nodes_above(folded: FoldedTrie, codes: Tensor) -> list[Tensor]:
    """The node of each depth that an item's next code grows from, one per level, shape (items,).

    Items that the trie does not have get the root's.
    """
    trie = folded.trie
    leaves = trie.leaf_of_item.long().cpu()
    of_item = torch.full((len(codes),), -1, dtype=torch.long)
    of_item[: len(leaves)] = leaves
    found = [torch.zeros(len(codes), dtype=torch.long)]
    for bounds in trie.leaf_ranges:
        node = torch.searchsorted(bounds.cpu().long(), of_item.clamp(min=0), right=True) - 1
        found.append(node)
    return found
