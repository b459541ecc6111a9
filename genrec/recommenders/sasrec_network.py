"""The network of SASRec, and the batches that it eats. Knows positions of items, not users.

Kang and McAuley (2018), "Self-attentive sequential recommendation"; trained here with a softmax
over many items instead of one sampled negative, which is what makes it a strong control (Klenitskiy
and Vasilev 2023, "Turning dross into gold loss").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.bounds import outside
from genrec.data.sequences import History, Sequences
from genrec.errors import ConfigError
from genrec.recommenders.baskets import basket_ranks

NO_TARGET = -100
START_RANK = 0
MASKED = -1e4


@dataclass(frozen=True)
class SASRecConfig:
    """Size and loss of the network.

    Attributes:
        width: of item embeddings and hidden states.
        blocks: transformer blocks.
        heads: attention heads; must divide ``width``.
        max_history: last events of a history that are read.
        dropout: on embeddings, attention output and feed-forward output.
        negatives: items sampled uniformly per step and shared by all its positions; 0 takes the
            softmax over the whole catalogue.
        label_smoothing: share of the target's probability spread over the other scored items.
        temperature: 0 scores by dot product; above 0 by cosine divided by the temperature.
        item_bias: whether each item has a learned bias that starts at the logarithm of its
            popularity. For short trainings on large catalogues, together with ``temperature=0``:
            random cosines would drown the bias.
        validation_users: at most so many users choose the number of steps.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    width: int = 128
    blocks: int = 2
    heads: int = 2
    max_history: int = 50
    dropout: float = 0.5
    negatives: int = 2048
    label_smoothing: float = 0.0
    temperature: float = 0.06
    item_bias: bool = False
    validation_users: int = 5000

    def __post_init__(self) -> None:
        problems = outside(
            self,
            width="[1, inf)",
            blocks="[1, inf)",
            heads="[1, inf)",
            max_history="[1, inf)",
            validation_users="[1, inf)",
            dropout="[0, 1)",
            negatives="[0, inf)",
            label_smoothing="[0, 1)",
            temperature="[0, inf)",
        )
        if self.heads >= 1 and self.width % self.heads:
            problems.append(f"width is {self.width}, which {self.heads} heads do not divide")
        if problems:
            raise ConfigError("The SASRec options do not fit: " + "; ".join(problems))


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one user's events, with what follows each.

    Attributes:
        items: what is read, shape (events,), int32.
        ranks: number of the basket of each event, from 1, shape (events,), int64. Without
            baskets every event is its own.
        following: items of the user's next basket, one array for the start and one for each
            event, events + 1 in all; empty where nothing follows or the start is no beginning.
    """

    items: np.ndarray
    ranks: np.ndarray
    following: Sequence[np.ndarray]


def windows(histories: Sequences, max_history: int) -> list[Window]:
    """Training rows that together supervise every event of every history once."""
    rows = []
    for history in histories:
        if not len(history):
            continue
        ranks = basket_ranks(history)
        starts = np.searchsorted(ranks, np.arange(1, ranks[-1] + 2))
        baskets = np.split(history.items, starts[1:-1])
        nothing = history.items[:0]
        # Everything but the last basket is read; windows are cut from the end backwards, so that
        # the newest events, which matter most, see the longest past.
        stop = int(starts[-2])
        while True:
            start = max(0, stop - max_history)
            first = baskets[0] if start == 0 else nothing
            after = [baskets[rank] for rank in ranks[start:stop]]
            span = ranks[start:stop]
            rows.append(Window(history.items[start:stop], span - (span[:1] - 1), [first, *after]))
            stop = start
            if stop == 0:
                break
    return rows


def batch_of(rows: Sequence[Window]) -> dict[str, Tensor]:
    """Tensors of shape (rows, 1 + events), right-padded; column 0 is the start of the history.

    Where several items follow, one of them is drawn as this step's target.
    """
    width = 1 + max(len(row.items) for row in rows)
    items = torch.zeros(len(rows), width, dtype=torch.long)
    # Padding has a rank behind all others, so that no event attends to it.
    ranks = torch.full((len(rows), width), width, dtype=torch.long)
    targets = torch.full((len(rows), width), NO_TARGET, dtype=torch.long)
    ranks[:, 0] = START_RANK
    for number, row in enumerate(rows):
        events = len(row.items)
        items[number, 1 : events + 1] = torch.from_numpy(row.items.astype(np.int64))
        ranks[number, 1 : events + 1] = torch.from_numpy(row.ranks)
        draws = torch.rand(events + 1).tolist()
        for column, (choices, draw) in enumerate(zip(row.following, draws, strict=True)):
            if len(choices):
                targets[number, column] = int(choices[int(draw * len(choices))])
    return {"items": items, "ranks": ranks, "targets": targets}


def inputs_of(histories: Sequences, max_history: int) -> tuple[Tensor, Tensor, Tensor]:
    """Items, ranks and a mask of the last basket, each of shape (users, 1 + events)."""
    rows: Sequence[History] = list(histories.last(max_history))
    width = 1 + max((len(row) for row in rows), default=0)
    items = torch.zeros(len(rows), width, dtype=torch.long)
    ranks = torch.full((len(rows), width), width, dtype=torch.long)
    ranks[:, 0] = START_RANK
    for number, row in enumerate(rows):
        items[number, 1 : len(row) + 1] = torch.from_numpy(row.items.astype(np.int64))
        ranks[number, 1 : len(row) + 1] = torch.from_numpy(basket_ranks(row))
    newest = ranks.masked_fill(ranks == width, START_RANK).amax(1, keepdim=True)
    return items, ranks, ranks == newest


class SASRecNetwork(nn.Module):
    """Self-attention over a user's past, with tied item embeddings.

    An event attends to all events of its own and of earlier baskets: the order inside one basket
    means nothing. The positions that are learned are basket numbers for the same reason.
    """

    def __init__(
        self, items: int, config: SASRecConfig, *, counts: np.ndarray | None = None
    ) -> None:
        super().__init__()
        # Not called `config`: transformers' Trainer writes into a model's `config`.
        self.settings = config
        self.items = nn.Embedding(items, config.width)
        self.ranks = nn.Embedding(config.max_history + 1, config.width)
        self.start = nn.Parameter(torch.zeros(config.width))
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.dropout) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        for table in (self.items, self.ranks):
            nn.init.normal_(table.weight, std=0.02)
        if config.item_bias:
            start = np.zeros(items) if counts is None else np.log(counts + 1)
            self.bias = nn.Parameter(torch.from_numpy(start - start.mean()).float())

    def encode(self, items: Tensor, ranks: Tensor) -> Tensor:
        """Hidden states, shape (rows, 1 + events, width); zero at padding."""
        layout = Layout.of(ranks)
        embedded = torch.where(layout.starts[:, None], self.start, self.items(items[layout.real]))
        positions = self.ranks(ranks[layout.real].clamp(max=self.settings.max_history))
        hidden = self.dropout(embedded + positions)
        for block in self.blocks:
            hidden = block(hidden, layout)
        return layout.padded(self.norm(hidden))

    def logits(self, hidden: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Scores of the chosen items, or of all, shape (…, items)."""
        table = self.items.weight if chosen is None else self.items(chosen)
        if self.settings.temperature:
            hidden = F.normalize(hidden, dim=-1) / self.settings.temperature
            table = F.normalize(table, dim=-1)
        scores = hidden @ table.T
        if self.settings.item_bias:
            scores = scores + (self.bias if chosen is None else self.bias[chosen])
        return scores

    def forward(self, items: Tensor, ranks: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy over all positions that have a target, a scalar."""
        hidden = self.encode(items, ranks)
        known = targets != NO_TARGET
        hidden, wanted = hidden[known], targets[known]
        smoothing = self.settings.label_smoothing
        if self.settings.negatives == 0 or self.settings.negatives >= self.items.num_embeddings:
            return F.cross_entropy(self.logits(hidden), wanted, label_smoothing=smoothing)
        sampled = torch.randint(
            self.items.num_embeddings, (self.settings.negatives,), device=hidden.device
        )
        negative = self.logits(hidden, sampled)
        negative = negative.masked_fill(sampled[None, :] == wanted[:, None], MASKED)
        logits = torch.cat([self._of_each(hidden, wanted)[:, None], negative], dim=1)
        return _first_column_loss(logits, smoothing)

    def _of_each(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """The score of one item for each hidden state, shape (positions,)."""
        rows = self.items(wanted)
        if self.settings.temperature:
            scores = F.cosine_similarity(hidden, rows, dim=-1) / self.settings.temperature
        else:
            scores = (hidden * rows).sum(-1)
        return scores + self.bias[wanted] if self.settings.item_bias else scores


def _first_column_loss(logits: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy with the target in column 0; masked columns take no part in smoothing."""
    log_probs = logits.log_softmax(dim=1)
    loss = -log_probs[:, 0].mean()
    if smoothing:
        scored = logits > MASKED
        uniform = -(log_probs.masked_fill(~scored, 0).sum(1) / scored.sum(1)).mean()
        loss = (1 - smoothing) * loss + smoothing * uniform
    return loss


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the real tokens of a padded batch lie, and what each may see.

    Histories differ so much in length that most of a padded batch is padding: everything but the
    attention itself works on the real tokens only.

    Attributes:
        real: bool, shape (rows, columns).
        starts: whether a token is the start of a history, shape (tokens,).
        visible: bool, shape (rows, 1, columns, columns).
    """

    real: Tensor
    starts: Tensor
    visible: Tensor

    @staticmethod
    def of(ranks: Tensor, *, both_ways: bool = False) -> Layout:
        """The layout of these ranks, shape (rows, columns); padding has the rank ``columns``.

        Args:
            both_ways: events see later baskets too.
        """
        real = ranks < ranks.shape[1]
        seen = real[:, None, :] | ~real[:, :, None]
        visible = seen if both_ways else ranks[:, None, :] <= ranks[:, :, None]
        return Layout(real, ranks[real] == START_RANK, visible[:, None])

    def padded(self, tokens: Tensor) -> Tensor:
        """Tokens, shape (tokens, …), in their places, shape (rows, columns, …)."""
        out = tokens.new_zeros(*self.real.shape, *tokens.shape[1:])
        out[self.real] = tokens
        return out


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, layout: Layout) -> Tensor:
        """Shape (tokens, width) in and out."""
        tokens, width = hidden.shape
        parts = self.queries_keys_values(self.before_attention(hidden))
        grid = layout.padded(parts.view(tokens, 3, self.heads, width // self.heads))
        query, key, value = grid.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=layout.visible)
        mixed = mixed.transpose(1, 2)[layout.real].reshape(tokens, width)
        hidden = hidden + self.dropout(self.out(mixed))
        out: Tensor = hidden + self.dropout(self.mlp(self.before_mlp(hidden)))
        return out
