"""Networks over histories of fused item vectors: items are what they look and read like.

There is no table of item embeddings: an item's vector comes from its modalities alone, so an item
that nobody has chosen yet has one like all others.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.encoders.fusion import build_fusion
from genrec.encoders.modality_vectors import Modalities
from genrec.recommenders.sasrec_network import NO_TARGET, START_RANK, Block, Layout
from genrec.training.alignment import alignment_loss
from genrec.training.content_options import ContentConfig

ITEMS_PER_CHUNK = 8192


class ContentNetwork(nn.Module):
    """Fusion of items, and a tower over histories of what it makes.

    Args:
        modalities: of the catalogue's items; kept beside the weights and not stored with them.
        chosen: positions of the items that a training contrasts with each other, all if left out.
            What nobody has chosen yet must not be among them: the network would learn that it is
            never the answer.
    """

    def __init__(
        self, modalities: Modalities, config: ContentConfig, *, chosen: np.ndarray | None = None
    ) -> None:
        super().__init__()
        # Not called `config`: transformers' Trainer writes into a model's `config`.
        self.settings = config
        width = config.fusion.width
        self.fusion = build_fusion(modalities.dimensions, config.fusion)
        # Stands for an item of a history that has no modality: something was chosen there.
        self.unknown = nn.Parameter(torch.randn(width) * 0.02)
        self.hidden_item = nn.Parameter(torch.randn(width) * 0.02)
        self.start = nn.Parameter(torch.zeros(width))
        self.ranks = nn.Embedding(config.max_history + 2, width)
        nn.init.normal_(self.ranks.weight, std=0.3)
        self.dropout = nn.Dropout(config.dropout)
        self.tower = _Pool(config) if config.objective == "user-item" else _Transformer(config)
        self.out = nn.Linear(width, width)
        self.show(modalities)
        every = np.arange(self.items) if chosen is None else np.unique(chosen)
        self.register_buffer(
            "contrasted", torch.from_numpy(every.astype(np.int64)), persistent=False
        )

    def show(self, modalities: Modalities) -> None:
        """Takes these items, with what they have, for its catalogue."""
        device = self.start.device
        for column, one in enumerate(modalities.vectors.values()):
            values = torch.from_numpy(one.vectors).float().to(device)
            self.register_buffer(f"input_{column}", values, persistent=False)
        present = torch.from_numpy(modalities.present).to(device)
        self.register_buffer("present", present, persistent=False)

    @property
    def items(self) -> int:
        """Items of the catalogue."""
        return len(self.get_buffer("present"))

    def seen(self, items: Tensor) -> tuple[list[Tensor], Tensor]:
        """Inputs of each modality, and which are present, of these items."""
        columns = range(len(self.fusion.names))
        return [self.get_buffer(f"input_{n}")[items] for n in columns], self.get_buffer("present")[
            items
        ]

    def vectors(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Fused vectors, shape (items, width), and which items have one, shape (items,)."""
        inputs, present = self.seen(items)
        known = present.any(dim=1)
        vectors = self.unknown.expand(len(items), -1).clone()
        if bool(known.any()):
            fused = self.fusion([values[known] for values in inputs], present[known])
            vectors[known] = fused.to(vectors.dtype)
        return vectors, known

    def encode(self, embedded: Tensor, ranks: Tensor, hidden: Tensor | None = None) -> Tensor:
        """What a user may want next, at each place, shape (rows, columns, width).

        Args:
            embedded: item vectors, shape (rows, columns, width); column 0 is the start.
            hidden: events that are not shown, bool, shape (rows, columns).
        """
        layout = Layout.of(ranks, both_ways=self.settings.objective == "masked-item")
        tokens = embedded[layout.real]
        if hidden is not None:
            tokens = torch.where(hidden[layout.real][:, None], self.hidden_item, tokens)
        tokens = torch.where(layout.starts[:, None], self.start, tokens)
        if self.settings.objective != "user-item":
            tokens = tokens + self.ranks(
                ranks[layout.real].clamp(max=self.settings.max_history + 1)
            )
        wanted: Tensor = self.out(self.tower(self.dropout(tokens), layout))
        return layout.padded(wanted)

    def logits(self, wanted: Tensor, table: Tensor) -> Tensor:
        """Cosines over the temperature, shape (…, items)."""
        scores = F.normalize(wanted, dim=-1) @ F.normalize(table, dim=-1).T
        return scores / self.settings.temperature

    def forward(self, items: Tensor, ranks: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch, a scalar: contrast with other items, and alignment if asked for."""
        known_targets = targets != NO_TARGET
        # Neither the start, which has no item, nor padding is one that somebody chose.
        real = (ranks < ranks.shape[1]) & (ranks != START_RANK)
        candidates = self._candidates(items[real], targets[known_targets])
        table, known = self.vectors(candidates)
        # An item without any modality can be neither predicted nor contrasted with.
        last = len(candidates) - 1
        places = torch.searchsorted(candidates, targets.clamp(min=0)).clamp(max=last)
        known_targets &= known[places]
        masked = self.settings.objective == "masked-item"
        embedded = table[torch.searchsorted(candidates, items).clamp(max=last)]
        wanted = self.encode(embedded, ranks, targets != NO_TARGET if masked else None)
        scores = self.logits(wanted[known_targets], table).masked_fill(~known, float("-inf"))
        loss = F.cross_entropy(scores, places[known_targets]) if len(scores) else table.sum() * 0.0
        if self.settings.alignment != "none":
            inputs, present = self.seen(candidates[known])
            loss = loss + self.settings.alignment_weight * alignment_loss(
                self.fusion.project(inputs, present),
                present,
                self.fusion.pairs(),
                kind=self.settings.alignment,
            )
        return loss

    def _candidates(self, items: Tensor, targets: Tensor) -> Tensor:
        """Items that this step fuses once, ascending: those of the batch and sampled others."""
        pool = self.get_buffer("contrasted")
        if 0 < self.settings.negatives < len(pool):
            drawn = torch.randint(len(pool), (self.settings.negatives,), device=items.device)
            pool = pool[drawn]
        return torch.unique(torch.cat([items, targets, pool]))

    def table(self) -> tuple[Tensor, Tensor]:
        """Vectors of all items, shape (items, width), and which have one."""
        device = self.start.device
        parts = [
            self.vectors(torch.arange(start, min(start + ITEMS_PER_CHUNK, self.items)).to(device))
            for start in range(0, self.items, ITEMS_PER_CHUNK)
        ]
        vectors, known = zip(*parts, strict=True)
        return torch.cat(vectors), torch.cat(known)


class _Transformer(nn.Module):
    """Self-attention over the history, to the past or both ways as the layout says."""

    def __init__(self, config: ContentConfig) -> None:
        super().__init__()
        width = config.fusion.width
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.dropout) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, layout: Layout) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens, layout)
        out: Tensor = self.norm(tokens)
        return out


class _Pool(nn.Module):
    """Attention pooling of all that went before, without regard to order: the user's tower."""

    def __init__(self, config: ContentConfig) -> None:
        super().__init__()
        width = config.fusion.width
        self.weigh = nn.Linear(width, 1)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, tokens: Tensor, layout: Layout) -> Tensor:
        weights = layout.padded(self.weigh(tokens))[:, None, :, 0]
        visible = layout.visible[:, 0] & layout.real[:, None, :]
        lowest = torch.finfo(weights.dtype).min
        shares = weights.masked_fill(~visible, lowest).softmax(dim=-1)
        pooled = (shares @ layout.padded(tokens))[layout.real]
        out: Tensor = pooled + self.mlp(pooled)
        return out
