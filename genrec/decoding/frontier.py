"""Which branches of the trie live on: selection only, whatever model the probabilities are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genrec.data.allowed import AllowedItems
from genrec.decoding.folded import FoldedRules, FoldedTrie
from genrec.decoding.options import DecodeConfig

NEVER = float("-inf")
# So many times the tokens that a pass costs are computed anyway: one pass more hardly counts.
MANY = 16


@dataclass(frozen=True)
class Beams:
    """Finished beams of many users, best first.

    Attributes:
        items: catalogue positions, shape (users, beams), int64; -1 where there are fewer items.
        scores: log-probabilities, shape (users, beams), float32; -inf where there is no item.
            Of ``sample``: perturbed ones, in the order of the draw.
        states: the state after each prompt, shape (users, hidden size), float32, on the CPU;
            ``None`` where what runs the LLM keeps it to itself.
    """

    items: Tensor
    scores: Tensor
    states: Tensor | None = None


@dataclass(frozen=True)
class Ahead:
    """All nodes that the beams of a batch of users may come to at one depth.

    Attributes:
        nodes: shape (users, nodes), int64; -1 where a user has fewer.
        codes: the last code of each.
        parents: the beam that each is a child of; or, one depth further down, the node before it.
    """

    nodes: Tensor
    codes: Tensor
    parents: Tensor

    def places(self, nodes: Tensor) -> Tensor:
        """Where some of the nodes stand; anywhere for others."""
        return (nodes[:, :, None] == self.nodes[:, None, :]).int().argmax(dim=2)


class Frontier:
    """The live beams of a batch of users, level by level.

    When as many allowed items as beams exist, that many come back: at each level either every
    node that leads to an allowed item is kept, or ``beams`` of them are.

    Args:
        folded: the trie, on the device of the probabilities.
        rules: which items each user may get; ``None``: all.
        seeds: of each user's draw, for ``sample``.

    Attributes:
        codes: code chosen last by each beam, shape (users, width).
        parents: which former beam it came from, shape (users, width).
        alive: whether the beam is real, bool, shape (users, width).
        level: how many levels are chosen.
    """

    def __init__(
        self,
        folded: FoldedTrie,
        users: int,
        beams: int,
        *,
        rules: AllowedItems | None = None,
        config: DecodeConfig | None = None,
        seeds: Sequence[int] | None = None,
    ) -> None:
        self.trie, self.beams, self.config = folded.trie, beams, config or DecodeConfig()
        self.normalise = folded.normalise
        device = self.trie.items.device
        self.rules = None if rules is None or rules.is_everything else FoldedRules(folded, rules)
        self.level = 0
        self.nodes = torch.zeros(users, 1, dtype=torch.long, device=device)
        self.scores = torch.zeros(users, 1, dtype=torch.float32, device=device)
        self.codes = self.parents = self.nodes
        self.alive = torch.ones(users, 1, dtype=torch.bool, device=device)
        # For draws: log-probabilities among open branches, and the same with their noise.
        self._local = self._drawn = self.scores
        self._generators: list[torch.Generator] = []
        if self.config.strategy == "sample":
            seeds = range(users) if seeds is None else seeds
            for seed in seeds:
                self._generators.append(torch.Generator().manual_seed(self.config.seed + seed))

    @property
    def done(self) -> bool:
        return self.level == self.trie.levels

    def advance(self, log_probabilities: Tensor) -> None:
        """Goes down one level.

        Args:
            log_probabilities: of the level's codes after each beam, float32, shape (users, width,
                codes of the level), normalised over them.
        """
        child, code, exists = self.trie.children(self.level, self.nodes)
        gain = log_probabilities.gather(2, code)
        if self.normalise == "legal":
            of_all = gain.masked_fill(~exists, NEVER).logsumexp(dim=2, keepdim=True)
            gain = gain - of_all.clamp(min=torch.finfo(gain.dtype).min)  # dead beams have nothing
        self._keep_open(self.level, self.nodes, child, exists)
        scored = (self.scores[..., None] + gain).masked_fill_(~exists, NEVER)
        order = local = drawn = scored
        if self.config.strategy == "diverse":
            # Li and Jurafsky 2016, "A Simple, Fast Diverse Decoding Algorithm".
            ranks = scored.sort(dim=2, descending=True, stable=True).indices.argsort(dim=2)
            order = scored - self.config.diversity * ranks
        elif self.config.strategy == "sample":
            local, drawn = self._draw(gain.masked_fill(~exists, NEVER))
            order = drawn
        width = min(self.beams, scored.shape[1] * scored.shape[2])
        _, best = order.flatten(1).topk(width, dim=1)
        self.parents = best // child.shape[2]
        self.scores = scored.flatten(1).gather(1, best)
        if self._generators:
            self._local = local.flatten(1).gather(1, best)
            self._drawn = drawn.flatten(1).gather(1, best)
        self.nodes = child.flatten(1).gather(1, best)
        self.codes = code.flatten(1).gather(1, best)
        self.alive = self.scores > NEVER
        self.level += 1

    def _keep_open(self, level: int, nodes: Tensor, child: Tensor, exists: Tensor) -> None:
        """Strikes what rules forbid from the children of nodes of a depth, in place."""
        if self.rules is not None:
            is_open = self.rules.open(level, child)
            if is_open is not None:
                exists &= is_open
            self.rules.close(level, nodes, exists)

    def ahead(self, worth: int, most: int) -> list[Ahead]:
        """What the beams may come to, level by level, as far down as it is worth to look.

        Where branches are few, all of them can be computed together with the beams that they
        grow from, and later levels need no pass of their own. The last level is never among them:
        no state after a whole item is needed.

        Args:
            worth: nodes of a level, of all users together, that may be computed and not chosen.
                Where many times as many are computed anyway, a pass saved is next to nothing.
            most: nodes of one user in all, its beams among them.
        """
        found: list[Ahead] = []
        nodes, alive = self.nodes, self.alive
        users, computed = nodes.shape
        for level in range(self.level, self.trie.levels - 1):
            child, code, exists = self.trie.children(level, nodes)
            exists &= alive[..., None]
            self._keep_open(level, nodes, child, exists)
            there = exists.flatten(1)
            widest = int(there.sum(dim=1).max())
            computed += widest
            if (
                not widest
                or users * (widest - self.beams) > worth
                or users * computed > MANY * worth
                or computed > most
            ):
                break
            # The open ones first, in their order.
            order = there.int().sort(dim=1, descending=True, stable=True).indices[:, :widest]
            alive = there.gather(1, order)
            nodes = child.flatten(1).gather(1, order)
            found.append(
                Ahead(
                    torch.where(alive, nodes, -1),
                    code.flatten(1).gather(1, order),
                    order // child.shape[2],
                )
            )
        return found

    def finish(self) -> Beams:
        """The items, after the last level."""
        scores = self._drawn if self._generators else self.scores
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        items = self.trie.items[self.nodes.gather(1, order)].long()
        items = torch.where(scores > NEVER, items, -1)
        missing = self.beams - items.shape[1]
        pad: Any = torch.nn.functional.pad
        return Beams(
            pad(items, (0, missing), value=-1), pad(scores, (0, missing), value=NEVER).float()
        )

    def _draw(self, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities among the open branches, and perturbed ones to choose by.

        The largest perturbed ones are a draw without replacement (Kool, van Hoof and Welling
        2019, "Stochastic Beams and Where to Find Them"): the Gumbel noise of children is
        conditioned on its maximum being the parent's.
        """
        is_open = (gain > NEVER) & self.alive[..., None]
        chances = torch.log_softmax(gain / self.config.temperature, dim=2)
        local = (self._local[..., None] + chances).masked_fill_(~is_open, NEVER)
        shape = gain.shape[1:]
        noise = torch.stack(
            [
                -torch.log(torch.empty(shape, dtype=torch.float32).exponential_(generator=each))
                for each in self._generators
            ]
        ).to(gain.device)
        free = local + noise
        top = free.max(dim=2, keepdim=True).values
        parent = self._drawn[..., None].expand_as(free)
        gap = parent - free + torch.log1p(-torch.exp(free - top))
        held = parent - gap.clamp(min=0) - torch.log1p(torch.exp(-gap.abs()))
        # The largest child inherits its parent's noise; there the formula is 0 times infinity.
        held = torch.where(free == top, parent, held)
        return local, torch.where(is_open, held, NEVER)
