"""How good semantic IDs are, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from genrec.semantic_ids.closeness import (
    category_purity,
    chance_shared,
    followers,
    nearest_items,
    shared_codes,
)
from genrec.semantic_ids.collisions import shared_ids
from genrec.semantic_ids.index import level_name


@dataclass(frozen=True, eq=False)
class Evidence:
    """What IDs are judged by, beside the vectors. Only training events belong here.

    Attributes:
        categories: a value for each item, "" where there is none; empty without categories.
        items: catalogue positions of all training events, user by user.
        lengths: events of each user.
    """

    categories: Sequence[str] = ()
    items: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class QualityReport:
    """Figures about semantic IDs.

    Shares are of codes that two items have in common: for ordered IDs one share for each length of
    prefix, for unordered ones a single share of all codes.

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
        quantizer: which one made them.
        ordered: whether codes depend on those before them.
        perplexity: of the codes at each level: as many equally frequent codes say as much.
        reconstruction_error: squared distance of the vectors from what their codes stand for, as a
            share of the vectors' variance; ``None`` where codes stand for no vectors.
        neighbours_kept: shares of codes in common with the 10 nearest vectors.
        chance_kept: the same of random pairs.
        purity: share of the items under a first code (unordered: under a code) that have its
            commonest category, less than two items left out; ``None`` without categories.
        chance_purity: the same with categories dealt out at random.
        bought_next: shares of codes in common of two items that follow each other in a training
            history; empty without events.
        cold_items: items without a training event.
        cold_neighbours_kept: ``neighbours_kept`` of these.
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
    quantizer: str = ""
    ordered: bool = True
    perplexity: list[float] = field(default_factory=list)
    reconstruction_error: float | None = None
    neighbours_kept: list[float] = field(default_factory=list)
    chance_kept: list[float] = field(default_factory=list)
    purity: float | None = None
    chance_purity: float | None = None
    bought_next: list[float] = field(default_factory=list)
    cold_items: int | None = None
    cold_neighbours_kept: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        levels = ", ".join(
            f"{level_name(n)} {bits:.1f} bits ({share:.0%} used)"
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
    rebuilt: np.ndarray | None = None,
    ordered: bool = True,
    name: str = "",
    evidence: Evidence | None = None,
    seed: int = 0,
) -> QualityReport:
    """Figures about the codes ``raw`` as quantised and ``final`` as resolved.

    Args:
        raw: shape (items, levels).
        final: shape (items, levels or levels + 1).
        codebook_sizes: of ``final``.
        vectors: shape (items, dimensions), float32.
        rebuilt: what ``raw`` stands for, shape (items, dimensions).
        ordered: see the report.
        name: of the quantiser.
        evidence: categories and training events.
        seed: of the items that are looked at.
    """
    groups = shared_ids(raw)
    colliding = sum(len(group) for group in groups)
    entropy, used = [], []
    for level, size in enumerate(codebook_sizes):
        share = np.bincount(final[:, level], minlength=size) / len(final)
        present = share[share > 0]
        # Minus a sum of nothing would print as -0.0.
        entropy.append(round(0.0 - float((present * np.log2(present)).sum()), 3))
        used.append(round(float((share > 0).mean()), 4))
    # A level that counts equal IDs says nothing of what items are.
    meant = final[:, : raw.shape[1]]
    rows, near = nearest_items(vectors, seed)
    kept = shared_codes(meant, np.repeat(rows, near.shape[1]), near.ravel(), ordered=ordered)
    first = np.bincount(final[:, 0]) / len(final)
    coherence = 1.0 if not near.size else float((final[near, 0] == final[rows, None, 0]).mean())
    return QualityReport(
        items=len(final),
        unique_share_before=round(1 - colliding / len(raw), 4),
        collisions_before=colliding,
        collisions_after=sum(len(group) for group in shared_ids(final)),
        largest_collision=max((len(group) for group in groups), default=1),
        entropy=entropy,
        used=used,
        neighbour_coherence=round(coherence, 4),
        chance_coherence=round(float((first**2).sum()), 4),
        quantizer=name,
        ordered=ordered,
        perplexity=[round(2**bits, 1) for bits in entropy],
        reconstruction_error=_error(vectors, rebuilt),
        neighbours_kept=kept,
        chance_kept=chance_shared(meant, seed, ordered=ordered),
        **({} if evidence is None else _judged(meant, vectors, evidence, seed, ordered=ordered)),
    )


def _error(vectors: np.ndarray, rebuilt: np.ndarray | None) -> float | None:
    spread = float(((vectors - vectors.mean(axis=0)) ** 2).sum())
    if rebuilt is None or spread <= 0:
        return None
    return round(float(((vectors - rebuilt) ** 2).sum()) / spread, 4)


def _judged(
    codes: np.ndarray, vectors: np.ndarray, evidence: Evidence, seed: int, *, ordered: bool
) -> dict[str, Any]:
    """What categories and events say of the IDs."""
    found: dict[str, Any] = {}
    if len(evidence.categories):
        pure, chance = category_purity(codes, evidence.categories, seed, ordered=ordered)
        found |= {"purity": pure, "chance_purity": chance}
    if len(evidence.items):
        one, other = followers(evidence.items, evidence.lengths, seed)
        found["bought_next"] = shared_codes(codes, one, other, ordered=ordered)
        cold = np.flatnonzero(np.bincount(evidence.items, minlength=len(codes)) == 0)
        found["cold_items"] = len(cold)
        if len(cold):
            rows, near = nearest_items(vectors, seed, among=cold)
            found["cold_neighbours_kept"] = shared_codes(
                codes, np.repeat(rows, near.shape[1]), near.ravel(), ordered=ordered
            )
    return found
