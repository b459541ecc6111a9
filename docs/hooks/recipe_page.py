"""The page of the recipes, from the head of each file: what it does, costs and is expected to find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from genrec.shipped import RECIPES, shipped_folder, shipped_names

# What the head of a recipe says, in this order.
FACTS = ("Data", "Cost", "Expect", "Command")
GROUPS = {"": "Recommenders", "pretrain": "Pretraining", "finetune": "Fine-tuning"}


def on_files(files: Any, config: Any) -> Any:
    """Adds ``recipes.md``."""
    files.append(File.generated(config, "recipes.md", content="\n".join(page())))
    return files


def page() -> Iterator[str]:
    """Every recipe with its figures and its text."""
    yield "# Recipes\n"
    yield (
        "A recipe is one YAML file from tables to figures. `genrec run NAME` runs it, "
        "`genrec cp NAME my.yaml` makes it yours, and any option can be changed behind the "
        "command: `genrec run quickstart train.steps=100 --into runs/short`. What each file says "
        "of itself stands here, figures and costs included.\n"
    )
    names = sorted(shipped_names(RECIPES), key=lambda name: (name.count("/"), name))
    for group in dict.fromkeys(name.rpartition("/")[0] for name in names):
        yield f"\n## {GROUPS.get(group, group.replace('/', ' ').capitalize())}\n"
        for name in names:
            if name.rpartition("/")[0] == group:
                yield from recipe(name, shipped_folder(RECIPES) / f"{name}.yaml")


def recipe(name: str, path: Path) -> Iterator[str]:
    """One recipe: its first sentence, a table of its facts, its text to be unfolded."""
    text = path.read_text()
    about, facts = head(text)
    yield f"\n### {name}\n"
    yield f"{about}\n"
    if facts:
        yield "| | |\n|---|---|"
        for key, value in facts.items():
            shown = f"`{value}`" if key == "Command" and "\n" not in value else value
            yield f"| {key} | {' '.join(shown.split()).replace('|', chr(92) + '|')} |"
    body = text.replace("\n", "\n    ").rstrip()
    yield f'\n??? note "recipes/{name}.yaml"\n    ```yaml\n    {body}\n    ```\n'


def head(text: str) -> tuple[str, dict[str, str]]:
    """The sentences that a recipe opens with, and its facts by name."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    about: list[str] = []
    facts: dict[str, str] = {}
    key = ""
    for line in lines:
        found = re.match(rf"({'|'.join(FACTS)}): +(.*)", line)
        if found:
            key = found[1]
            facts[key] = found[2]
        elif key:
            facts[key] = f"{facts[key]}\n{line.strip()}"
        else:
            about.append(line)
    return " ".join(about).strip(), facts
