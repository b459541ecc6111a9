"""The best items of a catalogue too large to score whole, along a graph of items with like codes.

Items whose codes point the same way have like scores for every user. So from some good items, the
better ones are found among their neighbours (graph-constrained decoding of Hou et al. 2025,
"Generating long semantic IDs in parallel for recommendation"; here each user starts from the items
that hold the codes they find most likely). Knows codes and directions, not users or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genrec.decoding.frontier import NEVER, Beams

# Of each level, so many of the most likely codes give starting points.
_CODES = 4
_ROUNDS = 20


@dataclass(frozen=True)
class CodeGraph:
    """Neighbours of each item, and items that hold each code.

    Attributes:
        neighbours: positions, shape (items, neighbours), int64.
        holders: some items that hold each code of each level, -1 where there are fewer; shape
            (codes of all levels, holders), int64.
        offsets: number of the first code of each level.
    """

    neighbours: Tensor
    holders: Tensor
    offsets: tuple[int, ...]

    @staticmethod
    def build(
        codes: np.ndarray,
        codebook_sizes: Sequence[int],
        directions: np.ndarray,
        neighbours: int,
        *,
        holders: int = 8,
    ) -> CodeGraph:
        """The graph of these items.

        Args:
            codes: shape (items, levels).
            directions: of each code, level by level, shape (codes, width); the likeness of two
                items is the sum over levels of their codes' cosines.
            neighbours: of each item; its opposites are no neighbours.
            holders: items kept for each code.
        """
        import faiss

        offsets = np.concatenate([[0], np.cumsum(codebook_sizes)[:-1]]).astype(np.int64)
        tokens = codes.astype(np.int64) + offsets
        unit = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
        # A fixed random projection of each level keeps inner products well enough to choose by.
        width = max(8, min(unit.shape[1], 1024 // codes.shape[1]))
        turn = np.random.default_rng(0).normal(size=(len(offsets), unit.shape[1], width))
        ends = [*offsets[1:], len(unit)]
        parts = [
            (unit[start:end] @ turn[level])[codes[:, level]]
            for level, (start, end) in enumerate(zip(offsets, ends, strict=True))
        ]
        points = np.ascontiguousarray(np.concatenate(parts, axis=1), np.float32)
        faiss.normalize_L2(points)
        count = min(neighbours + 1, len(points))
        index = faiss.IndexHNSWFlat(points.shape[1], 16) if len(points) > 100_000 else None
        if index is None:
            _, near = faiss.knn(points, points, count)
        else:
            index.add(points)
            _, near = index.search(points, count)
        held = np.full((len(unit), holders), -1, np.int64)
        for level in range(codes.shape[1]):
            order = np.random.default_rng(level).permutation(len(codes))
            order = order[np.argsort(tokens[order, level], kind="stable")]
            column = tokens[order, level]
            # How many items before it, in this order, hold its code.
            place = np.arange(len(order)) - np.searchsorted(column, column)
            kept = place < holders
            held[column[kept], place[kept]] = order[kept]
        return CodeGraph(
            torch.from_numpy(near.astype(np.int64)), torch.from_numpy(held), tuple(offsets.tolist())
        )

    def best_items(
        self,
        chances: Sequence[Tensor],
        codes: Tensor,
        beams: int,
        *,
        explored: int,
        allowed: np.ndarray | None = None,
    ) -> Beams:
        """The items of the highest summed log-probability that the walk meets.

        Items that are not allowed are walked through, and never come back.

        Args:
            chances: log-probabilities of each level's codes, shape (users, codes of the level).
            codes: int64, shape (items, levels).
            explored: items whose neighbours are looked at, each round; wider misses fewer.
            allowed: bool, shape (users, items).
        """
        users, device = len(chances[0]), codes.device
        items = torch.full((users, beams), -1, device=device)
        scores = torch.full((users, beams), NEVER, dtype=torch.float32, device=device)
        for user in range(users):
            own = [row[user] for row in chances]
            mask = None if allowed is None else torch.from_numpy(allowed[user]).to(device)
            found, values = self._walk(own, codes, max(explored, beams), mask)
            width = min(beams, len(found))
            items[user, :width], scores[user, :width] = found[:width], values[:width]
        return Beams(items, scores)

    def _walk(
        self, chances: list[Tensor], codes: Tensor, explored: int, allowed: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        device = codes.device
        neighbours, holders = self.neighbours.to(device), self.holders.to(device)
        likely = [
            offset + row.topk(min(_CODES, len(row))).indices
            for offset, row in zip(self.offsets, chances, strict=True)
        ]
        seeds = holders[torch.cat(likely)].flatten()
        front = seeds[seeds >= 0].unique()
        known = front
        values = _scores(chances, codes, known)
        expanded = torch.zeros(len(codes), dtype=torch.bool, device=device)
        met = torch.zeros(len(codes), dtype=torch.bool, device=device)
        met[known] = True
        for _ in range(_ROUNDS):
            # The best allowed ones are walked from too, where the rules leave few.
            leaders = known[values.topk(min(explored, len(known))).indices]
            if allowed is not None:
                open_values = values.masked_fill(~allowed[known], NEVER)
                more = known[open_values.topk(min(explored, len(known))).indices]
                leaders = torch.cat([leaders, more]).unique()
            leaders = leaders[~expanded[leaders]]
            if not len(leaders):
                break
            expanded[leaders] = True
            new = neighbours[leaders].flatten()
            new = new[new >= 0].unique()
            new = new[~met[new]]
            met[new] = True
            known = torch.cat([known, new])
            values = torch.cat([values, _scores(chances, codes, new)])
        offered = len(codes) if allowed is None else int(allowed.sum())
        met_offered = len(known) if allowed is None else int(allowed[known].sum())
        if met_offered < min(explored, offered):
            # The walk missed some of few: they are scored whole.
            known = torch.arange(len(codes), device=device)
            known = known if allowed is None else known[allowed]
            values = _scores(chances, codes, known)
        elif allowed is not None:
            kept = allowed[known]
            known, values = known[kept], values[kept]
        # Equal scores go to the lower position.
        known, order = known.sort()
        values, order = values[order].sort(descending=True, stable=True)
        return known[order], values


def _scores(chances: list[Tensor], codes: Tensor, items: Tensor) -> Tensor:
    total = torch.zeros(len(items), dtype=torch.float32, device=codes.device)
    for level, row in enumerate(chances):
        total += row[codes[items, level]]
    return total
