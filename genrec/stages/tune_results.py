"""What a search leaves to read: all figures as a table, a page with plots, the best as a recipe."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from genrec.stages.tune_study import Ended
from genrec.strict_yaml import set_value
from genrec.workspace import storage_errors, write_text

BEST, TABLE, CURVES, PLOT = "best.yaml", "trials.parquet", "validations.parquet", "trials.svg"


def best_trial(trials: Sequence[Ended]) -> Ended | None:
    """The trial with the highest figure; of equal ones the first."""
    known = [one for one in trials if one.best is not None]
    return max(known, key=lambda one: (one.best or 0.0, -one.number), default=None)


def with_values(content: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's content with other values, by the paths of their options."""
    changed = copy.deepcopy(content)
    for path, value in values.items():
        set_value(changed, path.split("."), value)
    return changed


def write_results(
    folder: Path, content: dict[str, Any], trials: Sequence[Ended], *, plot: bool = False
) -> tuple[Path, Path | None]:
    """Writes ``trials.parquet`` and ``.csv``, ``validations.parquet`` and ``best.yaml``.

    Args:
        content: the recipe that was searched.
        plot: write ``trials.svg`` too, where matplotlib is there.

    Returns:
        the table's file, and the recipe's, ``None`` while no trial has a figure.
    """
    table = trial_table(trials)
    with storage_errors(folder):
        _write_parquet(table, folder / TABLE)
        _write_parquet(_curves(trials), folder / CURVES)
    write_text(folder / "trials.csv", table.write_csv())
    best = best_trial(trials)
    if best is None:
        return folder / TABLE, None
    write_text(folder / BEST, best_recipe(content, trials, best, folder / BEST))
    if plot:
        write_text(folder / PLOT, _plot(trials, best))
    return folder / TABLE, folder / BEST


def trial_table(trials: Sequence[Ended]) -> pl.DataFrame:
    """One row for each trial; values that are lists are written as JSON."""
    rows = [
        {
            "trial": number,
            "state": one.state,
            "ndcg@10": one.best,
            "best_step": one.facts.get("best_step") or _best_step(one),
            "seconds": one.facts.get("seconds"),
            "trained_numbers": one.facts.get("trained_numbers"),
            **{path: _cell(value) for path, value in one.values.items()},
            "problem": one.problem,
        }
        for number, one in enumerate(trials, 1)
    ]
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _curves(trials: Sequence[Ended]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (n, step, value)
            for n, one in enumerate(trials, 1)
            for step, value in one.figures.items()
        ],
        schema={"trial": pl.Int64, "step": pl.Int64, "ndcg@10": pl.Float64},
        orient="row",
    )


def _best_step(trial: Ended) -> int | None:
    return max(trial.figures, key=lambda step: trial.figures[step], default=None)


def _cell(value: Any) -> Any:
    return (
        value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)
    )


def _write_parquet(table: pl.DataFrame, path: Path) -> None:
    content = BytesIO()
    table.write_parquet(content)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content.getvalue())
    temporary.replace(path)


def best_recipe(content: dict[str, Any], trials: Sequence[Ended], best: Ended, path: Path) -> str:
    """A recipe file with the best values, whose header says where they come from."""
    values = with_values(content, best.values)
    values.pop("tune", None)
    values["name"] = f"{content['name']}-tuned"
    source = content["data"]
    place = list(trials).index(best) + 1
    pruned = sum(one.state == "pruned" for one in trials)
    found = ", ".join(f"{name}={value}" for name, value in best.values.items())
    spent = sum(one.facts.get("seconds") or 0 for one in trials) / 60
    seconds = best.facts.get("seconds")
    head = [
        f"{content['name']} as a search left it: {found}.",
        "",
        f"Data:    as of the recipe {content['name']}: the source {source['source']}.",
        f"Cost:    the trial trained {seconds or 0:.0f} s; the search {spent:.1f} minutes.",
        f"Expect:  NDCG@10 {best.best:.4f} on validation cases, in trial {place} of {len(trials)} "
        f"({pruned} pruned), the highest of them and so a little too high; test cases not seen.",
        f"Command: genrec run {path}",
    ]
    lines = "\n".join(f"# {line}".rstrip() for line in head)
    return f"{lines}\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}"


def _plot(trials: Sequence[Ended], best: Ended) -> str:
    """SVG: the figures in their order, then one panel for each option."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    known = [(n, one) for n, one in enumerate(trials, 1) if one.best is not None]
    paths = list(best.values)
    columns = 1 + len(paths)
    with mpl.rc_context({"svg.hashsalt": "genrec", "font.size": 9, "axes.spines.top": False,
                         "axes.spines.right": False}):  # fmt: skip
        figure = Figure(figsize=(3.4 * columns, 3.2), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, sharey=True)[0]
        top = 0.0
        line = [(n, top := max(top, one.best or 0.0)) for n, one in known]
        axes[0].step(*zip(*line, strict=True), where="post", color="#525c6a", linewidth=1)
        axes[0].set_ylabel("NDCG@10 on validation cases")
        for axis, path in zip(axes, ["trial", *paths], strict=True):
            for number, one in known:
                at: Any = number if path == "trial" else one.values[path]
                at = at if isinstance(at, int | float) and not isinstance(at, bool) else str(at)
                axis.plot(
                    [at],
                    [one.best],
                    marker="x" if one.state == "pruned" else "o",
                    color="#c0392b" if one is best else "#1f5fa8",
                    linestyle="none",
                )
            if path != "trial" and _is_wide([one.values[path] for _, one in known]):
                axis.set_xscale("log")
            axis.set_xlabel(escape(path))
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _is_wide(values: Sequence[Any]) -> bool:
    """Whether these are numbers above 0 of more than one order of magnitude."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(numbers) == len(values) and 0 < 20 * min(numbers) < max(numbers)
