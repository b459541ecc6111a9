"""What each modality adds to a content recommender, on the same users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from genrec.data.dataset import Holdout
from genrec.errors import InputError
from genrec.evaluation import metrics
from genrec.evaluation.evaluate import MAIN_METRIC, compare, measure
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.report import Comparison, Report, Result, table
from genrec.recommenders.content import ContentRecommender

HIDDEN, RETRAINED = "hidden at test time", "trained without it"

Retrain = Callable[[tuple[str, ...]], ContentRecommender]


@dataclass(frozen=True)
class Row:
    """One subset of the modalities.

    Attributes:
        seen: the modalities that the recommender may see.
        how: ``hidden at test time``, or ``trained without it``.
        reachable: items that have any of them, and so can be recommended.
        result: the figures.
        added: the same with all modalities minus this, on the same users; ``None`` for all.
    """

    seen: tuple[str, ...]
    how: str
    reachable: int
    result: Result
    added: Comparison | None


@dataclass(frozen=True)
class Ablation:
    """Figures of every subset; ``print`` it or take ``to_dict``.

    Attributes:
        metric: what is compared.
        modalities: all of them.
        items: size of the catalogue.
        coverage: items that have each modality.
        rows: all modalities first.
    """

    metric: str
    protocol: Protocol
    modalities: tuple[str, ...]
    users: int
    items: int
    coverage: Mapping[str, int]
    rows: Sequence[Row]

    def __str__(self) -> str:
        title = Report.title(self.metric)
        had = ", ".join(f"{name} {count:,}" for name, count in self.coverage.items())
        head = [f"Seen ({HIDDEN} where not)", f"{title} [95 %]", "Recall@10", "items", "adds", "p"]
        blocks = [
            f"Protocol: {self.protocol}",
            f"{self.users:,} test users, {self.items:,} items; with {had}.",
            "",
            *table(head, [self._cells(row) for row in self.rows if row.how == HIDDEN]),
        ]
        again = [self._cells(row) for row in self.rows if row.how == RETRAINED]
        if again:
            head[0] = "Seen (trained without the others)"
            blocks += ["", *table(head, again)]
        return "\n".join([*blocks, "", *(self._sentence(name) for name in self._judged())])

    def without(self, modality: str, how: str = HIDDEN) -> Row:
        """The row in which one modality is missing and all others are there.

        Raises:
            InputError: there is no such row.
        """
        rest = tuple(name for name in self.modalities if name != modality)
        found = [row for row in self.rows if row.seen == rest and row.how == how]
        if modality not in self.modalities or not found:
            raise InputError(f"The ablation has no figures without '{modality}' ({how}).")
        return found[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the per-user arrays."""
        return {
            "protocol": str(self.protocol),
            "metric": self.metric,
            "modalities": list(self.modalities),
            "users": self.users,
            "items": self.items,
            "coverage": dict(self.coverage),
            "rows": [
                {
                    "seen": list(row.seen),
                    "how": row.how,
                    "items": row.reachable,
                    "metrics": {
                        name: {"mean": one.mean, "low": one.low, "high": one.high}
                        for name, one in row.result.estimates.items()
                    },
                    "all_minus_this": None
                    if row.added is None
                    else {
                        "mean": row.added.difference.mean,
                        "low": row.added.difference.low,
                        "high": row.added.difference.high,
                        "p": row.added.p,
                        "verdict": row.added.verdict,
                    },
                }
                for row in self.rows
            ],
        }

    def _judged(self) -> tuple[str, ...]:
        return self.modalities if len(self.modalities) > 1 else ()

    def _cells(self, row: Row) -> list[str]:
        difference = row.added.difference if row.added else None
        return [
            " + ".join(row.seen),
            str(row.result.estimates[self.metric]),
            f"{row.result.estimates['recall@10'].mean:.4f}",
            f"{row.reachable:,}",
            ""
            if difference is None
            else f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]",
            "" if row.added is None else f"{row.added.p:.4f}",
        ]

    def _sentence(self, modality: str) -> str:
        trained = any(row.how == RETRAINED for row in self.rows)
        row = self.without(modality, RETRAINED if trained else HIDDEN)
        assert row.added is not None
        difference = row.added.difference
        verdict = {
            "wins": "adds",
            "loses": "takes away",
            "level": "adds nothing that is sure:",
        }[row.added.verdict]
        amount = (
            f"{difference.mean:+.4f}"
            if row.added.verdict == "level"
            else (f"{abs(difference.mean):.4f}")
        )
        others = " + ".join(row.seen)
        return f"{modality} {verdict} {amount} {Report.title(self.metric)} to {others} ({row.how})."


def subsets(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """All of them, each left out, and each alone: every subset where there are up to three."""
    names = tuple(modalities)
    sizes = [len(names), len(names) - 1, 1] if len(names) > 3 else range(len(names), 0, -1)
    return list(dict.fromkeys(one for size in sizes for one in combinations(names, size) if one))


def ablate(
    recommender: ContentRecommender,
    cases: Holdout,
    *,
    protocol: Protocol | None = None,
    metric: str = MAIN_METRIC,
    retrain: Retrain | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Ablation:
    """The recommender's figures with every subset of its modalities.

    Args:
        cases: as ``select_cases`` gives them.
        retrain: makes a recommender that was trained with these modalities alone; without it only
            hiding at test time is measured, which asks more of the model than it was chosen for.
        progress: called with the subset in words, subsets done and subsets in all.
    """
    rules = protocol or Protocol(split=cases.split, seeds=(recommender.seed,))
    known = recommender.modalities
    jobs = [(seen, HIDDEN) for seen in subsets(known.groups)]
    if retrain is not None:
        jobs += [(seen, RETRAINED) for seen in subsets(known.groups)[1:]]
    rows: list[Row] = []
    for number, (seen, how) in enumerate(jobs):
        if progress is not None:
            progress(f"{' + '.join(seen)}, {how}", number, len(jobs))
        visible = known.only(seen)
        if how == RETRAINED and retrain is not None:
            one = retrain(seen)
        else:
            one = recommender.seeing(visible)
        result = measure(one, cases, rules, cutoffs=metrics.CUTOFFS)
        added = compare(rows[0].result, result, metric) if rows else None
        rows.append(Row(seen, how, int(visible.known.sum()), result, added))
    if progress is not None:
        progress("", len(jobs), len(jobs))
    coverage = {group: int(known.only([group]).known.sum()) for group in known.groups}
    items = len(recommender.catalog)
    return Ablation(metric, rules, known.groups, len(cases), items, coverage, rows)
