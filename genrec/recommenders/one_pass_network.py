"""One token in for each item, all its codes out at once. Knows codes and tokens, not users.

An LLM reads an item as the sum of its codes' embeddings, one token instead of one for each code,
and its state after an item predicts every code of the next from a head of its own (Hou et al. 2025,
"Generating long semantic IDs in parallel for recommendation").
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.llm.backbone import Backbone
from genrec.recommenders.options import OnePassConfig
from genrec.training.fit import Batch
from genrec.training.options import SftConfig
from genrec.training.packing import packed_mask

# Token ids of items, above those of every vocabulary.
FIRST_ITEM = 1 << 40


class OnePassNetwork(nn.Module):
    """A backbone that reads items as single tokens, and a head for each place of a code.

    It looks like a backbone whose semantic IDs have one level with a code for each item, so that
    prompts and packed rows are written for it as for any other.

    Args:
        codes: of all items, shape (items, levels).
    """

    token_ids: Tensor
    codes: Tensor

    def __init__(self, backbone: Backbone, codes: np.ndarray, config: OnePassConfig) -> None:
        super().__init__()
        self.backbone, self.settings = backbone, config
        self.codebook_sizes = backbone.codebook_sizes
        offsets = np.concatenate([[0], np.cumsum(self.codebook_sizes)[:-1]])
        self.register_buffer("codes", torch.from_numpy(codes + offsets).long(), persistent=False)
        self.register_buffer("token_ids", FIRST_ITEM + torch.arange(len(codes)), persistent=False)
        width = backbone.head_rows().shape[1]
        levels = len(self.codebook_sizes)
        # Each head starts as the state itself: all levels agree until they learn to differ.
        self.heads = nn.Parameter(torch.zeros(levels, width, width))
        self.offsets = nn.Parameter(torch.zeros(levels, width))
        self.basket_id, self.text_tokenizer = backbone.basket_id, backbone.text_tokenizer
        # What prompts ask of a backbone: nothing but text and items is shown.
        self.soft, self.pictures, self.items, self.features = backbone.soft, None, None, None

    def embed(self, input_ids: Tensor) -> Tensor:
        """Input embeddings, shape (rows, tokens, width)."""
        is_item = input_ids >= FIRST_ITEM
        embeddings = self.backbone.embed(input_ids.masked_fill(is_item, 0))
        if not is_item.any():
            return embeddings
        items, places = (input_ids[is_item] - FIRST_ITEM).unique(return_inverse=True)
        tokens = self.backbone.token_ids[self.codes[items]]
        # As long as the embedding of one token, whatever the number of codes.
        own = self.backbone.embed(tokens).sum(1) / tokens.shape[1] ** 0.5
        return embeddings.index_put((is_item,), own[places].to(embeddings.dtype))

    def hidden_states(self, *, alone: bool = False, **inputs: Any) -> Any:
        """As of ``Backbone``, for ids that may be items."""
        if "input_ids" in inputs:
            inputs["inputs_embeds"] = self.embed(inputs.pop("input_ids"))
        return self.backbone.hidden_states(alone=alone, **inputs)

    def head_rows(self) -> Tensor:
        """The directions of all codes, of length 1, shape (codes, width), float32."""
        return functional.normalize(self.backbone.head_rows().float(), dim=-1)

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor:
        """Cosines with the codes of one level over the temperature, shape (…, codes), float32.

        Args:
            rows: ``head_rows()``, when the caller has it already.
        """
        rows = self.head_rows() if rows is None else rows
        start = sum(self.codebook_sizes[:level])
        rows = rows[start : start + self.codebook_sizes[level]]
        # bfloat16 would round a cosine by more than the temperature bears.
        with torch.autocast(hidden.device.type, enabled=False):
            state = hidden.float()
            own = state + functional.silu(state @ self.heads[level] + self.offsets[level])
            return functional.normalize(own, dim=-1) @ rows.T / self.settings.temperature

    def loss(self, batch: Batch, config: SftConfig) -> Tensor:
        """Mean cross-entropy over the codes of the next item, at every item of packed rows.

        Args:
            batch: of ``collate_packed``, whose target codes are items.
        """
        embeddings = self.embed(batch["input_ids"])
        if config.embedding_dropout:
            embeddings = functional.dropout(
                embeddings, config.embedding_dropout, training=self.training
            )
        hidden = self.backbone.hidden_states(
            inputs_embeds=embeddings,
            attention_mask=packed_mask(batch["segments"], embeddings.dtype),
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state
        here = batch["target_levels"] >= 0
        hidden = functional.dropout(hidden[here], self.settings.dropout, training=self.training)
        wanted = self.codes[batch["target_codes"][here]]
        rows, start = self.head_rows(), 0
        total = torch.zeros((), device=hidden.device)
        for level, size in enumerate(self.codebook_sizes):
            total = total + functional.cross_entropy(
                self.level_logits(hidden, level, rows),
                wanted[:, level] - start,
                label_smoothing=config.label_smoothing,
                reduction="sum",
            )
            start += size
        return total / (max(len(hidden), 1) * len(self.codebook_sizes))

    @property
    def sliding_window(self) -> int | None:
        return self.backbone.sliding_window

    @property
    def mixes_windows(self) -> bool:
        return self.backbone.mixes_windows

    @property
    def trained_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def device(self) -> torch.device:
        return self.token_ids.device
