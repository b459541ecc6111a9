"""Learning to answer: a chat model with an adapter, and the loss on what it should have said.

Knows tokens of questions and answers; knows nothing of items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.options import FitConfig

IGNORED = -100


@dataclass(frozen=True)
class Answered:
    """A question and its answer in one row.

    Attributes:
        tokens: ids, shape (tokens,), int64.
        said: how many of them, at the end, are the answer.
    """

    tokens: np.ndarray
    said: int


def collate_answers(rows: Sequence[Answered]) -> Batch:
    """Rows -> ``tokens``, ``real`` and ``targets``, shape (rows, tokens), padded on the right."""
    longest = max(len(row.tokens) for row in rows)
    tokens = np.zeros((len(rows), longest), np.int64)
    real = np.zeros((len(rows), longest), np.int64)
    targets = np.full((len(rows), longest), IGNORED, np.int64)
    for place, row in enumerate(rows):
        length = len(row.tokens)
        tokens[place, :length], real[place, :length] = row.tokens, 1
        targets[place, length - row.said : length] = row.tokens[length - row.said :]
    return {
        "tokens": torch.from_numpy(tokens),
        "real": torch.from_numpy(real),
        "targets": torch.from_numpy(targets),
    }


def answer_loss(model: Any, batch: Batch) -> Tensor:
    """Mean cross-entropy of the tokens of the answers; questions cost nothing."""
    # Only the head's rows at the answers are computed: most tokens are questions or padding.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = inner.model(
        input_ids=batch["tokens"], attention_mask=batch["real"], use_cache=False
    ).last_hidden_state[:, :-1]
    targets = batch["targets"][:, 1:]
    spoken = targets != IGNORED
    logits = inner.get_output_embeddings()(hidden[spoken]).float()
    return functional.cross_entropy(logits, targets[spoken])


def train_answers(
    model: nn.Module,
    rows: Sequence[Answered],
    *,
    config: FitConfig,
    folder: Path,
    job: str,
    progress: Progress | None = None,
) -> FitResult:
    """Trains what of the model requires gradients, in place, on these answers; see ``fit``."""
    return fit(
        model,
        list(rows),
        collate=collate_answers,
        targets=lambda batch: (batch["targets"][:, 1:] != IGNORED).sum(),
        loss=answer_loss,
        config=config,
        folder=folder,
        progress=progress,
        job=job,
    )
