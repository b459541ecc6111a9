"""What customers chose together, as vectors, and joined to what items say of themselves.

Only the events that are handed in are read. Hand in what is trained on, and nothing of the test can
reach the vectors. Knows positions of items, not semantic IDs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.data.sequences import Sequences
from genrec.errors import ArtefactError, InputError

# Ridge penalties tried, as multiples of the number of items that it learns from; on a tenth of
# the items.
_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_HELD_OUT = 10
# Frequent neighbours are discounted less than their frequency says (Levy and Goldberg 2015).
_SMOOTHING = 0.75


def event_counts(sequences: Sequences, items: int) -> np.ndarray:
    """Events of each item, shape (items,), int64."""
    return np.bincount(sequences.items, minlength=items)


def cooccurrence_vectors(
    sequences: Sequences, items: int, *, dimensions: int, window: int = 5, seed: int = 0
) -> np.ndarray:
    """Vectors of which items stand near each other in histories.

    Positive pointwise mutual information of items at most ``window`` places apart, weighted by the
    inverse of their distance, cut to its largest singular vectors (Levy and Goldberg 2014, "Neural
    word embedding as implicit matrix factorization"). Items without a neighbour are zero; so are
    dimensions that the events do not fill.

    Returns:
        Shape (items, dimensions), float32.
    """
    from scipy.sparse import coo_matrix
    from sklearn.utils.extmath import randomized_svd

    positions = sequences.items.astype(np.int64)
    users = np.repeat(np.arange(len(sequences)), sequences.lengths)
    first, second, weight = [], [], []
    for apart in range(1, window + 1):
        same = users[:-apart] == users[apart:]
        first.append(positions[:-apart][same])
        second.append(positions[apart:][same])
        weight.append(np.full(int(same.sum()), 1.0 / apart))
    one, other, values = (np.concatenate(part) for part in (first, second, weight))
    differ = one != other
    pairs = coo_matrix((values[differ], (one[differ], other[differ])), shape=(items, items))
    counts = (pairs + pairs.T).tocoo()
    found = np.zeros((items, dimensions), np.float32)
    if not counts.nnz:
        return found
    totals = np.asarray(counts.sum(axis=1)).ravel()
    context = totals**_SMOOTHING
    context /= context.sum()
    information = np.log(counts.data / (totals[counts.row] * context[counts.col]))
    kept = information > 0
    matrix = coo_matrix(
        (information[kept], (counts.row[kept], counts.col[kept])), shape=(items, items)
    ).tocsr()
    width = min(dimensions, items - 1)
    left, strength, _ = randomized_svd(matrix, width, n_iter=5, random_state=seed)
    found[:, :width] = left * np.sqrt(strength)
    return found


@dataclass(frozen=True, eq=False)
class Whitening:
    """Turns vectors to their main directions and evens these out.

    Attributes:
        centre: shape (dimensions,), float32.
        turn: shape (dimensions, kept), float32; the mean squared length afterwards is 1.
    """

    centre: np.ndarray
    turn: np.ndarray

    @staticmethod
    def fit(vectors: np.ndarray, strength: float) -> Whitening:
        """From these vectors; ``strength`` 0 keeps their spread, 1 makes all directions alike."""
        centre = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - centre
        spread, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
        kept = spread > max(spread.max(), 0) * 1e-6
        if not kept.any():
            return Whitening(centre.astype(np.float32), np.zeros((vectors.shape[1], 1), np.float32))
        spread, directions = spread[kept][::-1], directions[:, kept][:, ::-1]
        # Signs are a free choice of the solver; made the same everywhere.
        directions = directions * np.sign(
            directions[np.abs(directions).argmax(0), range(len(spread))]
        )
        turn = directions * spread ** (-strength / 2)
        turn /= np.sqrt((spread ** (1 - strength)).sum())
        return Whitening(centre.astype(np.float32), turn.astype(np.float32))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        return ((vectors - self.centre) @ self.turn).astype(np.float32)


@dataclass(frozen=True, eq=False)
class CollaborativeFusion:
    """Content and collaborative parts side by side, for items with events and for new ones.

    The collaborative part of an item is a mean of its own and of what its content foretells (a
    ridge regression), by how many events it has. An item without events has the foretold part, as
    long as the parts of others are, so that it lies among those that are like it.

    Attributes:
        content: of the content part.
        ridge: from content to the collaborative part, shape (content, collaborative), float32.
        weight: share of the collaborative part in the squared length.
        explained: share of the collaborative part's variance that content foretells, on held-out
            items.
    """

    content: Whitening
    ridge: np.ndarray
    weight: float
    explained: float

    @staticmethod
    def fit(
        content: np.ndarray,
        signal: np.ndarray,
        counts: np.ndarray,
        *,
        weight: float,
        prior: float = 5.0,
        whiten: float = 0.5,
        seed: int = 0,
    ) -> tuple[CollaborativeFusion, np.ndarray]:
        """The fusion, and the vectors of these items, shape (items, dimensions), float32.

        Args:
            content: vectors of what items say of themselves, shape (items, dimensions).
            signal: vectors of what was chosen together, shape (items, dimensions).
            counts: events of each item; those without any are new.
            weight, prior, whiten: see ``CollaborativeConfig``.

        Raises:
            InputError: the shapes do not fit, or no item has events.
        """
        if not len(content) == len(signal) == len(counts):
            raise InputError(
                f"There are {len(content)} vectors of content, {len(signal)} of the collaborative "
                f"signal and {len(counts)} counts. All need one row for each item."
            )
        known = (counts > 0) & (np.abs(signal).sum(axis=1) > 0)
        if not known.any():
            raise InputError(
                "No item was chosen together with another, so there is no collaborative signal. "
                "Leave semantic_ids.collaborative out."
            )
        own = Whitening.fit(content, whiten)
        words = own(content)
        evened = Whitening.fit(signal[known], whiten)
        held = np.zeros((len(signal), evened.turn.shape[1]), np.float32)
        held[known] = evened(signal[known])
        ridge, explained = _ridge(words[known], held[known], counts[known], prior, seed)
        foretold = words @ ridge
        length = np.sqrt((foretold[known] ** 2).sum(1).mean())
        # What a ridge foretells is too short; as it is, all new items would lie in one heap.
        ridge = ridge / max(length, 1e-6)
        foretold = words @ ridge
        trust = np.where(known, counts / (counts + prior) if prior else 1.0, 0.0)[:, None]
        trust = trust.astype(np.float32)
        blended = trust * held + (1 - trust) * foretold
        fusion = CollaborativeFusion(own, ridge.astype(np.float32), weight, explained)
        return fusion, fusion._joined(words, blended)

    def of(self, content: np.ndarray) -> np.ndarray:
        """Vectors of items that nobody has chosen yet, from their content alone."""
        words = self.content(content)
        return self._joined(words, words @ self.ridge)

    def _joined(self, words: np.ndarray, together: np.ndarray) -> np.ndarray:
        parts = [(1 - self.weight) ** 0.5 * words, self.weight**0.5 * together]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def write(self, path: Path) -> None:
        """Writes one file of safetensors into a folder that somebody else seals."""
        numbers = np.array([self.weight, self.explained], np.float64)
        tensors = {"centre": self.content.centre, "turn": self.content.turn, "ridge": self.ridge}
        copies = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        save_file({**copies, "numbers": numbers}, path)

    @staticmethod
    def read(path: Path) -> CollaborativeFusion:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: the file is missing or damaged.
        """
        try:
            held = load_file(path)
            weight, explained = held["numbers"].tolist()
            whitening = Whitening(held["centre"], held["turn"])
            return CollaborativeFusion(whitening, held["ridge"], weight, explained)
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise ArtefactError(f"{path} cannot be read ({error}). Build the IDs again.") from error


def _ridge(
    words: np.ndarray, signal: np.ndarray, counts: np.ndarray, prior: float, seed: int
) -> tuple[np.ndarray, float]:
    """Ridge coefficients, and the variance that they explain on a tenth of the items."""
    trust = (counts / (counts + prior) if prior else np.ones(len(counts)))[:, None]
    order = np.random.default_rng(seed).permutation(len(words))
    test, rest = order[: len(order) // _HELD_OUT], order[len(order) // _HELD_OUT :]

    def solved(rows: np.ndarray, penalty: float) -> np.ndarray:
        weighted = words[rows] * trust[rows]
        gram = weighted.T @ words[rows]
        # The mean squared length of words is 1, spread over their dimensions.
        size = penalty * len(rows) / words.shape[1]
        gram[np.diag_indices_from(gram)] += size
        found: np.ndarray = np.linalg.solve(gram.astype(np.float64), weighted.T @ signal[rows])
        return found

    if not len(test):
        return solved(order, _PENALTIES[-1]), 0.0
    total = max(float((trust[test] * signal[test] ** 2).sum()), 1e-12)
    left = [
        float((trust[test] * (signal[test] - words[test] @ solved(rest, penalty)) ** 2).sum())
        for penalty in _PENALTIES
    ]
    best = int(np.argmin(left))
    return solved(order, _PENALTIES[best]), 1 - left[best] / total
