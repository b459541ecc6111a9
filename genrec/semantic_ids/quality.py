"""How good semantic IDs are, before anything is trained on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genrec.semantic_ids.collisions import shared_ids


@dataclass(frozen=True)
class QualityReport:
    """Figures about semantic IDs.

    Attributes:
        items: number of items.
        unique_share_before: items whose quantised ID no other item has, before resolution.
        collisions_before: items that share their quantised ID with another.
        collisions_after: the same after resolution; always 0.
        largest_collision: items in the largest group that shared one ID.
        entropy: of the codes at each level, in bits.
        used: share of the codes in use at each level.
        neighbour_coherence: share of an item's 10 nearest vectors that share its first code,
            mean over at most 2,000 items.
        chance_coherence: the same for random pairs of items.
    """

    items: int
    unique_share_before: float
    collisions_before: int
    collisions_after: int
    largest_collision: int
    entropy: list[float]
    used: list[float]
    neighbour_coherence: float
    chance_coherence: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        levels = ", ".join(
            f"{chr(ord('a') + n)} {bits:.1f} bits ({share:.0%} used)"
            for n, (bits, share) in enumerate(zip(self.entropy, self.used, strict=True))
        )
        return (
            f"{self.items:,} items; {self.unique_share_before:.1%} unique before resolution, "
            f"{self.collisions_after} collisions after (largest group {self.largest_collision}); "
            f"{levels}; neighbours share the first code {self.neighbour_coherence:.0%} of the time "
            f"(chance {self.chance_coherence:.0%})"
        )


def report_quality(
    raw: np.ndarray,
    final: np.ndarray,
    codebook_sizes: tuple[int, ...],
    vectors: np.ndarray,
    *,
    seed: int = 0,
) -> QualityReport:
    """Figures about the codes ``raw`` as quantised and ``final`` as resolved.

    Args:
        raw: shape (items, levels).
        final: shape (items, levels or levels + 1).
        codebook_sizes: of ``final``.
        vectors: shape (items, dimensions), float32.
    """
    groups = shared_ids(raw)
    colliding = sum(len(group) for group in groups)
    entropy, used = [], []
    for level, size in enumerate(codebook_sizes):
        share = np.bincount(final[:, level], minlength=size) / len(final)
        present = share[share > 0]
        entropy.append(round(float(-(present * np.log2(present)).sum()), 3))
        used.append(round(float((share > 0).mean()), 4))
    first = np.bincount(final[:, 0]) / len(final)
    return QualityReport(
        items=len(final),
        unique_share_before=round(1 - colliding / len(raw), 4),
        collisions_before=colliding,
        collisions_after=sum(len(group) for group in shared_ids(final)),
        largest_collision=max((len(group) for group in groups), default=1),
        entropy=entropy,
        used=used,
        neighbour_coherence=round(_coherence(vectors, final[:, 0], seed), 4),
        chance_coherence=round(float((first**2).sum()), 4),
    )


def _coherence(vectors: np.ndarray, first_codes: np.ndarray, seed: int) -> float:
    import faiss

    rows = np.random.default_rng(seed).permutation(len(vectors))[:2000]
    neighbours = min(10, len(vectors) - 1)
    if neighbours < 1:
        return 1.0
    everything = np.ascontiguousarray(vectors, np.float32)
    _, found = faiss.knn(everything[rows], everything, neighbours + 1)
    own = found == rows[:, None]
    # An exact duplicate can stand before the item itself; drop the item, or else the last one.
    own[~own.any(axis=1), -1] = True
    others = found[~own].reshape(len(rows), neighbours)
    return float((first_codes[others] == first_codes[rows][:, None]).mean())
