"""How fast ads were written, put down by each run, so that a plan can say what it will take."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genrec.creatives.campaign import Budget
from genrec.workspace import write_text

_FILE = "rate.json"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one ad takes a copywriter.

    Attributes:
        jobs: ads that it was measured on; 0 if it never was.
        seconds: of one process for one ad.
        tokens_in: read for one ad; likewise written.
    """

    jobs: float = 0
    seconds: float = 0.0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    @staticmethod
    def of(jobs: int, seconds: float, workers: int, tokens_in: int, tokens_out: int) -> Rate:
        """From what one run took."""
        return Rate(jobs, seconds * max(workers, 1) / jobs, tokens_in / jobs, tokens_out / jobs)

    @staticmethod
    def read(folder: Path | None) -> Rate:
        """What was measured last; nothing if it never was, or the file is damaged."""
        try:
            values = json.loads(((folder or Path()) / _FILE).read_text(encoding="utf-8"))
            return Rate(**{name: float(value) for name, value in values.items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return Rate()

    def keep(self, folder: Path | None) -> None:
        """Puts it down, unless an earlier one was measured on many more ads."""
        if folder is not None and self.jobs * 10 >= Rate.read(folder).jobs:
            write_text(folder / _FILE, json.dumps(asdict(self)))

    def estimate(self, jobs: int, budget: Budget, *, workers: int) -> dict[str, Any]:
        """Seconds, tokens and cost of so many ads; empty if nothing was measured."""
        if not jobs:
            return {"seconds": 0.0, "tokens_in": 0, "tokens_out": 0, "cost": 0.0}
        if not self.jobs:
            return {}
        read, written = jobs * self.tokens_in, jobs * self.tokens_out
        return {
            "seconds": round(jobs * self.seconds / workers, 3),
            "tokens_in": round(read),
            "tokens_out": round(written),
            "cost": round((read * budget.price_in + written * budget.price_out) / 1000, 4),
        }
