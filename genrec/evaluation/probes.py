"""Linear probes: how well a linear model reads an attribute from vectors, beside plain controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PENALTIES = (1e-4, 1e-3, 1e-2)
ITERATIONS = 60
# Items that penalties are tried on.
TRIED = 3000
# Side of the pictures of the raw-pixel control.
PIXEL_SIDE = 16
# Steps of each channel in the colour histogram.
SHADES = 6


@dataclass(frozen=True)
class Probe:
    """What a linear model makes of one kind of vectors.

    Attributes:
        accuracy: share of test items whose value is guessed.
        penalty: of the squared weights, chosen on a fifth of the training items.
    """

    accuracy: float
    penalty: float


def probe(
    train: np.ndarray, train_values: Sequence[str], test: np.ndarray, test_values: Sequence[str]
) -> Probe:
    """Multinomial logistic regression on standardised vectors, its penalty chosen in training.

    Values that training does not know count as missed.

    Args:
        train: shape (items, dimensions).
        test: likewise.
    """
    names = sorted(set(train_values))
    number = {name: row for row, name in enumerate(names)}
    labels = np.array([number[value] for value in train_values], np.int64)
    wanted = np.array([number.get(value, -1) for value in test_values], np.int64)
    centre, spread = train.mean(0), train.std(0) + 1e-6
    train, test = (train - centre) / spread, (test - centre) / spread
    order = np.random.default_rng(0).permutation(len(train))
    cut = max(1, len(train) // 5)
    inner, outer = order[:cut], order[cut : cut + TRIED]
    penalty = max(
        PENALTIES,
        key=lambda value: _share(
            _weights(train[outer], labels[outer], len(names), value), train[inner], labels[inner]
        ),
    )
    weights = _weights(train, labels, len(names), penalty)
    return Probe(_share(weights, test, wanted), penalty)


def majority(train_values: Sequence[str], test_values: Sequence[str]) -> float:
    """The accuracy of always guessing the most frequent value."""
    values, counts = np.unique(np.array(train_values), return_counts=True)
    return float(np.mean(np.array(test_values) == values[counts.argmax()]))


def raw_pixels(pixels: np.ndarray) -> np.ndarray:
    """A control: pictures of 16 x 16 pixels as they are, shape (pictures, 768).

    Args:
        pixels: shape (pictures, 3, side, side), uint8.
    """
    import torch
    from torch.nn import functional

    parts = torch.from_numpy(pixels).split(500)
    small = [functional.adaptive_avg_pool2d(part.float(), PIXEL_SIDE) for part in parts]
    return (torch.cat(small).flatten(1) / 255).numpy()


def colour_histogram(pixels: np.ndarray) -> np.ndarray:
    """A control: shares of 6 x 6 x 6 colours in each picture, square roots, shape (pictures, 216).

    Args:
        pixels: shape (pictures, 3, side, side), uint8.
    """
    steps = pixels.astype(np.int64) * SHADES // 256
    cells = (steps[:, 0] * SHADES + steps[:, 1]) * SHADES + steps[:, 2]
    flat = cells.reshape(len(pixels), -1)
    counts = np.stack([np.bincount(row, minlength=SHADES**3) for row in flat])
    return np.sqrt(counts / flat.shape[1]).astype(np.float32)


def _weights(vectors: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> np.ndarray:
    import torch
    from torch.nn import functional

    inputs = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
    targets = torch.from_numpy(labels)
    weights = torch.zeros(inputs.shape[1] + 1, classes, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        search.zero_grad()
        logits = inputs @ weights[1:] + weights[0]
        loss = functional.cross_entropy(logits, targets) + penalty * weights[1:].square().sum()
        loss.backward()
        return loss

    search.step(closure)
    return weights.detach().numpy()


def _share(weights: np.ndarray, vectors: np.ndarray, labels: np.ndarray) -> float:
    return float(((vectors @ weights[1:] + weights[0]).argmax(1) == labels).mean())
