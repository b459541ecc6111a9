"""CSV that a spreadsheet opens without running anything that stands in it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# A cell that begins so is a formula to a spreadsheet; wide forms are read as the plain ones.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def harmless(value: object) -> str:
    """A cell's text on one line; what a spreadsheet would run gets an apostrophe before it."""
    text = "" if value is None else str(value)
    text = _CONTROL.sub(" ", text)
    # Blanks before the sign are dropped by some programs before they look at it.
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV, every cell harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([harmless(name) for name in header])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()
