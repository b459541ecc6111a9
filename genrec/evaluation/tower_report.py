"""What a pretrained tower is worth, as text, JSON and one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from genrec.data.left_out import list_left_out
from genrec.data.media import MediaProblem


@dataclass(frozen=True)
class TowerReport:
    """Tables of one judgement.

    Attributes:
        title: of the recipe.
        headline: the first line: the figure that decides, beside its control.
        protocol: how it was measured, in one line.
        tables: name -> rows, each a mapping of column to text or number.
        values: everything as JSON values.
        problems: files that were left out, and why.
    """

    title: str
    headline: str
    protocol: str
    tables: dict[str, list[dict[str, Any]]]
    values: dict[str, Any]
    problems: Sequence[MediaProblem] = ()

    def __str__(self) -> str:
        parts = [self.headline, f"Protocol: {self.protocol}"]
        for name, rows in self.tables.items():
            parts += ["", name, *_lines(rows)]
        if self.problems:
            parts += ["", f"Left out: {len(self.problems):,} items; the first:"]
            parts += [f"  {problem}" for problem in self.problems[:5]]
        return "\n".join(parts)

    def save(self, folder: Path) -> None:
        """Writes ``report.txt``, ``report.json``, ``report.html`` and what was left out as CSV."""
        values = {**self.values, "headline": self.headline, "protocol": self.protocol}
        (folder / "report.txt").write_text(f"{self}\n", encoding="utf-8")
        (folder / "report.json").write_text(
            json.dumps({**values, "left_out": [str(one) for one in self.problems]}, indent=1),
            encoding="utf-8",
        )
        list_left_out(self.problems, folder)
        (folder / "report.html").write_text(self._page(), encoding="utf-8")

    def _page(self) -> str:
        tables = "".join(
            f"<h2>{escape(name)}</h2><table><tr>{_cells('th', rows[0])}</tr>"
            + "".join(f"<tr>{_cells('td', row.values())}</tr>" for row in rows)
            + "</table>"
            for name, rows in self.tables.items()
            if rows
        )
        style = "body{font:16px/1.5 system-ui;max-width:56rem;margin:2rem auto;color:#1f2733}"
        style += "td,th{padding:.3rem .8rem;text-align:right;border-bottom:1px solid #e6e9ee}"
        style += "td:first-child,th:first-child{text-align:left}"
        left_out = "".join(f"<li>{escape(str(problem))}</li>" for problem in self.problems)
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(self.title)}'
            f"</title><style>{style}</style><h1>{escape(self.title)}</h1>"
            f"<p><b>{escape(self.headline)}</b></p><p>Protocol: {escape(self.protocol)}</p>"
            f"{tables}{f'<h2>Left out</h2><ul>{left_out}</ul>' if left_out else ''}</html>\n"
        )


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    table = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def _cells(tag: str, values: Any) -> str:
    return "".join(f"<{tag}>{escape(_shown(value))}</{tag}>" for value in values)


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
