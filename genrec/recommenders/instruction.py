"""The instruction in front of the history, searched for a trained recommender with a frozen LLM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.data.sequences import Sequences
from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.item_table import ItemTable
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryPrompt, HistoryRows
from genrec.training.hard_prompt import Found, search_at_random, search_by_gradient
from genrec.training.options import SftConfig
from genrec.training.packing import PackedRows, collate_packed
from genrec.training.sft import sft_loss

START = "Recommend what this customer will choose next."


@dataclass(frozen=True)
class Instruction:
    """An instruction that was searched for, and what it is worth.

    Attributes:
        text: for ``prompt.instruction``.
        loss: mean loss per target on the histories it was searched with, by name: ``found``,
            ``start``, ``random`` (the control, of as many evaluations) and ``none`` (without one).
        held_out: the same on other histories.
        evaluations: loss evaluations of each search.
    """

    text: str
    loss: dict[str, float]
    held_out: dict[str, float]
    evaluations: int


def search_instruction(
    recommender: GenerativeRecommender,
    histories: Sequences,
    held_out: Sequences,
    *,
    start: str = START,
    evaluations: int = 200,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Instruction:
    """The instruction that a search by gradients comes to, beside a random search.

    Args:
        histories: whose loss is made small; a few dozen do.
        held_out: other histories, whose loss is reported only.
        start: the instruction to start from; the one found has as many tokens.
        evaluations: loss evaluations of each of the two searches.

    Raises:
        ConfigError: the start cannot be written as tokens and read back.
    """
    task = InstructionTask(recommender, histories, start)
    other = InstructionTask(recommender, held_out, start)
    searches: dict[str, Found] = {
        "found": search_by_gradient(
            task.start,
            task.loss,
            task.gradient,
            task.vocabulary,
            legal=task.is_text,
            evaluations=evaluations,
            seed=seed,
            progress=progress,
        ),
        "random": search_at_random(
            task.start,
            task.loss,
            task.vocabulary,
            legal=task.is_text,
            evaluations=evaluations,
            seed=seed,
        ),
    }
    tokens = {name: found.tokens for name, found in searches.items()} | {"start": task.start}
    bare = [InstructionTask(recommender, part, "").loss([]) for part in (histories, held_out)]
    return Instruction(
        task.text(searches["found"].tokens),
        {name: task.loss(one) for name, one in tokens.items()} | {"none": bare[0]},
        {name: other.loss(one) for name, one in tokens.items()} | {"none": bare[1]},
        max(found.evaluations for found in searches.values()),
    )


class InstructionTask:
    """Loss and gradient of instructions of one length on fixed histories.

    Attributes:
        start: the first instruction's token ids.
        vocabulary: ids of plain words and their parts.
    """

    def __init__(
        self, recommender: GenerativeRecommender, histories: Sequences, start: str
    ) -> None:
        self.backbone = recommender.backbone.eval()
        self.tokenizer = self.backbone.text_tokenizer
        prompt = HistoryPrompt(
            replace(recommender.config.prompt, instruction=start),
            self.backbone,
            recommender.index,
            groups=recommender.prompt.groups,
        )
        self.start = [int(token) for token in prompt.instruction]
        # The run's rows were measured without an instruction in front of them.
        trained = recommender.config.sft
        self.sft = SftConfig(
            row_tokens=trained.row_tokens + len(self.start), normalise=trained.normalise
        )
        self.trie = recommender.trie.to(self.backbone.device).trie
        self.vocabulary = plain_tokens(self.backbone)
        if start and not self.is_text(self.start):
            raise ConfigError(
                f"The instruction '{start}' is not read back from its tokens as it is written. "
                "Start from one line of plain words."
            )
        source = HistoryRows(prompt, histories, seed=0, windows=1)
        packs = PackedRows(source, row_tokens=self.sft.row_tokens, seed=0)
        self.batches = []
        for first in range(0, len(packs), 8):
            rows = [packs[number] for number in range(first, min(first + 8, len(packs)))]
            batch = {name: t.to(self.backbone.device) for name, t in collate_packed(rows).items()}
            self.batches.append((batch, self._slots(batch, prompt, rows)))
        self.targets = sum(int((batch["target_levels"] >= 0).sum()) for batch, _ in self.batches)

    def _slots(self, batch: dict[str, Tensor], prompt: HistoryPrompt, rows: Any) -> Tensor:
        """Which token of the instruction each place holds, -1 for none, shape (packs, tokens)."""
        first = torch.full_like(batch["segments"], 1 << 30)
        for pack, members in enumerate(rows):
            for number, row in enumerate(members):
                start = prompt.instruction_start(row.group)
                first[pack][batch["segments"][pack] == number] = start
        slots = batch["position_ids"] - first
        return torch.where((slots >= 0) & (slots < len(self.start)), slots, -1)

    def text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens)))

    def is_text(self, tokens: Sequence[int]) -> bool:
        """Whether the tokens' text is one printable line that is read as the same tokens."""
        text = self.text(tokens)
        again = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return text.isprintable() and text.strip() == text and list(again) == list(tokens)

    @torch.no_grad()
    def loss(self, tokens: Sequence[int]) -> float:
        """Mean loss per target with this instruction."""
        return sum(float(self._loss(self.backbone, tokens, *one)) for one in self.batches)

    def gradient(self, tokens: Sequence[int]) -> np.ndarray:
        """First-order change of the loss by each swap, shape (tokens, vocabulary rows)."""
        total: Any = 0.0
        for batch, slots in self.batches:
            watched = _Watched(self.backbone)
            self._loss(watched, tokens, batch, slots).backward()
            here = slots >= 0
            at = watched.leaf.grad[here].float()
            total = total + torch.zeros(len(tokens), at.shape[1], device=at.device).index_add_(
                0, slots[here], at
            )
        self.backbone.zero_grad(set_to_none=True)
        with torch.no_grad():
            rows = torch.arange(len(self.tokenizer), device=total.device)
            changes: Tensor = total @ self.backbone.embed(rows[None])[0].float().T
        return changes.cpu().numpy()

    def _loss(
        self, backbone: Any, tokens: Sequence[int], batch: dict[str, Tensor], slots: Tensor
    ) -> Tensor:
        given = torch.tensor([*tokens, 0], device=slots.device)
        ids = torch.where(slots >= 0, given[slots], batch["input_ids"])
        share = int((batch["target_levels"] >= 0).sum()) / self.targets
        with self.backbone.in_domains(batch["groups"]):
            return sft_loss(backbone, {**batch, "input_ids": ids}, self.sft, self.trie) * share


class _Watched:
    """A backbone whose embeddings are a leaf that keeps its gradient."""

    training = False
    # The words are chosen by what they do to the codes, of a hybrid too.
    items: ItemTable | None = None

    def __init__(self, backbone: Backbone) -> None:
        self.backbone, self.codebook_sizes = backbone, backbone.codebook_sizes
        self.leaf = torch.zeros(0)

    def embed(self, input_ids: Tensor) -> Tensor:
        self.leaf = self.backbone.embed(input_ids).detach().requires_grad_()
        return self.leaf

    def hidden_states(self, **inputs: Any) -> Any:
        return self.backbone.hidden_states(**inputs)

    def head_rows(self) -> Tensor:
        return self.backbone.head_rows().detach()

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor:
        return self.backbone.level_logits(hidden, level, rows)


def plain_tokens(backbone: Backbone) -> np.ndarray:
    """Ids of tokens that are printable text of this LLM's own, int64."""
    tokenizer = backbone.text_tokenizer
    added = set(tokenizer.get_added_vocab().values()) | set(tokenizer.all_special_ids)
    ids = [number for number in sorted(tokenizer.get_vocab().values()) if number not in added]
    texts = tokenizer.batch_decode([[number] for number in ids])
    plain = [n for n, text in zip(ids, texts, strict=True) if text.isascii() and text.isprintable()]
    return np.array([n for n in plain if n < len(tokenizer)], np.int64)
