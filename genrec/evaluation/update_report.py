"""A run before and after an update, on the same held-out cases, and whether the update is taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.dataset import Holdout
from genrec.data.sequences import Sequences
from genrec.errors import StorageError
from genrec.evaluation.drift import Drift
from genrec.evaluation.evaluate import MAIN_METRIC, compare, measure
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.report import Comparison, Report, Result, table
from genrec.recommenders.base import Recommender

SHOWN = ("recall@10", "ndcg@10", "mrr@10", "hit_rate@10")


@dataclass(frozen=True)
class Contrast:
    """One group of cases, measured before and after.

    Attributes:
        name: which cases.
        before: the version in use, on the items that it knows.
        after: the version that the update made.
        change: after minus before, on the same users.
    """

    name: str
    before: Result
    after: Result
    change: Comparison

    @staticmethod
    def of(name: str, before: Result, after: Result) -> Contrast:
        """Both results of the same cases."""
        return Contrast(name, before, after, compare(after, before, MAIN_METRIC))

    @property
    def users(self) -> int:
        return len(self.after.per_user[MAIN_METRIC])

    @property
    def lost(self) -> float:
        """The share of the main metric that was lost; below zero where it was gained."""
        before = self.before.estimates[MAIN_METRIC].mean
        after = self.after.estimates[MAIN_METRIC].mean
        return (before - after) / before if before else 0.0 if after >= before else 1.0


@dataclass(frozen=True)
class UpdateReport:
    """Everything that one update found.

    Attributes:
        run: the recipe's name.
        drift: what changed between training and new events.
        contrasts: groups of cases before and after; none if nothing was trained.
        margin: the share of the main metric that may be lost.
        fresh_shown: new items in the top-10 lists of held-out users, and the places that they take,
            of all places.
        protocol: the rules of the measurement.
        notes: what was left out of the files.
    """

    run: str
    drift: Drift
    contrasts: Sequence[Contrast] = ()
    margin: float = 0.0
    fresh_shown: tuple[int, int, int] = (0, 0, 0)
    protocol: Protocol | None = None
    notes: Sequence[str] = ()

    @property
    def worse(self) -> list[Contrast]:
        """The groups of cases that lost more than the margin."""
        return [one for one in self.contrasts if one.lost > self.margin]

    @property
    def headline(self) -> str:
        """The first line: what came of it."""
        if not self.contrasts:
            return f"{self.run}: what changed, nothing trained yet."
        figures = "; ".join(
            f"{one.name} {one.before.estimates[MAIN_METRIC].mean:.4f} to "
            f"{one.after.estimates[MAIN_METRIC].mean:.4f} (p = {one.change.p:.3f})"
            for one in self.contrasts
        )
        if self.worse:
            names = " and ".join(one.name for one in self.worse)
            return (
                f"Not promoted: NDCG@10 on {names} fell by more than {self.margin:.0%}. {figures}."
            )
        return f"Promoted. NDCG@10: {figures}."

    def metric_rows(self) -> list[list[str]]:
        """Group, metric, before and after, as cells."""
        rows = []
        for one in self.contrasts:
            for metric in SHOWN:
                rows.append(
                    [
                        f"{one.name} ({one.users:,} users): {Report.title(metric)}",
                        str(one.before.estimates[metric]),
                        str(one.after.estimates[metric]),
                    ]
                )
        return rows

    @property
    def shown_line(self) -> str:
        """How much of the lists is new; empty where nothing is."""
        if not self.drift.items:
            return ""
        items, places, all_places = self.fresh_shown
        return (
            f"{items:,} of {self.drift.items:,} new items stand in the top-10 lists of held-out "
            f"users, in {places:,} of {all_places:,} places."
        )

    def __str__(self) -> str:
        lines = [self.headline]
        if self.contrasts:
            lines += ["", *table(["mean [95 % interval]", "before", "after"], self.metric_rows())]
            lines += ["", self.shown_line] if self.shown_line else []
        lines += [f"Note: {note}." for note in self.notes]
        return "\n".join([*lines, "", str(self.drift)])

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        items, places, all_places = self.fresh_shown
        return {
            "headline": self.headline,
            "promoted": bool(self.contrasts) and not self.worse,
            "margin": self.margin,
            "main": MAIN_METRIC,
            "protocol": None if self.protocol is None else str(self.protocol),
            "cases": {
                one.name: {
                    "users": one.users,
                    "before": _figures(one.before),
                    "after": _figures(one.after),
                    "lost": one.lost,
                    "p": one.change.p,
                }
                for one in self.contrasts
            },
            "new_items_shown": {"items": items, "places": places, "of": all_places},
            "notes": list(self.notes),
            "drift": self.drift.to_dict(),
        }

    def save(self, folder: Path) -> None:
        """Writes ``report.txt``, ``report.json`` and ``report.html``.

        Raises:
            StorageError: the folder cannot be written.
        """
        from genrec.evaluation.update_page import update_page

        try:
            (folder / "report.txt").write_text(f"{self}\n", encoding="utf-8")
            (folder / "report.json").write_text(json.dumps(self.to_dict(), indent=1))
            (folder / "report.html").write_text(update_page(self), encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"The report cannot be written to {folder}: {error}. Free some space."
            ) from error


def measured(recommender: Recommender, cases: Holdout, protocol: Protocol) -> Result:
    """Figures of a recommender on cases whose items it may not all know.

    Items of the histories that it lacks are passed over, as the service does; a target that it
    lacks it cannot find.
    """
    known = known_only(cases.histories, len(recommender.catalog))
    return measure(recommender, replace(cases, histories=known), protocol)


def known_only(histories: Sequences, items: int) -> Sequences:
    """Histories without the items from this number on."""
    keep = histories.items < items
    if keep.all():
        return histories
    owners = np.repeat(np.arange(len(histories)), histories.lengths)[keep]
    lengths = np.bincount(owners, minlength=len(histories))
    return Sequences(
        histories.users,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        histories.items[keep],
        None if histories.times is None else histories.times[keep],
        None if histories.baskets is None else histories.baskets[keep],
        None if histories.kinds is None else histories.kinds[keep],
    )


def fresh_shown(results: Sequence[Result], old_items: int, k: int = 10) -> tuple[int, int, int]:
    """New items in some list, the places that they take, and all places of lists of ``k``."""
    exposed = np.sum([result.exposed for result in results], axis=0)
    users = sum(len(result.per_user[MAIN_METRIC]) for result in results)
    new = exposed[old_items:]
    return int((new > 0).sum()), int(new.sum()), users * k


def _figures(result: Result) -> dict[str, list[float]]:
    return {
        name: [one.mean, one.low, one.high]
        for name, one in result.estimates.items()
        if name in SHOWN
    }
