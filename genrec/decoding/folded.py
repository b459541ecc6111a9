"""Allowed items folded up a trie: which nodes still lead to one, for each user of a batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.decoding.trie import Trie


@dataclass(frozen=True)
class FoldedMask:
    """One bitmap over the nodes of every depth.

    Attributes:
        counts: allowed leaves below each node, one per depth 1 … levels - 1, int32.
        leaves: which leaves are allowed, bool, shape (items,).
    """

    counts: list[Tensor]
    leaves: Tensor


class FoldedTrie:
    """A trie with the bitmaps that were folded up it lately. Safe to share between threads.

    Args:
        keep: how many bitmaps with a key are kept; each takes one to a few bytes per item.
        normalise: whether the scores of items are shares of a whole ``level`` or of what is
            ``legal`` after the codes before, whatever rules leave of it. As in training.
    """

    def __init__(self, trie: Trie, *, keep: int = 64, normalise: str = "level") -> None:
        self.trie, self.keep, self.normalise = trie, keep, normalise
        self._kept: OrderedDict[str, FoldedMask] = OrderedDict()
        self._lock = threading.Lock()

    def to(self, device: torch.device) -> FoldedTrie:
        """The same on another device, with nothing kept yet."""
        if self.trie.items.device == device:
            return self
        return FoldedTrie(self.trie.to(device), keep=self.keep, normalise=self.normalise)

    def fold(self, allowed: np.ndarray, key: str | None = None) -> FoldedMask:
        """Folds a bitmap over catalogue positions; equal keys are folded once."""
        if key is not None:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
        trie = self.trie
        leaves = torch.from_numpy(allowed[trie.items.cpu().numpy()]).to(trie.items.device)
        folded = FoldedMask(trie.leaves_below(leaves), leaves)
        if key is not None:
            with self._lock:
                self._kept[key] = folded
                while len(self._kept) > self.keep:
                    self._kept.popitem(last=False)
        return folded

    @property
    def everything(self) -> FoldedMask:
        """The bitmap that allows all items."""
        found = self._kept.get("")
        return found or self.fold(np.ones(int(self.trie.items.max()) + 1, bool), "")


class FoldedRules:
    """The rules of a batch of users, ready to be asked level by level.

    A node is open when some allowed leaf below it is not excluded. Bitmaps are shared between
    users; what a user may not get beyond that is a short list of closed nodes per depth.
    """

    def __init__(self, folded: FoldedTrie, rules: AllowedItems) -> None:
        self.trie = folded.trie
        masks = [folded.fold(mask, key) for mask, key in zip(rules.masks, rules.keys, strict=True)]
        self._groups = [
            (mask, np.flatnonzero(rules.which == number)) for number, mask in enumerate(masks)
        ]
        self._closed = self._close(folded, masks, rules)

    def open(self, level: int, child: Tensor) -> Tensor | None:
        """Which children a bitmap leaves open, bool, shaped as ``child``; ``None``: all.

        Args:
            child: nodes of depth ``level + 1``, shape (users, beams, widest).
        """
        last = level + 1 == self.trie.levels
        if not self._groups:
            return None
        is_open = torch.ones_like(child, dtype=torch.bool)
        for mask, users in self._groups:
            below = mask.leaves if last else mask.counts[level]
            if len(users) == len(child):
                return below[child] > 0
            rows = torch.from_numpy(users).to(child.device)
            is_open[rows] = below[child[rows]] > 0
        return is_open

    def close(self, level: int, nodes: Tensor, exists: Tensor) -> None:
        """Strikes each user's closed nodes from ``exists``, in place.

        Args:
            nodes: of depth ``level``, shape (users, beams).
            exists: of their children, shape (users, beams, widest).
        """
        closed = self._closed[level]
        if closed is None:
            return
        parents, slots = closed
        # user, beam, entry: the beam that stands on the closed node's parent.
        user, beam, entry = (nodes[:, :, None] == parents[:, None, :]).nonzero(as_tuple=True)
        exists[user, beam, slots[user, entry]] = False

    def _close(
        self, folded: FoldedTrie, masks: list[FoldedMask], rules: AllowedItems
    ) -> list[tuple[Tensor, Tensor] | None]:
        trie, users = self.trie, len(rules.excluded)
        lengths = [len(off) for off in rules.excluded]
        if not any(lengths):
            return [None] * trie.levels
        items = np.concatenate([np.asarray(off, np.int64) for off in rules.excluded])
        owners = np.repeat(np.arange(users), lengths)
        leaf_of = trie.leaf_of_item.cpu().numpy()
        known = items < len(leaf_of)
        owners, leaves = owners[known], leaf_of[items[known]]
        known = leaves >= 0
        owners, leaves = _distinct(owners[known], leaves[known], len(trie.items))[:2]
        bitmaps = [
            (folded.everything if number < 0 else masks[number], rules.which[owners] == number)
            for number in np.unique(rules.which[owners]).tolist()
        ]
        is_open = np.zeros(len(leaves), bool)
        for mask, rows in bitmaps:
            is_open[rows] = _at(mask.leaves, leaves[rows])
        closed = []
        for depth, bounds in enumerate(trie.leaf_ranges):
            above = np.searchsorted(bounds.cpu().numpy(), leaves, side="right") - 1
            # Closed is a node whose open leaves are all among those that the user may not get.
            left = np.zeros(len(leaves), np.int64)
            for mask, rows in bitmaps:
                left[rows] = _at(mask.counts[depth], above[rows])
            owner, node, first, lost = _distinct(
                owners[is_open], above[is_open], int(trie.starts[depth][-1])
            )
            gone = left[is_open][first] <= lost
            closed.append(self._padded(depth, users, owner[gone], node[gone]))
        last = trie.levels - 1
        return [*closed, self._padded(last, users, owners[is_open], leaves[is_open])]

    def _padded(
        self, depth: int, users: int, owners: np.ndarray, nodes: np.ndarray
    ) -> tuple[Tensor, Tensor] | None:
        """Parents and slots of closed nodes below a depth, shape (users, most of a user).

        Args:
            owners: in ascending order.
        """
        if not len(owners):
            return None
        counts = np.bincount(owners, minlength=users)
        column = np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]
        parents = np.full((users, counts.max()), -1, np.int64)
        slots = np.zeros_like(parents)
        starts = self.trie.starts[depth].cpu().numpy()
        above = np.searchsorted(starts, nodes.astype(starts.dtype), side="right") - 1
        parents[owners, column] = above
        slots[owners, column] = nodes - starts[above]
        device = self.trie.items.device
        return torch.from_numpy(parents).to(device), torch.from_numpy(slots).to(device)


def _at(values: Tensor, places: np.ndarray) -> np.ndarray:
    """Some of the values, looked up where they lie."""
    found: np.ndarray = values[torch.from_numpy(places).to(values.device)].cpu().numpy()
    return found


def _distinct(
    owners: np.ndarray, nodes: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each node of an owner once, in order: owners, nodes, where it first stands, how often."""
    pairs = owners.astype(np.int64) * size + nodes
    found, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    owner, node = np.divmod(found, size)
    # Of another type, a search among a million nodes would first convert them all.
    return owner, node.astype(nodes.dtype), first, counts
