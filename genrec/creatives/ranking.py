"""Which of several texts for one request is shown: without near-duplicates, best first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

from genrec.creatives.channels import Channel
from genrec.creatives.copy import Copy, CopyRequest

_WORD = re.compile(r"[^\W_]+")
SAME = 0.9
# A full channel is worth as much as a statement of little interest.
_FILLED = 0.3


class Ranker(Protocol):
    """Says how good each text is for its request; a trained reward model is one."""

    def score(self, copies: Sequence[Copy], request: CopyRequest) -> Sequence[float]:
        """One number for each text, higher is better."""


class FitRanker:
    """Fills its channel, and says what matters to this shopper.

    Args:
        channels: by name, for the limits.
    """

    def __init__(self, channels: dict[str, Channel]) -> None:
        self.channels = channels

    def score(self, copies: Sequence[Copy], request: CopyRequest) -> list[float]:
        """Weight of what is said, plus the share of the channel that is used."""
        fields = self.channels[request.channel].fields
        scores = []
        for one in copies:
            used = [
                min(place.length(one.fields[place.name]) / place.most, 1.0)
                for place in fields
                if place.name in one.fields
            ]
            said = sum({said.rule: said.weight for said in one.statements}.values())
            scores.append(said + _FILLED * (sum(used) / len(fields) if fields else 0.0))
        return scores


class TextRanker:
    """Scores by the words alone, such as a reward model trained on A/B tests.

    Args:
        scores: texts -> one number for each, higher is better.
    """

    def __init__(self, scores: Callable[[Sequence[str]], Sequence[float]]) -> None:
        self._scores = scores

    def score(self, copies: Sequence[Copy], request: CopyRequest) -> list[float]:
        """What the model says of each text; whom it is for plays no part."""
        del request
        return [float(one) for one in self._scores([copy.text for copy in copies])]


def distinct(copies: Sequence[Copy], *, same: float = SAME) -> list[Copy]:
    """The texts without those that say nearly the same as an earlier one.

    Args:
        same: share of words in common from which two texts are one.
    """
    kept: list[Copy] = []
    seen: list[frozenset[str]] = []
    for one in copies:
        words = _normal(one.text)
        if not any(_jaccard(words, other) >= same for other in seen):
            kept.append(one)
            seen.append(words)
    return kept


def best_first(copies: Sequence[Copy], scores: Sequence[float]) -> list[Copy]:
    """The texts by their scores, each with its own; equal ones stay in their order."""
    order = sorted(range(len(copies)), key=lambda place: -scores[place])
    return [replace(copies[place], score=float(scores[place])) for place in order]


def _normal(text: str) -> frozenset[str]:
    """Its words with their neighbours, so that another order is another text."""
    flat = unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(flat)
    return frozenset([*words, *(f"{a} {b}" for a, b in pairwise(words))])


def _jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second) if first or second else 1.0
