"""Packed training against padded sliding windows of the same examples: items a second, and loss.

A sliding window is one example: a history up to some event and the event after it, padded to the
longest of its batch; that is how most toolkits feed a causal LLM. Packed, a whole history is one
row and each of its events is a target. Both go forward and backward through the same model, in
turn, on the histories of Amazon Beauty (of the toy shop where the benchmark data are not there).
Batches hold about as many tokens, padding included. The losses are compared over the same examples,
without dropout.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import Figures, arguments, report, side_by_side
from genrec.data.dataset import Dataset
from genrec.errors import InputError
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryRows
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.training.options import SftConfig
from genrec.training.packing import NO_TARGET, PackedRows, TokenRow, collate_packed
from genrec.training.sft import sft_loss

TOKENS = 8192
ROW_TOKENS = 256
SEED = 0

Packs = Sequence[Sequence[TokenRow]]


def histories() -> Dataset:
    try:
        data = Dataset.load("amazon2014", domain="beauty")
    except InputError:
        data = Dataset.load("toy_shop")
    return data.split("last-out")[0]


def untrained(data: Dataset, folder: Path) -> GenerativeRecommender:
    """The recipe's ``tiny`` after one step, on semantic IDs of vectors drawn at random."""
    vectors = np.random.default_rng(SEED).normal(size=(len(data.catalog), 16)).astype(np.float32)
    index = SemanticIdTokenizer(levels=3, codebook_size=256).fit(data.catalog, vectors)
    return GenerativeRecommender.train(
        "tiny",
        data,
        index,
        folder=folder,
        adapt="full",
        steps=1,
        batch_size=1,
        row_tokens=ROW_TOKENS,
        history=50,
    )


def windows(row: TokenRow, header: int, levels: int) -> list[TokenRow]:
    """One example for each item of a row: all up to it, and only its own codes as targets."""
    found = []
    for end in range(header + levels, len(row.tokens) + 1, levels):
        supervised = np.full(end, NO_TARGET)
        supervised[-levels:] = row.levels[end - levels : end]
        found.append(TokenRow(row.tokens[:end], supervised, row.codes[:end]))
    return found


def padded_batches(examples: Sequence[TokenRow]) -> list[Packs]:
    """Batches in a drawn order, each of about ``TOKENS`` tokens with its padding."""
    order = np.random.default_rng(SEED).permutation(len(examples))
    batches: list[Packs] = []
    batch: list[list[TokenRow]] = []
    longest = 0
    for number in order:
        row = examples[int(number)]
        longest = max(longest, len(row.tokens))
        if batch and longest * (len(batch) + 1) > TOKENS:
            batches.append(batch)
            batch, longest = [], len(row.tokens)
        batch.append([row])
    return [*batches, batch]


def items_of(batches: Sequence[Packs]) -> int:
    return sum(int((row.levels == 0).sum()) for packs in batches for pack in packs for row in pack)


def train_on(model: torch.nn.Module, batches: Sequence[Packs]) -> None:
    """Forward and backward through every batch; the optimiser's step is the same for both."""
    model.train()
    for packs in batches:
        sft_loss(model, collate_packed(packs), SftConfig()).backward()
        model.zero_grad()


def loss_of(model: torch.nn.Module, batches: Sequence[Packs]) -> float:
    """The mean loss of an item, over all batches."""
    model.eval()
    total = items = 0.0
    with torch.no_grad():
        for packs in batches:
            count = items_of([packs])
            total += float(sft_loss(model, collate_packed(packs), SftConfig())) * count
            items += count
    return total / items


def measured(*, quick: bool) -> tuple[Figures, dict[str, object]]:
    data = histories()
    with tempfile.TemporaryDirectory() as folder:
        recommender = untrained(data, Path(folder))
    model, levels = recommender.backbone, recommender.index.levels
    source = HistoryRows(recommender.prompt, data.sequences, seed=SEED)
    drawn = np.random.default_rng(SEED).permutation(len(source.spans))[: 50 if quick else 400]
    rows = [source.row(int(number), 0) for number in drawn]
    heads = [len(source.headers[int(number)]) for number in drawn]
    packed = PackedRows(Drawn(rows), row_tokens=ROW_TOKENS, seed=SEED)
    packs = [packed[number] for number in range(len(packed))]
    width = TOKENS // ROW_TOKENS
    together = [packs[start : start + width] for start in range(0, len(packs), width)]
    examples = [
        one for row, head in zip(rows, heads, strict=True) for one in windows(row, head, levels)
    ]
    apart = padded_batches(examples)
    items = items_of(together)
    assert items == items_of(apart) == len(examples)
    seconds = side_by_side(
        {
            "packed": lambda: train_on(model, together),
            "padded": lambda: train_on(model, apart),
        },
        repeats=3,
    )
    figures: Figures = {
        "items_per_second_gain": round(seconds["padded"] / seconds["packed"], 2),
        "loss_difference": abs(loss_of(model, together) - loss_of(model, apart)),
        "items_per_second_packed": round(items / seconds["packed"]),
        "items_per_second_padded": round(items / seconds["padded"]),
        "tokens_packed": sum(len(row.tokens) for row in rows),
        "tokens_padded": sum(max(len(p[0].tokens) for p in one) * len(one) for one in apart),
    }
    about: dict[str, object] = {
        "data": data.name,
        "histories": len(rows),
        "items": items,
        "tokens_per_batch": TOKENS,
        "threads": int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())),
    }
    return figures, about


class Drawn:
    """Rows that are there already, in the form that packing takes."""

    def __init__(self, rows: Sequence[TokenRow]) -> None:
        self.rows = rows
        self.token_counts = np.array([len(row.tokens) for row in rows])

    def row(self, number: int, epoch: int) -> TokenRow:  # noqa: ARG002
        return self.rows[number]


def main() -> None:
    options = arguments(__doc__ or "")
    figures, about = measured(quick=options.quick)
    report(figures, model="tiny", **about)


if __name__ == "__main__":
    main()
