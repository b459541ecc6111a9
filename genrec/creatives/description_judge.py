"""How good descriptions are that a text model writes from facts: near the shop's own, and true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.creatives.descriptions import question
from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard
from genrec.creatives.rouge import rouge_l
from genrec.creatives.tidy import tidy
from genrec.llm.text import TextModel
from genrec.prompting import PromptLibrary

BATCH = 8


@dataclass(frozen=True)
class DescriptionScores:
    """Descriptions by one model and what they are worth.

    Attributes:
        texts: one per item.
        rouge: ROUGE-L of each with the shop's own description, shape (items,).
        grounded: whether the guard finds nothing in it that the item does not say, shape (items,).
        empty: how many items got no words at all.
    """

    texts: list[str]
    rouge: np.ndarray
    grounded: np.ndarray
    empty: int


def judge_descriptions(
    writer: TextModel,
    described: Sequence[tuple[ItemFacts, str]],
    *,
    guard: Guard,
    library: PromptLibrary,
    max_tokens: int,
    progress: Callable[[int, int], None] | None = None,
) -> DescriptionScores:
    """Lets a model describe items from their facts, the likeliest word at a time.

    Args:
        described: facts of each item and the shop's own description.
    """
    texts: list[str] = []
    for start in range(0, len(described), BATCH):
        asked = [question(facts, library) for facts, _ in described[start : start + BATCH]]
        said = writer.generate_many(asked, max_tokens=max_tokens)
        texts += [tidy(answers[0]) for answers in said]
        if progress is not None:
            progress(len(texts), len(described))
    pairs = list(zip(texts, (facts for facts, _ in described), strict=True))
    return DescriptionScores(
        texts,
        np.array([rouge_l(text, own) for text, (_, own) in zip(texts, described, strict=True)]),
        # A text without words claims nothing, and says nothing either.
        np.array([bool(text) and guard.check(text, facts).ok for text, facts in pairs]),
        sum(not text for text in texts),
    )
