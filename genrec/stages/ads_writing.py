"""One run over the ads that a campaign still needs, watched by its budget."""

from __future__ import annotations

import time
from typing import Any

import polars as pl

from genrec.creatives.ad_store import AdStore
from genrec.creatives.campaign import Budget
from genrec.creatives.jobs import Plan
from genrec.errors import StorageError
from genrec.stages.ads_desk import WritePart
from genrec.stages.run import Run


class BudgetSpent(Exception):
    """Ends an engine's work when there is no more to spend."""


class Making:
    """One run over the jobs that are left, watched by the budget."""

    def __init__(
        self, run: Run, plan: Plan, store: AdStore, budget: Budget, started: float
    ) -> None:
        self.run_, self.plan, self.store = run, plan, store
        self.budget, self.started = budget, started
        self.stopped = ""
        self.missing = plan.without(store.held())
        self.cached = plan.jobs.height - self.missing.height
        self.before = store.spent()
        self.writing_seconds = 0.0
        self.done = self.cached

    def run(self, execute: Any, *, part_jobs: int, workers: int) -> None:
        # A second round makes what turns out to be damaged when it is read.
        for _ in range(2):
            wanted = self._affordable()
            size = part_jobs
            parts = [WritePart(wanted[at : at + size]) for at in range(0, wanted.height, size)]
            begun = time.perf_counter()
            try:
                self._progress(0)
                if parts:
                    execute(parts, workers, self._progress)
            except BudgetSpent as spent:
                self.stopped = str(spent)
            self.writing_seconds += time.perf_counter() - begun
            self.records = self.store.records(self.plan.jobs["key"])
            self.missing = self.plan.without(self.records["key"])
            if self.missing.is_empty():
                # A budget that ended with the last ad stopped nothing.
                self.stopped = ""
            if self.missing.is_empty() or self.stopped:
                return
        raise StorageError(
            f"{self.missing.height:,} ads are not whole after writing. See that no other program "
            "changes the folder and repeat the command."
        )

    def _affordable(self) -> pl.DataFrame:
        if self.budget.jobs is None:
            return self.missing
        left = max(self.budget.jobs - self.store.spent()[0], 0)
        if left < self.missing.height:
            self.stopped = f"budget.jobs: {self.budget.jobs:,} ads are written"
        return self.missing.head(left)

    def _progress(self, more: int) -> None:
        self.done += more
        self.run_.observer.progressed("Write ads", self.done, self.plan.jobs.height, "ads")
        if self.missing.is_empty():
            return
        seconds = time.perf_counter() - self.started
        if self.budget.seconds is not None and seconds >= self.budget.seconds:
            raise BudgetSpent(f"budget.seconds: {self.budget.seconds:g} s are over")
        if self.budget.money is not None:
            cost = cost_of(self.store.spent(), self.budget)
            if cost >= self.budget.money:
                raise BudgetSpent(f"budget.money: {cost:.4f} of {self.budget.money:g} is spent")

    @property
    def written(self) -> tuple[int, int, int]:
        """Ads, and tokens read and written, of this run."""
        now = self.store.spent()
        ads, read, wrote = (after - was for after, was in zip(now, self.before, strict=True))
        return ads, read, wrote


def cost_of(spent: tuple[int, int, int], budget: Budget) -> float:
    """What ads and tokens cost by the budget's prices."""
    _, read, written = spent
    return (read * budget.price_in + written * budget.price_out) / 1000
