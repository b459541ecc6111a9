"""A report as one HTML page that needs no other file: figures, plots and the rules behind them."""

from __future__ import annotations

from html import escape

import numpy as np
from matplotlib.figure import Figure

from genrec.evaluation.drawing import INK, PALE, colour, document, figure_of, html_table, svg
from genrec.evaluation.report import Report

TESTED = (
    '<p class="note">p is of a paired randomisation test on the same users, not corrected for the '
    "number of controls. Level: p is above .05, so chance may explain the difference.</p>"
)
SLICED = (
    '<p class="note">* marks the best of a row; these means have no intervals, and rows of few '
    "users say little. Targets go by how often their item was chosen in training: the fifth that "
    "was chosen most is the head, the next two fifths are the middle, the rest is the tail; unseen "
    "items were never chosen.</p>"
)


def page(report: Report, title: str) -> str:
    """The whole page as HTML text; every name in it is escaped."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="headline">{escape(report.headline)}</p>',
        f'<p class="rules">Protocol: {escape(str(report.protocol))}</p>',
        f'<p class="rules">{escape(report.counted)} Brackets and bars: 95 % bootstrap intervals '
        "over users.</p>",
        "<h2>Accuracy</h2>",
        svg(_bars(report)),
        _figures(report),
    ]
    if report.comparisons:
        parts += ["<h2>Against each control, on the same users</h2>", _comparisons(report), TESTED]
    if report.slices:
        parts += ["<h2>Where it works</h2>", svg(_slices(report)), _slice_table(report), SLICED]
    parts += [
        "<h2>Which items are shown</h2>",
        svg(_exposure(report)),
        '<p class="note">Items from the most to the least shown. A recommender that shows all '
        "items equally lies on the diagonal; the further above, the fewer items carry the "
        "lists.</p>",
    ]
    return document(title, parts)


def _bars(report: Report) -> Figure:
    cutoff = report.main.partition("@")[2]
    shown = [f"recall@{cutoff}", report.main]
    shown = [name for name in dict.fromkeys(shown) if name in report.results[0].estimates]
    figure, axes = figure_of(8.6, 0.75 + 0.36 * len(report.results), len(shown))
    names = [result.name for result in report.results]
    rows = np.arange(len(names))
    for axis, metric in zip(axes, shown, strict=True):
        estimates = [result.estimates[metric] for result in report.results]
        means = np.array([e.mean for e in estimates])
        reach = np.array([(e.mean - e.low, e.high - e.mean) for e in estimates]).T
        colours = [colour(place) for place in range(len(names))]
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
    figure, axes = figure_of(9.6, 2.9, len(groups), shares=shares)
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
            axis.bar(places + offset, heights, width, color=colour(number), label=result.name)
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
    figure, (axis,) = figure_of(5.6, 3.2)
    for number in range(len(report.results) - 1, -1, -1):
        result = report.results[number]
        shown = np.sort(result.exposed)[::-1]
        share = np.concatenate([[0.0], np.cumsum(shown) / max(1, shown.sum())])
        places = np.linspace(0, len(share) - 1, min(400, len(share))).astype(int)
        places = np.unique(np.concatenate([places, np.arange(min(60, len(share)))]))
        axis.plot(
            100 * places / max(1, len(share) - 1),
            100 * share[places],
            color=colour(number),
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
    return html_table(["", *(escape(result.name) for result in report.results)], rows)


def _comparisons(report: Report) -> str:
    head, rows = report.comparison_rows()
    return html_table(
        [escape(cell) for cell in head], [[escape(cell) for cell in row] for row in rows]
    )


def _slice_table(report: Report) -> str:
    rows = []
    for name, users, means in report.slice_rows():
        best = max(means)
        cells = [f"{'*' if mean == best > 0 else ''}{mean:.4f}" for mean in means]
        rows.append([escape(name), f"{users:,}", *cells])
    names = [escape(result.name) for result in report.results]
    return html_table([escape(report.title(report.main)), "users", *names], rows)
