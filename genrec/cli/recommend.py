"""``genrec recommend``: for one user or history on the screen, for many users into Parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from genrec.cli.printing import print_shown, shown_values
from genrec.cli.run import drawn, stored_recipe
from genrec.errors import InputError
from genrec.recipe import Recipe
from genrec.workspace import Workspace


def recommend_command(
    folder: Path,
    user: str,
    history: str,
    n: int,
    *,
    why: bool,
    new: bool,
    where: str,
    backend: str,
    backend_options: str,
    as_json: bool,
) -> None:
    if bool(user) == bool(history):
        raise InputError(
            "Say whose: either --user ID, or --history with item ids, or --all-users or --users "
            "FILE for many at once."
        )
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    rules = read_filter(where)
    ids = [] if user else read_history(history)
    options = read_options(backend_options)
    from genrec.stages.recommend import history_of, open_recommender, recommend
    from genrec.stages.run import Run

    dataset, recommender = open_recommender(Run(recipe, workspace), backend, options)
    past = dataset.history(user) if user else history_of(dataset, ids)
    shown = recommend(recommender, past, n=n, user=user, where=rules, exclude_seen=new, why=why)
    if not shown.recommendations:
        doubts = list(recommender.filters.compile(rules).doubts)
        raise InputError("No item passes the filter. Widen it.", doubts)
    if as_json:
        print(json.dumps(shown_values(shown), indent=1))
    else:
        print_shown(shown)


def batch_command(
    folder: Path,
    users: str,
    into: Path | None,
    n: int,
    *,
    new: bool,
    where: str,
    shard_users: int,
    engine: str,
    workers: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Many users at once; ``users`` names a file of ids, - for stdin, or is empty for all."""
    if into is None:
        raise InputError("Say where the shards go: --into FOLDER.")
    workspace = Workspace(folder)
    recipe = Recipe.parse(stored_recipe(workspace))
    rules = read_filter(where)
    chosen = read_users(users) if users else None
    from genrec.stages.batch import recommend_all
    from genrec.stages.batch_folder import BatchOptions
    from genrec.stages.run import Run

    options = BatchOptions(n=n, new=new, where=rules, shard_users=shard_users)
    with drawn(quiet=quiet) as observer:
        run = Run(recipe, workspace, observer)
        manifest = recommend_all(run, into, options, users=chosen, engine=engine, workers=workers)
    if as_json:
        print(json.dumps(manifest, indent=1))
        return
    few = manifest["users_with_fewer"]
    print(
        f"{manifest['users']:,} users, {manifest['recommendations']:,} recommendations, "
        f"shards: {len(manifest['shards']):,}, in {into}"
    )
    if few:
        print(f"{few:,} users have fewer than {n} items: no more are allowed for them.")


def read_filter(text: str) -> dict[str, Any] | None:
    """A filter from JSON text or from a file that holds it.

    Raises:
        InputError: there is no such file, or it is no JSON object.
    """
    if not text:
        return None
    return _read_object("--where", text, '{"price": {"max": 10}}')


def read_options(text: str) -> dict[str, Any]:
    """Options of a back-end, from JSON text or from a file that holds it.

    Raises:
        InputError: there is no such file, or it is no JSON object.
    """
    return _read_object("--backend-options", text, '{"max_model_len": 2048}') if text else {}


def _read_object(place: str, text: str, example: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        place, text = text, _read(text, f"a JSON file, or JSON text such as {example}")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is no JSON: {error}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{place} is no JSON object. Write one such as {example}.")
    return values


def read_history(text: str) -> list[str]:
    """Item ids from a JSON list, or from text with commas or blanks between them; - reads stdin.

    Raises:
        InputError: it starts like a JSON list and is none.
    """
    text = sys.stdin.read() if text == "-" else text
    if not text.lstrip().startswith("["):
        return text.replace(",", " ").split()
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"--history starts with '[' and is no JSON list: {error}. "
            'Write one such as ["id 1", "id 2"].'
        ) from error
    wrong = [value for value in values if not isinstance(value, str | int) or value is True]
    if wrong:
        raise InputError(f"--history holds {json.dumps(wrong[0])}; item ids are text.")
    return [str(value) for value in values]


def read_users(name: str) -> list[str]:
    """User ids, one a line; empty lines are passed over."""
    text = sys.stdin.read() if name == "-" else _read(name, "a file of user ids, one a line")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read(name: str, what: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"'{name}' could not be read: {reason}. Name {what}.") from error
