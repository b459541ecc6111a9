"""``genrec run`` and ``genrec evaluate``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrec.cli.ids import ids_command
from genrec.cli.printing import print_shown, shown_values
from genrec.cli.progress import ConsoleObserver
from genrec.errors import ArtefactError, ConfigError, nearest
from genrec.recipe import Recipe
from genrec.shipped import RECIPES, shipped_names
from genrec.stages.run import Engine
from genrec.training.company import Company
from genrec.workspace import Workspace

if TYPE_CHECKING:
    from genrec.stages.judge import Judgement
    from genrec.stages.pipeline import Outcome


def run_command(
    name: str,
    overrides: list[str],
    into: Path | None,
    until: str,
    engine: str,
    workers: int,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    recipe = Recipe.load(name, overrides)
    tell_idle(recipe, quiet=quiet)
    encoding = Engine(engine, workers)
    alone = recipe.pretrain or recipe.finetune
    company = Company.of_environment()
    if alone and encoding.several:
        raise ConfigError(
            f"The recipe {recipe.name} is done by one process: leave --engine and --workers out."
        )
    if alone and until:
        raise ConfigError(
            f"The recipe {recipe.name} has no stages of a recommender to end after; leave --until "
            f"{until} out. What is done of it is kept when you stop it with Ctrl-C."
        )
    shared = recipe.finetune is not None and recipe.finetune.image_lora is not None
    if alone and not shared and not company.alone:
        raise ConfigError(
            f"{company.count} processes were started, and the recipe {recipe.name} is done by one. "
            "Start it without a launcher; recipes that train a recommender or an image adapter are "
            "done by several."
        )
    workspace = Workspace(into or Path("runs") / recipe.name)
    again = with_a_larger_llm(name, overrides, recipe, workspace.folder)
    _run(recipe, workspace, until, encoding, again, as_json=as_json, quiet=quiet)


def tell_idle(recipe: Recipe, *, quiet: bool) -> None:
    """Says on stderr which options have no effect, so that nobody waits for one."""
    from genrec.stages.idle_options import idle_options

    if not quiet and Company.of_environment().main and (idle := idle_options(recipe)):
        lines = "\n".join(f"  - {line}" for line in idle)
        print(f"Without effect in this recipe:\n{lines}", file=sys.stderr)


def evaluate_command(
    folder: Path, overrides: list[str], against: str, *, as_json: bool, quiet: bool
) -> None:
    workspace = Workspace(folder)
    content = stored_recipe(workspace)
    if content.get("pretrain"):
        recipe = Recipe.parse(content, where=str(folder), overrides=overrides)
        _judge_tower(recipe, workspace, as_json=as_json, quiet=quiet)
        return
    if content.get("finetune"):
        raise ConfigError(
            f"{folder} holds a fine-tuned text model; its report was made with it. To judge other "
            "options, run its recipe into another folder."
        )
    if overrides:
        raise ConfigError(
            f"{folder} holds a recommender, which is judged on the data it was trained with; "
            f"'{overrides[0]}' cannot be changed. Options of a tower's data can."
        )
    if against:
        content["evaluate"]["against"] = [name.strip() for name in against.split(",")]
    recipe = Recipe.parse(content)
    from genrec.stages.pipeline import evaluate_again

    with drawn(quiet=quiet) as observer:
        outcome = evaluate_again(recipe, workspace, observer)
    _print(outcome, workspace, "", as_json=as_json)


def stored_recipe(workspace: Workspace) -> dict[str, Any]:
    """The recipe that a run was made with.

    Raises:
        ArtefactError: there is none.
    """
    stored = workspace.run.get("recipe")
    if not isinstance(stored, dict):
        raise ArtefactError(
            f"{workspace.folder} is no run: it has no recipe in run.json. Make one: "
            f"genrec run RECIPE --into {workspace.folder}"
        )
    return dict(stored)


def _run(
    recipe: Recipe,
    workspace: Workspace,
    until: str,
    engine: Engine,
    again: str,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    if recipe.pretrain is not None:
        _pretrain(recipe, workspace, as_json=as_json, quiet=quiet)
        return
    if recipe.finetune is not None:
        _finetune(recipe, workspace, as_json=as_json, quiet=quiet)
        return
    from genrec.stages.pipeline import STAGES, run_recipe

    if until and until not in STAGES:
        raise ConfigError(f"There is no stage '{until}'; {nearest(until, STAGES)}")
    with drawn(quiet=quiet) as observer:
        outcome = run_recipe(recipe, workspace, observer, until=until, engine=engine)
    if outcome is not None:
        _print(outcome, workspace, again, as_json=as_json)
    elif until == "build_ids" and Company.of_environment().main:
        ids_command([workspace.folder], as_json=as_json)


def _pretrain(recipe: Recipe, workspace: Workspace, *, as_json: bool, quiet: bool) -> None:
    from genrec.stages.pretrain import run_pretraining

    with drawn(quiet=quiet) as observer:
        judgement = run_pretraining(recipe, workspace, observer)
    _print_judgement(judgement, as_json=as_json)


def _finetune(recipe: Recipe, workspace: Workspace, *, as_json: bool, quiet: bool) -> None:
    from genrec.stages.finetune import run_finetuning

    with drawn(quiet=quiet) as observer:
        judgement = run_finetuning(recipe, workspace, observer)
    if judgement is not None:
        _print_judgement(judgement, as_json=as_json)


def _judge_tower(recipe: Recipe, workspace: Workspace, *, as_json: bool, quiet: bool) -> None:
    from genrec.stages.judge_elsewhere import judge_elsewhere

    with drawn(quiet=quiet) as observer:
        judgement = judge_elsewhere(recipe, workspace, observer)
    _print_judgement(judgement, as_json=as_json)


def _print_judgement(judgement: Judgement, *, as_json: bool) -> None:
    if as_json:
        json.dump(judgement.values, sys.stdout, indent=1)
        print()
        return
    print(file=sys.stderr)
    print(f"{judgement.text}\n\nReport as a page: {judgement.page}")


@contextmanager
def drawn(*, quiet: bool) -> Iterator[ConsoleObserver]:
    """Draws stages, and takes the bar away however they end."""
    observer = ConsoleObserver(quiet=quiet)
    try:
        yield observer
    finally:
        observer.close()


def with_a_larger_llm(name: str, overrides: list[str], recipe: Recipe, folder: Path) -> str:
    """The command that runs the same recipe with the next larger LLM, or "" where it has it."""
    if recipe.llm.name != "tiny":
        return ""
    shipped = name in shipped_names(RECIPES)
    kept = [one for one in overrides if not one.startswith("llm.name")]
    words = ["genrec", "run", "my.yaml" if shipped else name, *kept, "llm.name=small"]
    command = shlex.join([*words, "--into", f"{folder}-small"])
    return f"genrec cp {name} my.yaml && {command}" if shipped else command


def _print(outcome: Outcome, workspace: Workspace, again: str, *, as_json: bool) -> None:
    if as_json:
        values = {"report": outcome.report.values, "shown": shown_values(outcome.shown)}
        json.dump(values, sys.stdout, indent=1)
        print()
        return
    folder, user = shlex.quote(str(workspace.folder)), shlex.quote(outcome.shown.user)
    print(file=sys.stderr)
    print(f"{outcome.report.text}\n")
    print_shown(outcome.shown)
    print(f"\nReport with plots: {outcome.report.page}")
    print("Next:")
    print(f"  genrec recommend {folder} --user {user} -n 5 --new --why")
    print(f"  genrec show {folder}")
    print(f"  {again or f'genrec evaluate {folder} --against popular,cooccurrence,sasrec'}")
    print(f"  genrec serve {folder}   # a shop that talks, at http://127.0.0.1:8000/")
