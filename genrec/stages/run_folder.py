"""Whose run a folder holds, so that no other recipe's artefacts come to stand among its own.

Stages take the artefacts' places one by one. A recipe of other data, or for another purpose, would
leave a folder that says the name of the one over the figures of the other, and would end with what
the first took hours for gone. A changed option makes no other recipe, and neither is one refused
that goes on from what lies there: another name, but the same data and a recommender again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.semantic_ids.index import SemanticIndex
from genrec.workspace import Workspace


def ids_differ(workspace: Workspace) -> bool:
    """Whether a run's semantic IDs are others than those that its recommender was trained on.

    They are where a run with other options ended between the two, by a refusal or a stop.

    Raises:
        ArtefactError: one of them cannot be read.
    """
    both = [workspace.path(name) for name in ("semantic_ids", "recommender")]
    if not all((folder / "codes.parquet").is_file() for folder in both):
        return False
    here, trained_on = map(SemanticIndex.read, both)
    return here.fingerprint != trained_on.fingerprint


def check_recipe(recipe: Recipe, workspace: Workspace) -> None:
    """Keeps a recipe out of a folder that holds another's artefacts; writes nothing.

    Raises:
        ConfigError: what lies there was made by a recipe of another name, with other data or for
            another purpose; says which, and what to do.
    """
    try:
        run = workspace.run
    except ArtefactError:
        # A damaged record says nothing of whose it was, and is written anew.
        return
    stored, made = run.get("recipe"), run.get("artefacts")
    if not isinstance(stored, dict) or not made or stored.get("name") == recipe.name:
        return
    with suppress(ConfigError):
        # Options that came since have their defaults; a recipe that fits no more is taken as it is.
        stored = Recipe.parse(dict(stored)).model_dump(mode="json")
    now = recipe.model_dump(mode="json")
    found = []
    if (was := _purpose(stored)) != (wanted := _purpose(now)):
        found.append(f"it is for {was}, and {recipe.name} for {wanted}")
    changed = [
        f"{path} is {said(before)} there and {said(after)} here"
        for path, before, after in differences(stored.get("data"), now["data"], "data")
    ]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        found.append(", ".join(changed[:3]) + more)
    if found:
        raise ConfigError(
            f"{workspace.folder} holds a run of another recipe, {stored.get('name')}: "
            f"{'; '.join(found)}. {recipe.name} would take the place of {', '.join(sorted(made))} "
            "one after the other. Choose another folder with --into, or remove that run first."
        )


def _purpose(recipe: Mapping[str, Any]) -> str:
    for section in ("pretrain", "finetune"):
        parts = recipe.get(section)
        if isinstance(parts, dict):
            return f"{section}.{next((name for name, one in parts.items() if one is not None), '')}"
    return "a recommender"


def said(value: Any) -> str:
    """A value of an option, as a difference tells it."""
    return "left out" if value is None else json.dumps(value, ensure_ascii=False)


def differences(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Options that differ, by their paths, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            place = f"{path}.{key}" if path else key
            yield from differences(before.get(key), now.get(key), place)
    elif before != now:
        yield path, before, now
