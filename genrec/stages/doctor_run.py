"""Whether a run's folder is whole and still fits the genrec, recipe and prompts that are here."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from genrec.data.catalog import MEDIA_COLUMNS
from genrec.errors import ArtefactError, ConfigError, GenrecError
from genrec.profiles.storage import Tombstones
from genrec.prompting import PromptLibrary
from genrec.recipe import Recipe
from genrec.seals import SEAL, Seal, format_of, package_versions
from genrec.shipped import RECIPES, shipped_names
from genrec.stages.doctor import Check, declared, fix_of, packages, weights
from genrec.stages.profile import data_with
from genrec.stages.run_folder import differences, ids_differ, said
from genrec.versions import POINTER, Versions
from genrec.workspace import LOCK, Workspace, open_artefact, seal_of


def examine_run(folder: Path) -> list[Check]:
    """Everything that can be told of a run: damage, leftovers, and what changed since it was made.

    Raises:
        ArtefactError: the folder is no run, or does not say what it is.
    """
    workspace = Workspace(folder)
    stored = workspace.run.get("recipe")
    if not isinstance(stored, dict):
        raise ArtefactError(
            f"{folder} is no run: it has no recipe in run.json. Make one: "
            f"genrec run RECIPE --into {folder}"
        )
    return [
        _version(workspace),
        *_artefacts(workspace),
        _leftovers(workspace),
        _lock(workspace),
        *_belongs(workspace),
        *_recipe(stored),
        *_prompt(workspace),
        *_forgotten(workspace),
        _packages_since(workspace),
        *_asked_by(stored),
    ]


def _version(workspace: Workspace) -> Check:
    versions = Versions.read(workspace.root)
    waiting = [name for name in versions.there if name not in versions.promoted]
    used = f"version {versions.current}" if versions.current else "as its recipe made it"
    found = f"{used}; {len(versions.promoted)} promoted"
    found += f"; not in use: {', '.join(waiting)}" if waiting else ""
    missing = [name for name in versions.promoted if name not in versions.there]
    if missing:
        found += f"; gone: {', '.join(missing)}"
    fix = f"Put the folder back, or edit {workspace.root / POINTER}"
    return Check("version in use", not missing, found, fix, needed=True)


def _artefacts(workspace: Workspace) -> Iterator[Check]:
    """Every artefact that lies there or that ``run.json`` speaks of."""
    recorded = set(workspace.run.get("artefacts", {}))
    sealed = {path.parent.name for path in workspace.place.glob(f"*/{SEAL}")}
    for name in sorted(recorded | sealed):
        path = workspace.path(name)
        try:
            seal = Seal.read(path)
            open_artefact(path, seal.kind)
        except (ArtefactError, OSError) as error:
            # Reports and profiles are made again by whoever asks for them.
            needed = name in ("dataset", "recommender", "item_vectors", "semantic_ids", "tower")
            fix = "Run the recipe again into this folder: what is whole is used again"
            if workspace.place != workspace.root:
                fix = f"genrec update {workspace.root} --rollback"
            found = str(error) if path.is_dir() else f"{path} is gone"
            yield Check(f"artefact {name}", ok=False, found=found, fix=fix, needed=needed)
            continue
        size = sum(one.size or 0 for one in seal.files.values()) / 1e6
        found = f"whole, {len(seal.files)} file{'s' if len(seal.files) > 1 else ''}"
        found += f", {size:.1f} MB" if size else ""
        if seal.format < format_of(seal.kind):
            found += f", format {seal.format}: read as ever, written anew in {format_of(seal.kind)}"
        yield Check(f"artefact {name}", ok=True, found=found)


def _leftovers(workspace: Workspace) -> Check:
    left = [
        path.relative_to(workspace.root).as_posix()
        for place in workspace.places
        for pattern in (".*.new", ".*.old")
        for path in place.glob(pattern)
    ]
    found = f"{len(left)} half-written: {', '.join(left)}" if left else "nothing half-written"
    fix = "The next command that writes to the run removes them"
    return Check("leftovers", not left, found, fix)


def _lock(workspace: Workspace) -> Check:
    path = workspace.root / LOCK
    if not path.exists():
        return Check("lock", ok=True, found="free")
    with path.open("rb") as handle:
        try:
            # The system lets go of it with the process, so one that is held has a living holder.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Check("lock", ok=True, found="held: a genrec is writing to the run now")
    return Check("lock", ok=True, found="free (a file that a process left is no lock)")


def _belongs(workspace: Workspace) -> Iterator[Check]:
    about = workspace.about("recommender")
    if trained_on := about.get("dataset"):
        here = workspace.run.get("artefacts", {}).get("dataset", {}).get("key")
        yield Check(
            "recommender and data",
            trained_on == here,
            "of one run" if trained_on == here else "the data are others than it was trained on",
            "Train again: run the recipe into this folder",
            needed=True,
        )
    with suppress(ArtefactError):
        if ids_differ(workspace):
            yield Check(
                "recommender and semantic IDs",
                ok=False,
                found="the IDs are others than it was trained on",
                fix="Train again: run the recipe into this folder",
                needed=True,
            )
    start = workspace.path("recommender") / "start_from.json"
    if start.is_file():
        said = json.loads(start.read_text())
        folder = Path(said["run"]) / "recommender"
        try:
            same = seal_of(folder) == said["recommender"]
            found = f"{said['run']}, " + ("as it was" if same else "which has changed since")
        except ArtefactError as error:
            same, found = False, str(error)
        yield Check(
            "the run it started from", same, found, "Put that run back, or train again", needed=True
        )


def _forgotten(workspace: Workspace) -> Iterator[Check]:
    """Whether events of users who asked to be forgotten still lie in a version's data."""
    try:
        forgotten = Tombstones.read(workspace)
        held = data_with(workspace, forgotten.among)
    except ArtefactError as error:
        yield Check("the forgotten", ok=False, found=str(error), fix="See there", needed=True)
        return
    if not forgotten.hashes:
        return
    if not held:
        yield Check("the forgotten", ok=True, found="none of their events is in any version")
        return
    places = [folder.relative_to(workspace.root).as_posix() for folder in held]
    found = f"events of {max(held.values())} of them are still in {', '.join(places)}"
    fix = f"genrec update {workspace.root} EVENTS makes a version without them"
    if workspace.path("dataset") not in held:
        fix = "Delete these folders when you need not go back to those versions any more"
    yield Check("the forgotten", ok=False, found=found, fix=fix)


def _recipe(stored: Mapping[str, Any]) -> Iterator[Check]:
    try:
        recipe = Recipe.parse(dict(stored))
    except ConfigError as error:
        fix = "See docs/upgrading.md, or use the genrec that made the run"
        yield Check("recipe", ok=False, found=str(error), fix=fix, needed=True)
        return
    # A recipe in a folder of recipes is called by both, and says its own part alone; another
    # folder may have one that is called alike and says another name.
    called = (one for one in shipped_names(RECIPES) if one.rpartition("/")[2] == recipe.name)
    name = next((one for one in called if Recipe.load(one).name == recipe.name), "")
    if not name:
        yield Check("recipe", ok=True, found=f"{recipe.name}, of your own")
        return
    now = Recipe.load(name).model_dump(mode="json")
    changed = [
        f"{path}: {said(was)} here, {said(new)} in the recipe"
        for path, was, new in differences(recipe.model_dump(mode="json"), now)
    ]
    shown = "; ".join(changed[:5]) + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
    found = f"{name} has other options now, or the run was given some: {shown}"
    fix = f"If that is not meant: genrec run {name} --into a new folder"
    yield Check("recipe", not changed, found if changed else f"{name}, as it is shipped", fix)


def _prompt(workspace: Workspace) -> Iterator[Check]:
    """Whether the prompt is the one that the recommender was trained with."""
    for file in ("generative.json", "one_pass.json"):
        path = workspace.path("recommender") / file
        if not path.is_file():
            continue
        try:
            about = json.loads(path.read_text())
            name = about["options"]["prompt"]["template"]
            same = PromptLibrary().hash(name) == about["template_hash"]
        except (ValueError, KeyError, TypeError, GenrecError) as error:
            yield Check("prompt", ok=False, found=str(error), fix="Train again", needed=True)
            continue
        found = f"{name}, " + ("as it was trained with" if same else "changed since training")
        yield Check("prompt", same, found, "Put the old text back, or train again", needed=True)
        yield from _task_prompts(about.get("learnt") or {})


def _task_prompts(learnt: Mapping[str, Any]) -> Iterator[Check]:
    """Whether the prompts of the tasks beside the next item are those that were trained with."""
    hashes = dict(learnt.get("prompts") or {})
    if not hashes:
        return
    # Tasks are made of tensors, which most runs that are looked at have no need of.
    from genrec.recommenders.tasks.mix import TASKS

    for task, learned in hashes.items():
        name = f"prompt of the task {task}"
        try:
            template = TASKS[task].prompt
            same = PromptLibrary().hash(template) == learned
        except (KeyError, GenrecError) as error:
            known = str(error) if task in TASKS else f"there is no task '{task}' any more"
            yield Check(name, ok=False, found=known, fix="Train again", needed=True)
            continue
        found = f"{template}, " + ("as it was trained with" if same else "changed since training")
        yield Check(name, same, found, "Put the old text back, or train again", needed=True)


def _packages_since(workspace: Workspace) -> Check:
    made, here = workspace.run.get("versions", {}), package_versions()
    other = [
        f"{name} {version} then, {here[name]} now"
        for name, version in made.items()
        if name in here and here[name] != version
    ]
    found = "; ".join(other) if other else "as when it was made"
    fix = "Figures may move a little; semantic IDs and weights are read as they are"
    return Check("packages since", not other, found, fix)


def _asked_by(stored: Mapping[str, Any]) -> Iterator[Check]:
    """What the run's recipe needs of this machine."""
    try:
        recipe = Recipe.parse(dict(stored))
    except ConfigError:
        return
    extras = ["llm"]
    if recipe.llm.quantized != "none":
        extras.append("quantize")
    if recipe.encode.image or recipe.llm.pictures:
        extras.append("images")
    if recipe.encode.audio or recipe.encode.video:
        extras.append("media")
    _, known = declared()
    for name in extras:
        yield packages(f"needs extra {name}", known[name], fix_of(name), needed=True)
    if recipe.pretrain is None and recipe.finetune is None:
        yield weights(recipe.llm.name, needed=not recipe.llm.start_from)
    if recipe.encode.model and not recipe.encode.vectors_from:
        # Without it the run still recommends; nothing new can be encoded.
        yield weights(recipe.encode.model)
    for kind in MEDIA_COLUMNS:
        if (options := getattr(recipe.encode, kind)) is not None:
            yield weights(options.model)
