"""How reports look: colours, plots as SVG, tables and pages that need no other file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

OURS = "#2563a8"
CONTROL_SHADES = ("#8a94a3", "#b3bac5", "#6b7684", "#cfd4db")
INK, PALE = "#1f2733", "#e6e9ee"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": "#b9c0ca",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "xtick.color": "#525c6a",
    "ytick.color": "#525c6a",
    "svg.fonttype": "none",
    "svg.hashsalt": "genrec",
}
CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1f2733;
       background: #fff; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.05rem; font-weight: 600; color: #525c6a; margin: 0 0 .4rem; }
.headline { font-size: 1.45rem; line-height: 1.3; font-weight: 600; margin: 0 0 .8rem; }
.rules { color: #525c6a; font-size: .88rem; margin: 0 0 .3rem; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .8rem; text-align: right; border-bottom: 1px solid #e6e9ee;
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { color: #525c6a; font-weight: 600; border-bottom: 1px solid #b9c0ca; }
td small { color: #7a8493; }
td.best { font-weight: 700; }
svg { max-width: 100%; height: auto; font-family: inherit; }
.note { color: #525c6a; font-size: .88rem; margin: .3rem 0; }
"""


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page of parts that are HTML already."""
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def svg(figure: Figure) -> str:
    """A figure as an SVG element; the same figure gives the same text."""
    text = StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return text.getvalue()[text.getvalue().index("<svg") :]


def figure_of(
    width: float, height: float, columns: int = 1, *, shares: list[int] | None = None
) -> tuple[Figure, list[Any]]:
    """An empty figure, and its axes from left to right.

    Args:
        width: in inches, likewise ``height``.
        shares: widths of the columns against each other.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, width_ratios=shares)[0].tolist()
    return figure, axes


def colour(place: int) -> str:
    """Of the recommender, which is first, and of the controls after it."""
    return OURS if place == 0 else CONTROL_SHADES[(place - 1) % len(CONTROL_SHADES)]


def html_table(head: list[str], rows: list[list[str]]) -> str:
    """A table of HTML cells; one that starts with ``*`` is set as the best of its row."""
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    for row in rows:
        cells = [
            f'<td class="best">{cell[1:]}</td>' if cell.startswith("*") else f"<td>{cell}</td>"
            for cell in row
        ]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>"
