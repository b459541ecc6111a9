"""Legal continuations of a partial semantic ID, as flat tensors. Knows codes and item positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genrec.errors import InputError


@dataclass(frozen=True)
class Trie:
    """All semantic IDs as a tree, level by level, children in CSR form.

    Nodes of one depth are numbered in the order of their codes; the root is node 0 of depth 0 and
    the nodes of the last depth are the items. The children of node ``i`` at depth ``d`` are the
    nodes ``starts[d][i]`` to ``starts[d][i + 1] - 1`` of depth ``d + 1``.

    Attributes:
        starts: one per depth 0 … levels - 1, shape (nodes + 1,), int64.
        codes: one per depth 1 … levels, shape (nodes,), int64: the last code of each node.
        leaf_ranges: one per depth 1 … levels, shape (nodes + 1,), int64: the leaves below a node.
        items: catalogue position of each leaf, shape (items,), int64.
    """

    starts: list[Tensor]
    codes: list[Tensor]
    leaf_ranges: list[Tensor]
    items: Tensor

    @staticmethod
    def build(codes: np.ndarray, positions: np.ndarray | None = None) -> Trie:
        """The trie of these items.

        Args:
            codes: shape (items, levels), distinct rows.
            positions: catalogue position of each row; 0, 1, 2, … when left out.

        Raises:
            InputError: no items, or two with the same codes.
        """
        if not len(codes):
            raise InputError("A trie needs at least one item.")
        order = np.lexsort(codes.T[::-1])
        rows = np.asarray(codes, np.int64)[order]
        new = np.ones(len(rows), bool)
        starts, node_codes, leaf_ranges = [], [], []
        opened = np.array([0, len(rows)])
        first = np.zeros(len(rows), bool)
        first[0] = True
        for level in range(rows.shape[1]):
            new = first.copy()
            new[1:] |= rows[1:, level] != rows[:-1, level]
            bounds = np.append(np.flatnonzero(new), len(rows))
            starts.append(np.searchsorted(bounds, opened))
            node_codes.append(rows[bounds[:-1], level])
            leaf_ranges.append(bounds)
            opened, first = bounds, new
        if not new.all():
            raise InputError("Two items have the same semantic ID; resolve the collisions first.")
        held = order if positions is None else np.asarray(positions)[order]
        return Trie(
            [torch.from_numpy(start) for start in starts],
            [torch.from_numpy(code) for code in node_codes],
            [torch.from_numpy(bounds) for bounds in leaf_ranges],
            torch.from_numpy(held.astype(np.int64)),
        )

    @property
    def levels(self) -> int:
        return len(self.codes)

    @cached_property
    def widest(self) -> list[int]:
        """The largest number of children of any node at each depth."""
        return [int((start[1:] - start[:-1]).max()) for start in self.starts]

    def to(self, device: torch.device) -> Trie:
        """The same trie on another device."""
        if self.items.device == device:
            return self
        return Trie(
            [start.to(device) for start in self.starts],
            [code.to(device) for code in self.codes],
            [bounds.to(device) for bounds in self.leaf_ranges],
            self.items.to(device),
        )

    def fold(self, allowed: Tensor) -> list[Tensor]:
        """Which nodes lead to an allowed item.

        Args:
            allowed: bool over catalogue positions, shape (users or 1, catalogue).

        Returns:
            One per depth 1 … levels, bool, shape (users or 1, nodes).
        """
        leaves = allowed[:, self.items].long()
        before = torch.nn.functional.pad(leaves.cumsum(1), (1, 0))
        return [before[:, r[1:]] > before[:, r[:-1]] for r in self.leaf_ranges]

    def children(self, depth: int, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The children of nodes at a depth, padded to the widest.

        Args:
            nodes: shape (users, beams).

        Returns:
            Child nodes, their codes, and which of them exist; shape (users, beams, widest).
        """
        start, end = self.starts[depth][nodes], self.starts[depth][nodes + 1]
        child = start[..., None] + torch.arange(self.widest[depth], device=nodes.device)
        exists = child < end[..., None]
        child = child.clamp(max=len(self.codes[depth]) - 1)
        return child, self.codes[depth][child], exists
