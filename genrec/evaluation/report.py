"""The result of an evaluation: what to say first, the table, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genrec.errors import StorageError
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.significance import Estimate

LEVEL = 0.05
SHOWN = ("recall@5", "recall@10", "ndcg@5", "ndcg@10", "mrr@10", "hit_rate@10")


@dataclass(frozen=True)
class Result:
    """One recommender's figures.

    Attributes:
        name: of the recommender.
        per_user: metric -> one value per user, shape (users,), the same users for everyone.
        estimates: metric -> mean and 95 % interval.
        lists: coverage, Gini and novelty of all lists together.
        invalid: places in lists that hold no item of the catalogue or repeat one.
        exposed: lists that show each item, shape (items,).
        seconds: time to rank all users.
    """

    name: str
    per_user: dict[str, np.ndarray]
    estimates: dict[str, Estimate]
    lists: dict[str, float]
    invalid: int
    exposed: np.ndarray
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The recommender minus one control, on the same users.

    Attributes:
        control: its name.
        metric: what is compared.
        difference: mean and 95 % interval of ours minus the control's.
        p: two-sided, from the paired randomisation test.
    """

    control: str
    metric: str
    difference: Estimate
    p: float

    @property
    def verdict(self) -> str:
        """``wins`` or ``loses`` as seen from the recommender, ``level`` where p is above .05."""
        if self.p > LEVEL:
            return "level"
        return "wins" if self.difference.mean > 0 else "loses"


@dataclass(frozen=True)
class Report:
    """Everything one evaluation found; ``print`` it, ``save`` it, or take ``to_dict``.

    Attributes:
        protocol: the rules of the measurement.
        main: the metric that decides.
        users: test users.
        users_dropped: users whose targets the protocol left out.
        items: size of the catalogue.
        results: the recommender first, then its controls.
        comparisons: one for each control.
        slices: name -> rows of the users in it.
        counts: training events of each item, shape (items,); ``None`` when not known.
    """

    protocol: Protocol
    main: str
    users: int
    users_dropped: int
    items: int
    results: list[Result]
    comparisons: list[Comparison]
    slices: dict[str, np.ndarray] = field(default_factory=dict)
    counts: np.ndarray | None = None

    @property
    def headline(self) -> str:
        """The first line: who wins on the main metric, the controls that beat us before all."""
        ours = self.results[0]
        mean = ours.estimates[self.main].mean
        metric = _title(self.main)
        if not self.comparisons:
            return f"{ours.name}: {metric} {mean:.4f}, measured without a control: no claim."
        ahead = sorted(
            (result for result in self.results[1:] if result.estimates[self.main].mean > mean),
            key=lambda result: -result.estimates[self.main].mean,
        )
        if ahead:
            found = ", ".join(
                f"{result.name} {result.estimates[self.main].mean:.4f} "
                f"({_probability(self._comparison(result.name).p)})"
                for result in ahead
            )
            if all(self._comparison(result.name).p > LEVEL for result in ahead):
                return (
                    f"A control leads {ours.name} on {metric} ({mean:.4f}), but chance may explain "
                    f"it: {found}."
                )
            return f"A control beats {ours.name} on {metric} ({mean:.4f}): {found}."
        best = max(self.results[1:], key=lambda result: result.estimates[self.main].mean)
        level = best.estimates[self.main].mean
        p = self._comparison(best.name).p
        if level == mean:
            return f"{ours.name} equals its best control, {best.name}, on {metric} ({mean:.4f})."
        gain = f" ({mean / level - 1:+.1%})" if level else ""
        figures = f"{mean:.4f} against {best.name} {level:.4f}{gain}, {_probability(p)}"
        if p > LEVEL:
            return f"{ours.name} leads on {metric}, but chance may explain it: {figures}."
        return f"{ours.name} beats every control on {metric}: {figures}."

    def _comparison(self, control: str) -> Comparison:
        return next(row for row in self.comparisons if row.control == control)

    def slice_rows(self) -> list[tuple[str, int, list[float]]]:
        """Name, users and each recommender's mean of the main metric, for every slice."""
        return [
            (name, len(rows), [float(r.per_user[self.main][rows].mean()) for r in self.results])
            for name, rows in self.slices.items()
        ]

    @staticmethod
    def title(metric: str) -> str:
        """A metric's name as people write it, such as ``NDCG@10``."""
        return _title(metric)

    def shown_metrics(self) -> list[str]:
        """The accuracy metrics of the table; all others are in ``to_dict``."""
        known = self.results[0].per_user
        shown = list(dict.fromkeys(name for name in [*SHOWN, self.main] if name in known))
        # Where every user has one target, the hit rate only repeats the recall.
        if "hit_rate@10" in shown and all(
            np.array_equal(result.per_user["hit_rate@10"], result.per_user["recall@10"])
            for result in self.results
        ):
            shown.remove("hit_rate@10")
        return shown

    def list_rows(self) -> list[list[str]]:
        """Coverage, Gini, novelty and invalid places, as cells."""
        rows = [
            [_title(name), *(_list_figure(name, result.lists[name]) for result in self.results)]
            for name in self.results[0].lists
        ]
        return [*rows, ["invalid places", *(f"{result.invalid:,}" for result in self.results)]]

    def comparison_rows(self) -> tuple[list[str], list[list[str]]]:
        """Head and cells of the paired comparisons."""
        ours = self.results[0].name
        rows = [
            [
                row.control,
                f"{row.difference.mean:+.4f} "
                f"[{row.difference.low:+.4f}, {row.difference.high:+.4f}]",
                _probability(row.p),
                "level" if row.verdict == "level" else f"{ours} {row.verdict}",
            ]
            for row in self.comparisons
        ]
        return [f"{ours} minus", f"{_title(self.main)} difference", "paired p", "at .05"], rows

    def __str__(self) -> str:
        names = [result.name for result in self.results]
        rows = [
            [_title(name), *(str(result.estimates[name]) for result in self.results)]
            for name in self.shown_metrics()
        ]
        blocks = [self.headline, f"Protocol: {self.protocol}", self.counted, ""]
        blocks += table(["mean [95 % interval]", *names], rows + self.list_rows())
        if self.comparisons:
            blocks += ["", *table(*self.comparison_rows())]
        if self.slices:
            rows = [
                [name, f"{users:,}", *(f"{mean:.4f}" for mean in means)]
                for name, users, means in self.slice_rows()
            ]
            blocks += ["", *table([f"{_title(self.main)} of", "users", *names], rows)]
        return "\n".join(blocks)

    @property
    def counted(self) -> str:
        """How many users and items the figures are about."""
        dropped = f" ({self.users_dropped:,} dropped by the protocol)" if self.users_dropped else ""
        return f"{self.users:,} test users{dropped}, {self.items:,} items."

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values, without the per-user arrays."""
        return {
            "headline": self.headline,
            "protocol": {**asdict(self.protocol), "line": str(self.protocol)},
            "main": self.main,
            "users": self.users,
            "users_dropped": self.users_dropped,
            "items": self.items,
            "recommenders": {
                result.name: {
                    "figures": {
                        name: [estimate.mean, estimate.low, estimate.high]
                        for name, estimate in result.estimates.items()
                    },
                    "lists": result.lists,
                    "invalid_generations": result.invalid,
                    "seconds": round(result.seconds, 3),
                }
                for result in self.results
            },
            "comparisons": [
                {
                    "control": row.control,
                    "metric": row.metric,
                    "difference": [row.difference.mean, row.difference.low, row.difference.high],
                    "p": row.p,
                    "verdict": row.verdict,
                }
                for row in self.comparisons
            ],
            "slices": {
                name: {
                    "users": users,
                    **{r.name: mean for r, mean in zip(self.results, means, strict=True)},
                }
                for name, users, means in self.slice_rows()
            },
        }

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    def to_html(self, *, title: str = "Evaluation") -> str:
        """One page that needs no other file."""
        from genrec.evaluation.page import page

        return page(self, title)

    def save(self, folder: Path, *, title: str = "Evaluation") -> None:
        """Writes ``report.txt``, ``report.json`` and ``report.html``.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "report.txt").write_text(f"{self}\n")
            (folder / "report.json").write_text(self.to_json())
            (folder / "report.html").write_text(self.to_html(title=title))
        except OSError as error:
            raise StorageError(
                f"The report cannot be written to {folder}: {error}. "
                "Free some space or choose another folder."
            ) from error


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a plain table: first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    return [line(head), "  ".join("-" * width for width in widths), *map(line, rows)]


def _title(metric: str) -> str:
    name, _, k = metric.partition("@")
    known = {"ndcg": "NDCG", "mrr": "MRR", "gini": "Gini", "novelty": "Novelty"}
    unit = " (bits)" if name == "novelty" else ""
    return f"{known.get(name, name.replace('_', ' ').capitalize())}@{k}{unit}"


def _list_figure(name: str, value: float) -> str:
    return f"{value:.2f}" if name.startswith("novelty") else f"{value:.3f}"


def _probability(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")
