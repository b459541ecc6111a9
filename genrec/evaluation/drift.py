"""What changed between the events that a run was trained on and new ones, and what to do about it.

The population stability index of two distributions p (before) and q (now) over the same bins is
``sum (q - p) ln(q / p)``, the symmetric Kullback-Leibler divergence (Jeffreys 1946); rules of thumb
from credit scoring call .1 little and .25 much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from genrec.data.growth import Growth
from genrec.errors import InputError
from genrec.evaluation.report import table
from genrec.evaluation.update_options import DriftConfig
from genrec.semantic_ids.index import SemanticIndex, level_name

BINS = 10
DRAWS = 20
SMALLEST = 1e-4
FAR = 0.95


@dataclass(frozen=True)
class Fit:
    """How well the codebooks fit items that they were not made of.

    Attributes:
        old: distance of each old item's vector to what its codes stand for, shape (items,).
        new: the same of new items; empty where codes stand for no vectors.
        moved: new items whose semantic ID was taken already.
    """

    old: np.ndarray
    new: np.ndarray
    moved: int

    @property
    def limit(self) -> float:
        """The distance below which 95 % of the old items lie."""
        return float(np.quantile(self.old, FAR)) if len(self.old) else 0.0

    @property
    def far(self) -> float | None:
        """Share of the new items beyond the limit; ``None`` where there is nothing to compare."""
        if not len(self.old) or not len(self.new):
            return None
        return float((self.new > self.limit).mean())


@dataclass(frozen=True)
class Drift:
    """Everything that was compared.

    Attributes:
        events: new events; likewise ``items`` and ``users`` new ones.
        items_share: share of the catalogue that came since the semantic IDs were made.
        users_share: share of the new events' users that are new.
        popularity: population stability index over bins of old items of like share before, and
            the one that as many events drawn from before would give.
        bins: of each bin, its name and its share of old items' events before and now.
        codes: the same two of each level's codes among chosen items.
        used: of each level, the share of its codes that old and all items use.
        head: share of events of the most chosen items, before and now.
        fit: how well the codebooks fit.
        options: the thresholds.
    """

    events: int
    items: int
    users: int
    items_share: float
    users_share: float
    popularity: tuple[float, float]
    bins: list[tuple[str, float, float]]
    codes: list[tuple[float, float]]
    used: list[tuple[float, float]]
    head: tuple[float, float]
    fit: Fit
    options: DriftConfig = field(default_factory=DriftConfig)

    @property
    def advice(self) -> list[str]:
        """What to do, with the figure and the threshold that say so; empty if all is well."""
        limits, said = self.options, []
        remake = "Re-make the semantic IDs (genrec run RECIPE on all events into a new folder)"
        if self.fit.far is not None and self.fit.far > limits.far:
            said.append(
                f"{remake}: {self.fit.far:.0%} of the new items are farther from what their codes "
                f"stand for than {FAR:.0%} of the old ones (threshold {limits.far:.0%}: "
                "update.drift.far)."
            )
        if self.items_share > limits.new_items:
            said.append(
                f"{remake}: {self.items_share:.0%} of the items have come since the IDs were made "
                f"(threshold {limits.new_items:.0%}: update.drift.new_items)."
            )
        if self.items and self.fit.moved / self.items > limits.moved:
            said.append(
                f"{remake} with more codes: the IDs of {self.fit.moved / self.items:.0%} of the "
                f"new items were taken (threshold {limits.moved:.0%}: update.drift.moved)."
            )
        shifted = [
            f"{level_name(level)} {value:.2f} ({chance:.2f} by chance)"
            for level, (value, chance) in enumerate(self.codes)
            if value - chance > limits.codes
        ]
        if shifted:
            said.append(
                "Other codes are chosen than before: stability index of level "
                f"{', '.join(shifted)}; threshold {limits.codes} above it: update.drift.codes. "
                "Update more often, or with more steps."
            )
        value, chance = self.popularity
        if value - chance > limits.popularity:
            said.append(
                f"Other items are chosen than before: stability index {value:.2f} ({chance:.2f} by "
                f"chance; threshold {limits.popularity} above it: update.drift.popularity). Update "
                "more often, or with less replay (update.replay)."
            )
        before, now = self.head
        if abs(now - before) > limits.head:
            said.append(
                f"The most chosen items had {before:.0%} of the events and have {now:.0%} now "
                f"(threshold {limits.head:.0%} of change: update.drift.head). Look whether a sale, "
                "a season or a fault of logging is behind it."
            )
        if self.users_share > limits.new_users:
            said.append(
                f"{self.users_share:.0%} of the users are new (threshold {limits.new_users:.0%}: "
                "update.drift.new_users). Figures of known users say little of them."
            )
        return said

    def rows(self) -> list[list[str]]:
        """Name, before and now of each figure, as cells."""
        rows = [
            ["new events", "", f"{self.events:,}"],
            ["new items", "", f"{self.items:,}"],
            ["items since the IDs were made", "", f"{self.items_share:.1%}"],
            ["new users", "", f"{self.users:,}"],
            ["of the new events' users", "", f"{self.users_share:.1%}"],
            ["stability index of popularity", *_index_cells(self.popularity)],
            ["events of the most chosen items", *(f"{share:.1%}" for share in self.head)],
        ]
        for level, (index, used) in enumerate(zip(self.codes, self.used, strict=True)):
            name = level_name(level)
            rows.append([f"stability index of codes {name}", *_index_cells(index)])
            rows.append([f"codes {name} in use", *(f"{share:.1%}" for share in used)])
        if self.fit.far is not None:
            middles = (float(np.median(self.fit.old)), float(np.median(self.fit.new)))
            rows.append(["median distance to the codes", *(f"{one:.4f}" for one in middles)])
            rows.append([f"farther than {FAR:.0%} of the old", "5.0%", f"{self.fit.far:.1%}"])
        if self.items:
            rows.append(["IDs that were taken", "", f"{self.fit.moved:,}"])
        return rows

    def __str__(self) -> str:
        lines = table(["what changed", "training", "new"], self.rows())
        return "\n".join(
            [*lines, "", *(self.advice or ["Nothing asks for more than this update."])]
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        known = len(self.fit.old) > 0 and len(self.fit.new) > 0
        return {
            "events": self.events,
            "items": self.items,
            "items_share": self.items_share,
            "users": self.users,
            "users_share": self.users_share,
            "popularity": list(self.popularity),
            "bins": [list(one) for one in self.bins],
            "codes": [list(one) for one in self.codes],
            "used": [list(one) for one in self.used],
            "head": list(self.head),
            "distance": {
                "old_median": float(np.median(self.fit.old)) if known else None,
                "new_median": float(np.median(self.fit.new)) if known else None,
                "old_95": self.fit.limit if known else None,
                "far": self.fit.far,
            },
            "moved": self.fit.moved,
            "thresholds": asdict(self.options),
            "advice": self.advice,
        }


def drift(
    growth: Growth, index: SemanticIndex, made_of: int, fit: Fit, options: DriftConfig
) -> Drift:
    """What changed with new events.

    Args:
        index: of all items, the new ones behind.
        made_of: number of items that the codebooks were made of.
        fit: how well they fit the rest.

    Raises:
        InputError: there are no events before, or no new ones.
    """
    items = len(growth.after.catalog)
    chosen = growth.after.events["item"].to_numpy().astype(np.int64)
    before = np.bincount(chosen[~growth.fresh], minlength=items)
    now = np.bincount(chosen[growth.fresh], minlength=items)
    if not before.sum() or not now.sum():
        raise InputError("Nothing to compare: there are no events before, or none that are new.")
    owners = np.unique(growth.after.events["user"].to_numpy()[growth.fresh])
    old = len(growth.before.catalog)
    number, bins = _bins(before[:old], now[:old])
    return Drift(
        events=int(now.sum()),
        items=items - old,
        users=growth.new_users,
        items_share=1 - made_of / items,
        users_share=float((owners >= len(growth.before.users)).mean()),
        popularity=_index(before[:old], now[:old], number, len(bins)),
        bins=bins,
        codes=[
            _index(before, now, index.codes[:, level], size)
            for level, size in enumerate(index.codebook_sizes)
        ],
        used=[
            (_used(index.codes[:old, level], size), _used(index.codes[:, level], size))
            for level, size in enumerate(index.codebook_sizes)
        ],
        head=_head(before, now, options.head_items),
        fit=fit,
        options=options,
    )


def stability(before: Sequence[float] | np.ndarray, now: Sequence[float] | np.ndarray) -> float:
    """The population stability index of two distributions over the same bins; 0 if they are equal.

    Shares below .0001 count as that, so that an empty bin has a finite weight.
    """
    p = np.maximum(np.asarray(before, np.float64), SMALLEST)
    q = np.maximum(np.asarray(now, np.float64), SMALLEST)
    return float(((q - p) * np.log(q / p)).sum())


def _index(before: np.ndarray, now: np.ndarray, bins: np.ndarray, size: int) -> tuple[float, float]:
    """The stability index of events over bins of items, and the one that chance alone gives.

    The second is the mean of as many events drawn from before, since few events over many bins
    never look the same twice.

    Args:
        before, now: events of each item, shape (items,).
        bins: of each item, shape (items,).
        size: number of bins.
    """
    first, second = (np.bincount(bins, weights=counts, minlength=size) for counts in (before, now))
    shares, drawn = first / first.sum(), np.random.default_rng(0)
    events = int(second.sum())
    if not events:
        return 0.0, 0.0
    chance = [stability(shares, drawn.multinomial(events, shares) / events) for _ in range(DRAWS)]
    return stability(shares, second / events), float(np.mean(chance))


def _index_cells(index: tuple[float, float]) -> list[str]:
    return [f"chance {index[1]:.3f}", f"{index[0]:.3f}"]


def _bins(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """Items from the most to the least chosen in bins of like shares of events, and the unchosen.

    Returns:
        The bin of each item, and of each bin its name and its shares.
    """
    order = np.argsort(-before, kind="stable")
    order = order[before[order] > 0]
    # Where in the running share of events an item's middle lies.
    middle = (np.cumsum(before[order]) - before[order] / 2) / before.sum()
    number = np.minimum((middle * BINS).astype(np.int64), BINS - 1)
    bins = np.zeros(len(before), np.int64)
    found: list[tuple[str, float, float]] = []
    first = 1
    for place in range(BINS):
        mine = order[number == place]
        if not len(mine):
            continue
        last = first + len(mine) - 1
        name = f"items {first:,} to {last:,}" if last > first else f"item {first:,}"
        shares = before[mine].sum() / before.sum(), now[mine].sum() / max(1, now.sum())
        bins[mine] = len(found)
        found.append((name, float(shares[0]), float(shares[1])))
        first = last + 1
    unchosen = before == 0
    if unchosen.any():
        bins[unchosen] = len(found)
        found.append(("never chosen before", 0.0, float(now[unchosen].sum() / max(1, now.sum()))))
    return bins, found


def _used(codes: np.ndarray, size: int) -> float:
    return len(np.unique(codes)) / size


def _head(before: np.ndarray, now: np.ndarray, share: float) -> tuple[float, float]:
    """The share of events of the most chosen items, before and now."""
    most = max(1, round(share * int((before > 0).sum())))
    items = np.argsort(-before, kind="stable")[:most]
    return float(before[items].sum() / before.sum()), float(now[items].sum() / now.sum())
