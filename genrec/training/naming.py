"""Learning to name what a picture shows: how an LLM's projector is trained before anything else.

The tower and the LLM stay as they are; only what joins them learns, from pictures and the texts of
the same items. Knows pictures' tokens and texts, not what they are used for later.
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

from genrec.errors import ConfigError
from genrec.llm.pictures import FIRST_ID, PictureTokens
from genrec.llm.sight import projector
from genrec.prompting import PromptLibrary
from genrec.training.fit import Batch, FitResult, fit
from genrec.training.options import FitConfig

TEMPLATE = "image/name_product"
# Stands for the picture's tokens while the text around them is rendered.
_PICTURE = "\x00picture\x00"
IGNORED = -100
# Items that a projector's start is computed from, and its penalty as a share of the mean variance.
MOST_FOR_START, RIDGE = 10_000, 1e-3


@dataclass(frozen=True)
class Naming:
    """A picture's tokens and the text to say after them.

    Attributes:
        tokens: ids, those of pictures from ``FIRST_ID`` on, shape (tokens,), int64.
        said: how many of them, at the end, are the text.
    """

    tokens: np.ndarray
    said: int


class NamingPrompt:
    """Writes pictures and texts as tokens of one LLM."""

    def __init__(
        self, text_tokenizer: Any, pictures: PictureTokens, library: PromptLibrary | None = None
    ) -> None:
        text = (library or PromptLibrary()).render(TEMPLATE, picture=_PICTURE).rstrip("\n")
        before, _, after = text.partition(_PICTURE)
        bos, eos = text_tokenizer.bos_token_id, text_tokenizer.eos_token_id
        self._text_tokenizer = text_tokenizer
        self._before = [] if bos is None else [bos]
        self._before += self._ids(before)
        self._after, self._end, self._each = self._ids(after), [eos], pictures.each

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._text_tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def asked(self, item: int) -> np.ndarray:
        """The prompt after which an item's text is said, shape (tokens,)."""
        shown = range(FIRST_ID + item * self._each, FIRST_ID + (item + 1) * self._each)
        return np.array([*self._before, *shown, *self._after], np.int64)

    def said(self, text: str) -> np.ndarray:
        """A text as it is said, with its end, shape (tokens,)."""
        return np.array([*self._ids(f" {text}"), *self._end], np.int64)

    def row(self, item: int, text: str) -> Naming:
        """An item's picture and a text after it."""
        said = self.said(text)
        return Naming(np.concatenate([self.asked(item), said]), len(said))


class SeeingLLM(nn.Module):
    """An LLM that sees, with the pictures of all items; only its projector learns.

    Args:
        model: a Llava of transformers.

    Raises:
        ConfigError: it has no projector of its own.
    """

    def __init__(self, model: Any, pictures: PictureTokens) -> None:
        super().__init__()
        join = projector(model)
        if join is None:
            raise ConfigError(
                f"A model of the type {model.config.model_type} brings its projector with it. Use "
                "it as it is: llm.name and llm.pictures in a recipe."
            )
        self.model, self.pictures = model.requires_grad_(requires_grad=False), pictures
        # In bfloat16, an optimiser's small steps would round to nothing.
        join.float().requires_grad_(requires_grad=True)

    def states(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Hidden states, shape (rows, tokens, width)."""
        seen = tokens >= FIRST_ID
        embeddings = self.model.get_input_embeddings()(tokens.masked_fill(seen, 0))
        own = self.pictures.embed(self.model, tokens[seen], embeddings.dtype)
        decoder = self.model.get_decoder()
        found: Tensor = decoder(
            inputs_embeds=embeddings.index_put((seen,), own),
            attention_mask=real.long(),
            use_cache=False,
        ).last_hidden_state
        return found

    def log_probabilities(self, batch: Batch) -> Tensor:
        """Mean log-probability of each row's text, token by token, shape (rows,)."""
        hidden = self.states(batch["tokens"], batch["real"])[:, :-1]
        targets = batch["targets"][:, 1:]
        spoken = targets != IGNORED
        logits = self.model.get_output_embeddings()(hidden[spoken]).float()
        lost = functional.cross_entropy(logits, targets[spoken], reduction="none")
        full = torch.zeros(targets.shape, device=lost.device).masked_scatter(spoken, lost)
        return -full.sum(1) / spoken.sum(1)


def collate_namings(rows: Sequence[Naming]) -> Batch:
    """Rows -> ``tokens``, ``real`` and ``targets``, shape (rows, tokens), padded on the right."""
    longest = max(len(row.tokens) for row in rows)
    tokens = np.zeros((len(rows), longest), np.int64)
    real = np.zeros((len(rows), longest), bool)
    targets = np.full((len(rows), longest), IGNORED, np.int64)
    for place, row in enumerate(rows):
        length = len(row.tokens)
        tokens[place, :length], real[place, :length] = row.tokens, True
        targets[place, length - row.said : length] = row.tokens[length - row.said :]
    return {
        "tokens": torch.from_numpy(tokens),
        "real": torch.from_numpy(real),
        "targets": torch.from_numpy(targets),
    }


@torch.no_grad()
def start_from_words(
    llm: SeeingLLM, prompt: NamingPrompt, shown: Sequence[int], texts: Sequence[str], *, seed: int
) -> None:
    """Lets a Llava's pictures begin near the words that are said of them.

    The projector's second layer is set by ridge regression, from what the first, random, makes of
    a picture's tokens to the mean embedding of the words. A frozen LLM then sees something that it
    knows, and learns in a fraction of the steps. With nothing to learn from, it stays as it is.

    Args:
        shown: items to learn from; those without words or with broken vectors are passed over.
        texts: of all items.
    """
    join: Any = projector(llm.model)
    embed = llm.model.get_input_embeddings()
    drawn = np.random.default_rng(seed).permutation(np.asarray(shown))[:MOST_FOR_START]
    sums: list[Tensor] | None = None
    for item in drawn:
        kept = llm.pictures.tokens[item].to(join.linear_1.weight)
        ids = torch.as_tensor(prompt.said(texts[item])[:-1], device=kept.device)
        if not len(ids) or not kept.isfinite().all():
            continue
        middle = join.act(join.linear_1(kept)).double()
        # As the LLM takes them in, which may not be as its table holds them.
        word = embed(ids).double().mean(0)
        seen = middle.sum(0)
        inner, outer = middle.T @ middle, torch.outer(seen, word)
        own = [torch.full_like(word[:1], len(middle)), seen, word * len(middle), inner, outer]
        sums = own if sums is None else [a.add_(b) for a, b in zip(sums, own, strict=True)]
    if sums is None:
        return
    count, seen, word, inner, outer = sums
    mean, mean_word = seen / count, word / count
    inner = inner - count * torch.outer(mean, mean)
    # All pictures may be alike, and then the mean word is all that can be said.
    strength = max(RIDGE * float(inner.diagonal().mean()), 1e-6)
    ridge = strength * torch.eye(len(inner), device=inner.device)
    weight = torch.linalg.solve(inner + ridge, outer - count * torch.outer(mean, mean_word)).T
    join.linear_2.weight.copy_(weight)
    join.linear_2.bias.copy_(mean_word - weight @ mean)


def train_projector(
    llm: SeeingLLM,
    rows: Sequence[Naming],
    *,
    config: FitConfig,
    folder: Path,
    job: str,
    progress: Any = None,
) -> FitResult:
    """Trains the projector in place on pictures and what is said of them; see ``fit``."""
    return fit(
        llm,
        list(rows),
        collate=collate_namings,
        loss=lambda model, batch: -model.log_probabilities(batch).mean(),
        config=config,
        folder=folder,
        progress=progress,
        job=job,
    )


@torch.inference_mode()
def chosen_names(
    llm: SeeingLLM,
    prompt: NamingPrompt,
    shown: Sequence[int],
    candidates: Sequence[Sequence[str]],
    *,
    batch_size: int = 32,
    progress: Any = None,
) -> np.ndarray:
    """Which of its candidate texts the LLM finds the most likely for each picture, shape (shown,).

    Args:
        shown: items whose pictures are shown.
        candidates: texts for each of them.
    """
    llm.eval()
    device = next(llm.model.parameters()).device
    chosen = np.zeros(len(shown), np.int64)
    for number, (item, texts) in enumerate(zip(shown, candidates, strict=True)):
        rows = [prompt.row(item, text) for text in texts]
        scores = []
        for start in range(0, len(rows), batch_size):
            batch = collate_namings(rows[start : start + batch_size])
            batch = {key: value.to(device) for key, value in batch.items()}
            scores.append(llm.log_probabilities(batch))
        chosen[number] = int(torch.cat(scores).argmax())
        if progress is not None:
            progress(number + 1, len(shown))
    return chosen


@torch.inference_mode()
def said_names(
    llm: SeeingLLM, prompt: NamingPrompt, shown: Sequence[int], *, tokens: int = 16
) -> list[np.ndarray]:
    """What the LLM says of each picture, the likeliest token at a time, as token ids."""
    llm.eval()
    device = next(llm.model.parameters()).device
    end = int(prompt.said("")[-1])
    said = []
    for item in shown:
        row = torch.from_numpy(prompt.asked(item))[None].to(device)
        asked = row.shape[1]
        for _ in range(tokens):
            hidden = llm.states(row, torch.ones_like(row, dtype=torch.bool))[:, -1]
            token = llm.model.get_output_embeddings()(hidden).argmax(-1, keepdim=True)
            if int(token) == end:
                break
            row = torch.cat([row, token], dim=1)
        said.append(row[0, asked:].cpu().numpy())
    return said
