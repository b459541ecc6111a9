"""Legal continuations of a partial semantic ID, as flat tensors. Knows codes and item positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from genrec.data.reading import reading
from genrec.errors import InputError
from genrec.workspace import open_artefact, write_artefact

_FILE = "trie.safetensors"


@dataclass(frozen=True)
class Trie:
    """All semantic IDs as a tree, level by level, children in CSR form.

    Nodes of one depth are numbered in the order of their codes; the root is node 0 of depth 0 and
    the nodes of the last depth are the items. The children of node ``i`` at depth ``d`` are the
    nodes ``starts[d][i]`` to ``starts[d][i + 1] - 1`` of depth ``d + 1``.

    Attributes:
        starts: one per depth 0 … levels - 1, shape (nodes + 1,), int32.
        codes: one per depth 1 … levels, shape (nodes,), int32: the last code of each node.
        leaf_ranges: one per depth 1 … levels - 1, shape (nodes + 1,), int32: the leaves below a
            node. A node of the last depth is a leaf.
        items: catalogue position of each leaf, shape (items,), int32.
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
        order = _order(np.asarray(codes))
        starts, node_codes, leaf_ranges = [], [], []
        opened = np.array([0, len(codes)], np.int32)
        first = np.zeros(len(codes), bool)
        first[0] = True
        for level in range(codes.shape[1]):
            column = np.asarray(codes[:, level], np.int32)[order]
            first[1:] |= column[1:] != column[:-1]
            bounds = np.append(np.flatnonzero(first), len(codes)).astype(np.int32)
            starts.append(np.searchsorted(bounds, opened).astype(np.int32))
            node_codes.append(column[bounds[:-1]])
            leaf_ranges.append(bounds)
            opened = bounds
        if not first.all():
            raise InputError("Two items have the same semantic ID; resolve the collisions first.")
        held = order if positions is None else np.asarray(positions)[order]
        return Trie(
            [torch.from_numpy(start) for start in starts],
            [torch.from_numpy(code) for code in node_codes],
            [torch.from_numpy(bounds) for bounds in leaf_ranges[:-1]],
            torch.from_numpy(held.astype(np.int32)),
        )

    @property
    def levels(self) -> int:
        return len(self.codes)

    @cached_property
    def widest(self) -> list[int]:
        """The largest number of children of any node at each depth."""
        return [int((start[1:] - start[:-1]).max()) for start in self.starts]

    @property
    def megabytes(self) -> float:
        """Memory that it takes."""
        tensors = [*self.starts, *self.codes, *self.leaf_ranges, self.items]
        return sum(tensor.nbytes for tensor in tensors) / 1e6

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

    def save(self, folder: Path) -> None:
        """Writes it as a whole or not at all."""
        with write_artefact(folder, "trie", levels=self.levels) as temporary:
            named = {"items": self.items}
            for name in ("starts", "codes", "leaf_ranges"):
                for depth, tensor in enumerate(getattr(self, name)):
                    named[f"{name}.{depth}"] = tensor
            save_file({name: t.cpu().contiguous() for name, t in named.items()}, temporary / _FILE)

    @staticmethod
    def load(folder: Path) -> Trie:
        """Reads what ``save`` wrote.

        Raises:
            ArtefactError: missing, truncated or changed.
        """
        about = open_artefact(folder, "trie")
        with reading(folder, "trie", then="Build it again."):
            levels = int(about["levels"])
            held = load_file(folder / _FILE)
            return Trie(
                [held[f"starts.{depth}"] for depth in range(levels)],
                [held[f"codes.{depth}"] for depth in range(levels)],
                [held[f"leaf_ranges.{depth}"] for depth in range(levels - 1)],
                held["items"],
            )

    def children(self, depth: int, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The children of nodes at a depth, padded to the widest.

        Args:
            nodes: shape (users, beams), int64.

        Returns:
            Child nodes and their codes, int64, and which of them exist, bool; shape (users,
            beams, widest).
        """
        start, end = self.starts[depth][nodes], self.starts[depth][nodes + 1]
        child = start[..., None] + torch.arange(
            self.widest[depth], dtype=torch.int32, device=nodes.device
        )
        exists = child < end[..., None]
        child = child.clamp(max=len(self.codes[depth]) - 1).long()
        return child, self.codes[depth][child].long(), exists

    def child(self, depth: int, nodes: Tensor, codes: Tensor) -> Tensor:
        """The child that a code leads to from each node of a depth; any node where there is none.

        Args:
            nodes: int64, any shape; likewise ``codes``.
        """
        keys, codes_below = self._keys[depth]
        wanted = nodes * codes_below + codes.clamp(max=codes_below - 1)
        return torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)

    @cached_property
    def _keys(self) -> list[tuple[Tensor, int]]:
        """Parent and code of the nodes of each depth as one rising number, and how codes count."""
        found = []
        for start, code in zip(self.starts, self.codes, strict=True):
            parents = torch.arange(len(start) - 1, device=start.device)
            codes_below = int(code.max()) + 1
            above = parents.repeat_interleave((start[1:] - start[:-1]).long())
            found.append((above * codes_below + code.long(), codes_below))
        return found

    def leaves_below(self, counts: Tensor) -> list[Tensor]:
        """Sums over the leaves below each node.

        Args:
            counts: a number for each leaf, bool or int32, shape (items,).

        Returns:
            One per depth 1 … levels - 1, int32, shape (nodes,).
        """
        if not self.leaf_ranges:
            return []
        before = torch.zeros(len(counts) + 1, dtype=torch.int32, device=counts.device)
        torch.cumsum(counts, 0, dtype=torch.int32, out=before[1:])
        return [before[bounds].diff() for bounds in self.leaf_ranges]

    @cached_property
    def leaf_of_item(self) -> Tensor:
        """The leaf of each catalogue position, int32; -1 for positions without one."""
        leaves = torch.full(
            (int(self.items.max()) + 1,), -1, dtype=torch.int32, device=self.items.device
        )
        leaves[self.items] = torch.arange(
            len(self.items), dtype=torch.int32, device=self.items.device
        )
        return leaves


def among_legal(logits: Tensor, codes: Tensor, exists: Tensor) -> Tensor:
    """Log-probabilities of children by their codes, among those that exist.

    Args:
        logits: of a level's codes, shape (…, codes of the level).
        codes: of the children, as of ``Trie.children``, shape (…, children).
        exists: bool, shape (…, children); where none does, all get the same finite value.

    Returns:
        Shape (…, children); what does not exist has next to no probability.
    """
    legal = logits.gather(-1, codes).masked_fill(~exists, torch.finfo(logits.dtype).min)
    return torch.log_softmax(legal, dim=-1)


def _order(codes: np.ndarray) -> np.ndarray:
    """Rows in the order of their codes, int32; one sort of packed numbers where they fit."""
    bits = [max(int(column.max()).bit_length(), 1) for column in codes.T]
    if sum(bits) > 63 or codes.min() < 0:
        return np.lexsort(codes.T[::-1]).astype(np.int32)
    packed = np.zeros(len(codes), np.int64)
    for column, width in zip(codes.T, bits, strict=True):
        packed <<= width
        packed |= column.astype(np.int64)
    return np.argsort(packed, kind="stable").astype(np.int32)
