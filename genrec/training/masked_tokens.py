"""Hidden words of items' texts, guessed: a text encoder learns the catalogue's language."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.encoders.loading import load_pretrained
from genrec.encoders.towers import SHAPES, bert_tower, learned_tokenizer
from genrec.errors import ConfigError, InputError
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.numbered_rows import NumberedRows
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import MaskedTokensConfig

# Of the hidden tokens, so many become the mask and so many another word (BERT; Devlin et al.,
# 2019, arXiv:1810.04805); the rest stay as they are.
MASKED, REPLACED = 0.8, 0.1
IGNORED = -100


@dataclass
class TextRows(NumberedRows):
    """Training rows: token ids of texts, with words hidden anew each epoch.

    Attributes:
        tokens: ids of each text.
        special: ids that are never hidden.
        words: size of the vocabulary.
    """

    tokens: Sequence[Sequence[int]]
    special: frozenset[int]
    mask_id: int
    pad_id: int
    words: int
    share: float
    seed: int

    def __len__(self) -> int:
        return len(self.tokens)

    def collate(self, batch: Sequence[tuple[int, int]]) -> Batch:
        """``input_ids``, ``attention_mask`` and ``labels``, -100 where nothing is asked."""
        numbers, generator = self.drawn(batch)
        width = max(len(self.tokens[number]) for number in numbers)
        ids = np.full((len(numbers), width), self.pad_id, np.int64)
        for row, number in enumerate(numbers):
            ids[row, : len(self.tokens[number])] = self.tokens[number]
        hidden = generator.random(ids.shape) < self.share
        hidden &= ~np.isin(ids, sorted(self.special))
        labels = np.where(hidden, ids, IGNORED)
        fate = generator.random(ids.shape)
        seen = np.where(hidden & (fate < MASKED), self.mask_id, ids)
        others = generator.integers(self.words, size=ids.shape)
        seen = np.where(hidden & (fate >= MASKED) & (fate < MASKED + REPLACED), others, seen)
        return {
            "input_ids": torch.from_numpy(seen),
            "attention_mask": torch.from_numpy((ids != self.pad_id).astype(np.int64)),
            "labels": torch.from_numpy(labels),
        }


@dataclass(frozen=True)
class TrainedTokens:
    """A masked language model as training left it.

    Attributes:
        model: of transformers.
        tokenizer: its own.
        counts: how often each token stands in the training texts, shape (vocabulary,).
        fitted: what the training did.
    """

    model: Any
    tokenizer: Any
    counts: np.ndarray
    fitted: FitResult

    def write(self, folder: Path) -> None:
        """Writes a folder that a ``TextEncoder`` and ``AutoModelForMaskedLM`` open."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


@dataclass(frozen=True)
class GuessedTokens:
    """Hidden words of texts that were not trained on.

    Attributes:
        accuracy: share of words guessed.
        loss: mean negative log-likelihood, in nats.
        frequent_accuracy: of a control that always guesses the most frequent word.
        frequent_loss: of a control that knows how frequent each word is.
        tokens: words asked for.
    """

    accuracy: float
    loss: float
    frequent_accuracy: float
    frequent_loss: float
    tokens: int


def train_masked_tokens(
    texts: Sequence[str],
    *,
    config: MaskedTokensConfig,
    fit_config: FitConfig,
    folder: Path,
    progress: Progress | None = None,
) -> TrainedTokens:
    """A masked language model trained on texts, from nothing or from a pretrained one.

    Raises:
        ConfigError: the model cannot be loaded, or has no mask token.
        InputError: no text has a word.
    """
    spoken = [text for text in texts if text.strip()]
    if not spoken:
        raise InputError("None of the items has a text to learn from. Name other fields.")
    model, tokenizer = _start(spoken, config, seed=fit_config.seed)
    rows = text_rows(spoken, tokenizer, len(tokenizer), config, seed=fit_config.seed)
    digest = hashlib.sha256("\0".join(spoken).encode("utf-8", "replace")).hexdigest()[:16]

    fitted = fit(
        model,
        rows,
        collate=rows.collate,
        loss=token_loss,
        config=fit_config,
        folder=folder,
        progress=progress,
        job=f"masked-tokens {digest} {config}",
    )
    counts = np.bincount(np.concatenate([np.array(t) for t in rows.tokens]), minlength=rows.words)
    counts[sorted(rows.special)] = 0
    return TrainedTokens(model, tokenizer, counts, fitted)


def text_rows(
    texts: Sequence[str], tokenizer: Any, words: int, config: MaskedTokensConfig, *, seed: int
) -> TextRows:
    """Rows of texts, cut to ``max_tokens``."""
    tokens = tokenizer(list(texts), truncation=True, max_length=config.max_tokens)["input_ids"]
    return TextRows(
        tokens,
        frozenset(tokenizer.all_special_ids),
        tokenizer.mask_token_id,
        tokenizer.pad_token_id,
        words,
        config.mask_share,
        seed,
    )


def token_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of the hidden tokens; 0 where none is hidden."""
    logits = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).logits.float()
    asked = batch["labels"] != IGNORED
    total = functional.cross_entropy(logits[asked], batch["labels"][asked], reduction="sum")
    return total / asked.sum().clamp(min=1)


@torch.no_grad()
def guess(
    trained: TrainedTokens, texts: Sequence[str], config: MaskedTokensConfig, *, batch: int = 128
) -> GuessedTokens:
    """How well hidden words of other texts are guessed, beside word frequency.

    Raises:
        InputError: the texts have no word to hide.
    """
    model = trained.model.eval()
    rows = text_rows(texts, trained.tokenizer, len(trained.tokenizer), config, seed=1)
    frequency = torch.from_numpy(trained.counts + 1).double()
    frequency = (frequency / frequency.sum()).log()
    hits = known = 0
    loss = plain = 0.0
    asked = 0
    for start in range(0, len(rows), batch):
        part = rows.collate([rows[n] for n in range(start, min(start + batch, len(rows)))])
        part = {name: value.to(model.device) for name, value in part.items()}
        here = part["labels"] != IGNORED
        labels = part["labels"][here]
        found = model(input_ids=part["input_ids"], attention_mask=part["attention_mask"])
        logits = found.logits[here].float()
        hits += int((logits.argmax(-1) == labels).sum())
        known += int((labels.cpu() == int(trained.counts.argmax())).sum())
        loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        plain -= float(frequency[labels.cpu()].sum())
        asked += len(labels)
    if not asked:
        raise InputError("The held-out texts have no word to hide. Raise held_out or mask_share.")
    return GuessedTokens(hits / asked, loss / asked, known / asked, plain / asked, asked)


def _start(texts: Sequence[str], config: MaskedTokensConfig, *, seed: int) -> tuple[Any, Any]:
    if config.model in SHAPES:
        tokenizer = learned_tokenizer(texts, config.vocabulary)
        tokenizer.model_max_length = config.max_tokens
        model = bert_tower(SHAPES[config.model], tokenizer, max_tokens=config.max_tokens, seed=seed)
        return model, tokenizer
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = load_pretrained(AutoModelForMaskedLM, config.model, "The masked language model")
    tokenizer = load_pretrained(AutoTokenizer, config.model, "The tokenizer of")
    if tokenizer.mask_token_id is None:
        raise ConfigError(
            f"The tokenizer of '{config.model}' has no mask token. Name a masked language model."
        )
    return model.float(), tokenizer
