"""A report as one HTML page that needs no other file: figures, plots and the rules behind them."""

from __future__ import annotations

from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from genrec.evaluation.report import Report

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


def page(report: Report, title: str) -> str:
    """The whole page as HTML text; every name in it is escaped."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="headline">{escape(report.headline)}</p>',
        f'<p class="rules">Protocol: {escape(str(report.protocol))}</p>',
        f'<p class="rules">{escape(report.counted)} Brackets and bars: 95 % bootstrap intervals '
        "over users.</p>",
        "<h2>Accuracy</h2>",
        _svg(_bars(report)),
        _figures(report),
    ]
    if report.comparisons:
        parts += ["<h2>Against each control, on the same users</h2>", _comparisons(report)]
    if report.slices:
        parts += ["<h2>Where it works</h2>", _svg(_slices(report)), _slice_table(report)]
    parts += [
        "<h2>Which items are shown</h2>",
        _svg(_exposure(report)),
        '<p class="note">Items from the most to the least shown. A recommender that shows all '
        "items equally lies on the diagonal; the further above, the fewer items carry the "
        "lists.</p>",
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def _svg(figure: Figure) -> str:
    text = StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return text.getvalue()[text.getvalue().index("<svg") :]


def _figure(
    width: float, height: float, columns: int = 1, *, shares: list[int] | None = None
) -> tuple[Figure, list[Any]]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, width_ratios=shares)[0].tolist()
    return figure, axes


def _colour(place: int) -> str:
    return OURS if place == 0 else CONTROL_SHADES[(place - 1) % len(CONTROL_SHADES)]


def _bars(report: Report) -> Figure:
    cutoff = report.main.partition("@")[2]
    shown = [f"recall@{cutoff}", report.main]
    shown = [name for name in dict.fromkeys(shown) if name in report.results[0].estimates]
    figure, axes = _figure(8.6, 0.75 + 0.36 * len(report.results), len(shown))
    names = [result.name for result in report.results]
    rows = np.arange(len(names))
    for axis, metric in zip(axes, shown, strict=True):
        estimates = [result.estimates[metric] for result in report.results]
        means = np.array([e.mean for e in estimates])
        reach = np.array([(e.mean - e.low, e.high - e.mean) for e in estimates]).T
        colours = [_colour(place) for place in range(len(names))]
        axis.barh(rows, means, 0.62, color=colours)
        axis.errorbar(means, rows, xerr=reach, fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
        longest = max((e.high for e in estimates), default=0.0) or 1.0
        for row, estimate in enumerate(estimates):
            axis.text(estimate.high + 0.02 * longest, row, f"{estimate.mean:.4f}", va="center")
        axis.set_xlim(0, 1.18 * longest)
        axis.set_yticks(rows, names if axis is axes[0] else [""] * len(names))
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", visible=False)
        axis.invert_yaxis()
        axis.set_title(report.title(metric), loc="left", fontsize=10, fontweight="bold")
    return figure


def _slices(report: Report) -> Figure:
    groups: dict[str, list[tuple[str, int, list[float]]]] = {}
    for name, users, means in report.slice_rows():
        kind, _, label = name.partition(" ")
        groups.setdefault(kind, []).append((label, users, means))
    shares = [1 + len(rows) for rows in groups.values()]
    figure, axes = _figure(9.6, 2.9, len(groups), shares=shares)
    labels = {
        "history": "by events in the history (users)",
        "target": "by popularity of the target (users)",
    }
    width = 0.8 / len(report.results)
    for axis, (kind, rows) in zip(axes, groups.items(), strict=True):
        places = np.arange(len(rows))
        for number, result in enumerate(report.results):
            offset = (number - (len(report.results) - 1) / 2) * width
            heights = [means[number] for _, _, means in rows]
            axis.bar(places + offset, heights, width, color=_colour(number), label=result.name)
        axis.set_xticks(places, [f"{label}\n({users:,})" for label, users, _ in rows])
        axis.tick_params(axis="x", length=0, labelsize=8)
        axis.grid(axis="x", visible=False)
        title = f"{report.title(report.main)} {labels.get(kind, f'by {kind}')}"
        axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=9
    )
    return figure


def _exposure(report: Report) -> Figure:
    figure, (axis,) = _figure(5.6, 3.2)
    for number in range(len(report.results) - 1, -1, -1):
        result = report.results[number]
        shown = np.sort(result.exposed)[::-1]
        share = np.concatenate([[0.0], np.cumsum(shown) / max(1, shown.sum())])
        places = np.linspace(0, len(share) - 1, min(400, len(share))).astype(int)
        places = np.unique(np.concatenate([places, np.arange(min(60, len(share)))]))
        axis.plot(
            100 * places / max(1, len(share) - 1),
            100 * share[places],
            color=_colour(number),
            linewidth=2.2 if number == 0 else 1.6,
            linestyle="-" if number == 0 else ("--", "-.", ":")[(number - 1) % 3],
            label=result.name,
        )
    axis.plot([0, 100], [0, 100], color=PALE, linewidth=1)
    axis.set_xlim(0, 100)
    axis.set_ylim(0, 102)
    axis.set_xlabel("share of the catalogue, %")
    axis.set_ylabel("share of all places, %")
    handles, names = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], names[::-1], loc="lower right", frameon=False, fontsize=9)
    return figure


def _html_table(head: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML already; a cell that starts with ``*`` is set as the best of its row."""
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    for row in rows:
        cells = [
            f'<td class="best">{cell[1:]}</td>' if cell.startswith("*") else f"<td>{cell}</td>"
            for cell in row
        ]
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>"


def _figures(report: Report) -> str:
    rows = []
    for metric in report.shown_metrics():
        estimates = [result.estimates[metric] for result in report.results]
        best = max(estimate.mean for estimate in estimates)
        rows.append(
            [
                report.title(metric),
                *(
                    f"{'*' if e.mean == best > 0 else ''}{e.mean:.4f} "
                    f"<small>[{e.low:.4f}, {e.high:.4f}]</small>"
                    for e in estimates
                ),
            ]
        )
    rows += [[escape(cell) for cell in row] for row in report.list_rows()]
    return _html_table(["", *(escape(result.name) for result in report.results)], rows)


def _comparisons(report: Report) -> str:
    head, rows = report.comparison_rows()
    return _html_table(
        [escape(cell) for cell in head], [[escape(cell) for cell in row] for row in rows]
    )


def _slice_table(report: Report) -> str:
    rows = []
    for name, users, means in report.slice_rows():
        best = max(means)
        cells = [f"{'*' if mean == best > 0 else ''}{mean:.4f}" for mean in means]
        rows.append([escape(name), f"{users:,}", *cells])
    names = [escape(result.name) for result in report.results]
    return _html_table([escape(report.title(report.main)), "users", *names], rows)
