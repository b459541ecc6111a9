"""A text of real words in front of a frozen LLM that makes its loss small.

Swaps of one token at a time. Where to swap and for what is read off the gradient of the loss in the
tokens' one-hot vectors, and then measured (AutoPrompt, Shin et al. 2020; GCG, Zou et al. 2023).
Knows token ids and losses; knows nothing of LLMs, items or histories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from genrec.errors import ConfigError

GRADIENT_COST = 3
"""What one gradient counts for in loss evaluations: a forward pass, and a backward pass of two."""

Loss = Callable[[Sequence[int]], float]
# Scores of swaps, shape (tokens, vocabulary): how much the loss changes to the first order.
Gradient = Callable[[Sequence[int]], np.ndarray]
Legal = Callable[[Sequence[int]], bool]
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        tokens: the best prompt.
        loss: its loss.
        start: loss of the prompt that it started from.
        evaluations: loss evaluations spent, gradients counted as ``GRADIENT_COST``.
        trail: the best loss after each evaluation that improved it, with their number.
    """

    tokens: list[int]
    loss: float
    start: float
    evaluations: int
    trail: list[tuple[int, float]] = field(default_factory=list)


def search_by_gradient(
    start: Sequence[int],
    loss: Loss,
    gradient: Gradient,
    vocabulary: np.ndarray,
    *,
    legal: Legal,
    evaluations: int,
    candidates: int = 16,
    best_of: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> Found:
    """The best prompt that swaps by the gradient lead to.

    Args:
        start: token ids, at least one.
        vocabulary: ids that may stand in a prompt.
        legal: whether a prompt can be written as text and read back.
        evaluations: loss evaluations to spend.
        candidates: swaps that are measured for each gradient.
        best_of: at each place, candidates are drawn from so many swaps of the best scores.

    Raises:
        ConfigError: there is nothing to start from or to swap in.
    """
    _check(start, vocabulary, evaluations)
    generator = np.random.default_rng(seed)
    tokens = [int(token) for token in start]
    best = first = loss(tokens)
    spent, trail, tried = 1, [(1, first)], {tuple(tokens)}
    while spent + GRADIENT_COST < evaluations:
        scores = gradient(tokens)[:, vocabulary]
        spent += GRADIENT_COST
        near = np.argsort(scores, axis=1)[:, :best_of]
        swaps = [
            (place, int(vocabulary[one])) for place in range(len(tokens)) for one in near[place]
        ]
        measured: list[tuple[float, list[int]]] = []
        for number in generator.permutation(len(swaps)):
            if len(measured) == candidates or spent >= evaluations:
                break
            swapped = _swapped(tokens, *swaps[int(number)])
            if tuple(swapped) in tried or not legal(swapped):
                continue
            tried.add(tuple(swapped))
            measured.append((loss(swapped), swapped))
            spent += 1
        if not measured:
            break
        value, swapped = min(measured)
        if value < best:
            best, tokens = value, swapped
            trail.append((spent, best))
        if progress is not None:
            progress(spent, evaluations, best)
    return Found(tokens, best, first, spent, trail)


def search_at_random(
    start: Sequence[int],
    loss: Loss,
    vocabulary: np.ndarray,
    *,
    legal: Legal,
    evaluations: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Found:
    """The control: as many evaluations, each of a random swap in the best prompt so far.

    Raises:
        ConfigError: there is nothing to start from or to swap in.
    """
    _check(start, vocabulary, evaluations)
    generator = np.random.default_rng(seed)
    tokens = [int(token) for token in start]
    best = first = loss(tokens)
    spent, trail = 1, [(1, first)]
    for _ in range(100 * evaluations):
        if spent >= evaluations:
            break
        place = int(generator.integers(len(tokens)))
        swapped = _swapped(tokens, place, int(generator.choice(vocabulary)))
        if swapped == tokens or not legal(swapped):
            continue
        value = loss(swapped)
        spent += 1
        if value < best:
            best, tokens = value, swapped
            trail.append((spent, best))
        if progress is not None:
            progress(spent, evaluations, best)
    return Found(tokens, best, first, spent, trail)


def _swapped(tokens: Sequence[int], place: int, token: int) -> list[int]:
    return [*tokens[:place], token, *tokens[place + 1 :]]


def _check(start: Sequence[int], vocabulary: np.ndarray, evaluations: int) -> None:
    if not len(start) or len(vocabulary) < 2 or evaluations < 1:
        raise ConfigError(
            f"A search needs words to start from (there are {len(start)} tokens), a vocabulary "
            f"({len(vocabulary)} tokens) and evaluations ({evaluations})."
        )
