"""An update's report as one HTML page: before and after, and what changed."""

from __future__ import annotations

from html import escape

import numpy as np
from matplotlib.figure import Figure

from genrec.evaluation.drawing import CONTROL_SHADES, OURS, document, figure_of, html_table, svg
from genrec.evaluation.drift import Drift
from genrec.evaluation.update_report import UpdateReport


def update_page(report: UpdateReport) -> str:
    """The whole page as HTML text; every name in it is escaped."""
    title = f"Update of {report.run}"
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="headline">{escape(report.headline)}</p>']
    if report.protocol is not None:
        parts.append(f'<p class="rules">Protocol: {escape(str(report.protocol))}</p>')
    parts += [f'<p class="rules">{escape(note)}.</p>' for note in report.notes]
    if report.contrasts:
        parts += [
            "<h2>Before and after, on the same users</h2>",
            html_table(["", "before", "after"], _escaped(report.metric_rows())),
        ]
        if report.shown_line:
            parts.append(f'<p class="note">{escape(report.shown_line)}</p>')
    said = report.drift.advice or ["Nothing asks for more than this update."]
    parts += [
        "<h2>What changed</h2>",
        *(f"<p>{escape(line)}</p>" for line in said),
        svg(_bins(report.drift)),
        html_table(["", "training", "new"], _escaped(report.drift.rows())),
    ]
    if report.drift.fit.far is not None:
        parts += [
            "<h2>Do the codebooks still fit?</h2>",
            svg(_distances(report.drift)),
            '<p class="note">How far items lie from what their codes stand for. Codebooks fit new '
            "items if both curves lie on each other.</p>",
        ]
    return document(title, parts)


def _escaped(rows: list[list[str]]) -> list[list[str]]:
    return [[escape(cell) for cell in row] for row in rows]


def _bins(drift: Drift) -> Figure:
    figure, (axis,) = figure_of(8.6, 2.9)
    places = np.arange(len(drift.bins))
    for number, (label, shade) in enumerate((("training", CONTROL_SHADES[0]), ("new", OURS))):
        shares = [100 * one[number + 1] for one in drift.bins]
        axis.bar(places + 0.4 * number - 0.2, shares, 0.4, color=shade, label=label)
    axis.set_xticks(places, [one[0] for one in drift.bins], rotation=20, ha="right", fontsize=8)
    axis.tick_params(axis="x", length=0)
    axis.grid(axis="x", visible=False)
    axis.set_ylabel("share of events, %")
    axis.set_title(
        "Items from the most to the least chosen", loc="left", fontsize=10, fontweight="bold"
    )
    axis.legend(frameon=False, fontsize=9)
    return figure


def _distances(drift: Drift) -> Figure:
    figure, (axis,) = figure_of(8.6, 2.7)
    for label, shade, values in (
        ("old items", CONTROL_SHADES[0], drift.fit.old),
        ("new items", OURS, drift.fit.new),
    ):
        # Few points draw the same curve as a million.
        shown = np.quantile(values, np.linspace(0, 1, 200))
        axis.plot(shown, np.linspace(0, 100, 200), color=shade, label=label, linewidth=2)
    axis.axvline(drift.fit.limit, color=CONTROL_SHADES[1], linestyle="--", linewidth=1)
    axis.set_xlabel("distance; the dashed line has 95 % of the old items to its left")
    axis.set_ylabel("share of items below, %")
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    return figure
