"""Supervised fine-tuning on packed rows: cross-entropy over the codes of each level only.

Text that is to be written is learned over the whole vocabulary, as in any language model. Where the
backbone has a table of items, the next item as a whole is learned beside its codes.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from genrec.decoding.trie import Trie, among_legal
from genrec.training.dense import ItemScorer, dense_loss
from genrec.training.fit import Batch
from genrec.training.options import SftConfig
from genrec.training.packing import TEXT_TARGET, packed_mask
from genrec.training.together import SHARES


class LevelScorer(Protocol):
    """What the loss needs of a backbone."""

    codebook_sizes: tuple[int, ...]
    items: ItemScorer | None
    training: bool

    def embed(self, input_ids: Tensor) -> Tensor: ...

    def hidden_states(self, **inputs: Any) -> Any: ...

    def head_rows(self) -> Tensor: ...

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor: ...

    def text_logits(self, hidden: Tensor) -> Tensor: ...


def sft_loss(
    backbone: LevelScorer, batch: Batch, config: SftConfig, trie: Trie | None = None
) -> Tensor:
    """Mean cross-entropy of target codes, each over its own level, of text, and of whole items.

    Under the trie only codes of that level are ever legal, so the rest of the vocabulary is
    neither computed nor learned against. With ``normalise: legal`` the same goes for codes that no
    item has after the ones before; then the trie has to be given. Of a batch that is one process's
    part of a larger one, the two means count for what ``batch[SHARES]`` says, in the order of
    ``target_counts``.
    """
    embeddings = backbone.embed(batch["input_ids"])
    if config.embedding_dropout:
        embeddings = functional.dropout(
            embeddings, config.embedding_dropout, training=backbone.training
        )
    hidden = backbone.hidden_states(
        inputs_embeds=embeddings,
        attention_mask=packed_mask(batch["segments"], embeddings.dtype, batch.get("chains")),
        position_ids=batch["position_ids"],
        use_cache=False,
    ).last_hidden_state
    total = torch.zeros((), device=hidden.device)
    of_codes, of_items = batch.get(SHARES, torch.ones(2))
    if config.generate_weight:
        loss = _codes_loss(backbone, hidden, batch, config, trie)
        total = total + config.generate_weight * of_codes * loss
    # A part of a batch, or one of other tasks alone, may have no whole item to learn.
    whole = backbone.items is not None and bool((batch["next_items"] >= 0).any())
    if config.dense_weight and backbone.items is not None and whole:
        loss = dense_loss(backbone.items, hidden, batch, negatives=config.negatives)
        total = total + config.dense_weight * of_items * loss
    return total


def _codes_loss(
    backbone: LevelScorer, hidden: Tensor, batch: Batch, config: SftConfig, trie: Trie | None
) -> Tensor:
    levels, codes = batch["target_levels"], batch["target_codes"]
    rows = backbone.head_rows()
    total = torch.zeros((), device=hidden.device)
    # The node that each target code grows from; its own level's codes lead to the next one's.
    nodes = torch.zeros_like(levels)
    for level in range(len(backbone.codebook_sizes)):
        here = levels == level
        if level and config.normalise == "legal":
            assert trie is not None
            nodes = trie.child(level - 1, nodes.roll(1, dims=1), codes.roll(1, dims=1))
        if here.any():
            logits = backbone.level_logits(hidden[here], level, rows)
            if config.normalise == "legal":
                assert trie is not None
                loss = _legal_cross_entropy(
                    logits, codes[here], trie, level, nodes[here], config.label_smoothing
                )
            else:
                loss = functional.cross_entropy(
                    logits,
                    codes[here],
                    label_smoothing=config.label_smoothing,
                    reduction="sum",
                )
            total = total + loss
    spoken = levels == TEXT_TARGET
    if config.text_weight and spoken.any():
        total = total + config.text_weight * functional.cross_entropy(
            backbone.text_logits(hidden[spoken]), codes[spoken], reduction="sum"
        )
    return total / ((levels >= 0) | spoken).sum().clamp(min=1)


def _legal_cross_entropy(
    logits: Tensor, codes: Tensor, trie: Trie, level: int, nodes: Tensor, smoothing: float
) -> Tensor:
    """Summed cross-entropy of codes among the children of their nodes.

    Args:
        logits: of the level's codes, shape (targets, codes of the level).
        codes: shape (targets,); likewise ``nodes``, of depth ``level``.
        smoothing: probability mass spread evenly over the children.
    """
    _, code, exists = trie.children(level, nodes[None])
    code, exists = code[0], exists[0]
    chances = among_legal(logits, code, exists)
    own = chances.masked_fill((code != codes[:, None]) | ~exists, 0.0).sum()
    evenly = (chances.masked_fill(~exists, 0.0).sum(dim=1) / exists.sum(dim=1)).sum()
    return -(1 - smoothing) * own - smoothing * evenly
