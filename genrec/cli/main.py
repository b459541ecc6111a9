"""The command line: parse, call a stage, draw progress, print. Loads nothing heavy by itself.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a bug, 2 wrong input or
options, 3 an artefact is missing or damaged, 4 a package is missing, 5 the disk is full or
read-only, 6 the guard refuses a text, 7 an update is worse and not used, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from genrec.cli.ads import ads_app
from genrec.cli.chat import chat_command
from genrec.cli.doctor import doctor
from genrec.cli.ids import ids
from genrec.cli.keys import keys_app
from genrec.cli.launched import begin, say
from genrec.cli.mcp import mcp_command
from genrec.cli.rerank import rerank_command
from genrec.cli.reward import reward_app
from genrec.cli.search_prompt import search_prompt_command
from genrec.cli.serve import serve_command
from genrec.cli.tune import tune_command
from genrec.cli.update import update_command
from genrec.cli.write import write_command
from genrec.errors import ArtefactError, GenrecError, InputError, MissingExtra, StorageError

app = typer.Typer(
    name="genrec",
    help="An LLM that recommends by generating item IDs, with honest figures beside it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def main() -> None:
    """Runs the command line; turns errors that a user can act on into one message and a code."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # It tells of kernels that are not there, and for every matrix that it computes in 16 bits.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        app()
    except GenrecError as error:
        say(error)
        sys.exit(_exit_code(error))
    except SystemExit as end:
        # Typer turns a Ctrl-C into this code and says nothing.
        if end.code == 130:
            print("\ngenrec: stopped. The same command goes on from here.", file=sys.stderr)
        raise
    except BrokenPipeError:
        # Whoever read our output has gone; closing stdout quietly is all that is left to do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _exit_code(error: GenrecError) -> int:
    codes = {ArtefactError: 3, MissingExtra: 4, StorageError: 5}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), 2)


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .yaml file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options to change, e.g. train.steps=2000")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="The run's folder; runs/NAME when left out.")
    ] = None,
    until: Annotated[
        str,
        typer.Option(help="Last stage: load_data, encode, build_ids, train, prefer or evaluate."),
    ] = "",
    engine: Annotated[str, typer.Option(help="Who encodes items: local or ray.")] = "local",
    workers: Annotated[
        int,
        typer.Option(help="Processes that encode; 0: one, or with ray one per core.", min=0),
    ] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a recipe from tables to figures and recommendations."""
    from genrec.cli.run import run_command

    run_command(recipe, overrides or [], into, until, engine, workers, as_json=json, quiet=quiet)


@app.command()
def recommend(
    folder: RunFolder,
    user: Annotated[str, typer.Option("--user", "-u", help="A user of the data set.")] = "",
    history: Annotated[
        str,
        typer.Option(
            help="Item ids, oldest first: with commas between, or a JSON list where ids hold "
            "commas or blanks; - reads stdin."
        ),
    ] = "",
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Every user, into Parquet shards; see --into.")
    ] = False,
    users: Annotated[
        str, typer.Option(help="Users of a file, one id a line, into shards; - reads stdin.")
    ] = "",
    n: Annotated[int, typer.Option("-n", help="How many items.", min=1)] = 10,
    why: Annotated[bool, typer.Option("--why", help="Say why, from the user's history.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Only items not in the history.")] = False,
    where: Annotated[
        str, typer.Option(help='Which items: JSON such as {"price": {"max": 5}}, or its file.')
    ] = "",
    into: Annotated[
        Path | None, typer.Option(help="Many users: the folder of the shards; goes on there.")
    ] = None,
    shard_users: Annotated[int, typer.Option(help="Many users: users of one shard.", min=1)] = 2000,
    engine: Annotated[str, typer.Option(help="Many users: local or ray.")] = "local",
    workers: Annotated[
        int, typer.Option(help="Many users: processes of Ray; 0 takes one per core.", min=0)
    ] = 0,
    backend: Annotated[
        str, typer.Option(help="What runs the LLM: transformers or vllm.")
    ] = "transformers",
    backend_options: Annotated[str, typer.Option(help="Options of vllm: JSON, or its file.")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Recommend items for a user, after a history of your own, or for many users at once."""
    from genrec.cli.recommend import batch_command, recommend_command

    if not (all_users or users):
        if into is not None:
            raise InputError("--into is for many users: add --all-users or --users FILE.")
        recommend_command(
            folder,
            user,
            history,
            n,
            why=why,
            new=new,
            where=where,
            backend=backend,
            backend_options=backend_options,
            as_json=json,
        )
        return
    others = {
        "--user": user,
        "--history": history,
        "--why": why,
        "--users": users and all_users,
        "--backend": backend != "transformers",
    }
    if given := [name for name, value in others.items() if value]:
        raise InputError(f"{given[0]} does not go with --{'all-users' if all_users else 'users'}.")
    batch_command(
        folder,
        users,
        into,
        n,
        new=new,
        where=where,
        shard_users=shard_users,
        engine=engine,
        workers=workers,
        as_json=json,
        quiet=quiet,
    )


@app.command()
def profile(
    folder: RunFolder,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options to change, e.g. segments.floor=50")
    ] = None,
    user: Annotated[str, typer.Option("--user", "-u", help="A user of the data set.")] = "",
    segments: Annotated[bool, typer.Option("--segments", help="Group all users.")] = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="What changed between the user's two halves.")
    ] = False,
    windows: Annotated[
        str, typer.Option(help="For --drift: two spans of days, FROM:TO,FROM:TO.")
    ] = "",
    summary: Annotated[bool, typer.Option("--summary", help="In a few sentences.")] = False,
    text: Annotated[
        str, typer.Option(help="Writes the summary: a model's name or folder, or openai:NAME.")
    ] = "",
    intensity: Annotated[
        float, typer.Option(help="How much of the profile may be used: 0 none, 1 all.")
    ] = 1.0,
    forget: Annotated[
        str, typer.Option(help="Delete all that profiles hold of a user, for good.")
    ] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say who a user is, group users, show what changed, or forget somebody."""
    from genrec.cli.profile import profile_command

    profile_command(
        folder,
        overrides or [],
        user,
        segments=segments,
        forget=forget,
        drift=drift,
        windows=windows,
        summary=summary,
        text=text,
        intensity=intensity,
        as_json=json,
        quiet=quiet,
    )


@app.command()
def evaluate(
    folder: RunFolder,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="For a pretrained tower: other data, such as data.options.folder=PHOTOS."
        ),
    ] = None,
    against: Annotated[
        str, typer.Option(help="Controls, comma-separated; the recipe's when left out.")
    ] = "",
    chat: Annotated[
        bool, typer.Option("--chat", help="Judge the run's chat by simulated shoppers.")
    ] = False,
    shoppers: Annotated[int, typer.Option(min=1, help="How many, with --chat.")] = 200,
    tasks: Annotated[bool, typer.Option("--tasks", help="Judge stars and yes or no.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge a run's recommender beside controls again, its tower on other photos, or its chat."""
    if chat:
        from genrec.cli.evaluate_chat import evaluate_chat_command

        evaluate_chat_command(folder, against, shoppers, as_json=json, quiet=quiet)
    elif tasks:
        from genrec.cli.evaluate_tasks import evaluate_tasks_command

        evaluate_tasks_command(folder, as_json=json, quiet=quiet)
    if chat or tasks:
        return
    from genrec.cli.run import evaluate_command

    evaluate_command(folder, overrides or [], against, as_json=json, quiet=quiet)


@app.command()
def find(
    folder: RunFolder,
    text: Annotated[str, typer.Argument(help="What is looked for, in words.")] = "",
    image: Annotated[
        Path | None, typer.Option(help="A picture: alone, or beside the words.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many items.")] = 10,
    where: Annotated[str, typer.Option(help="A filter: JSON, or a file that holds it.")] = "",
    json: Json = False,
) -> None:
    """Find items by words, by a picture, or by both."""
    from genrec.cli.find import find_command

    find_command(folder, text, image, n, where=where, as_json=json)


@app.command()
def guard(
    folder: RunFolder,
    item: Annotated[str, typer.Argument(help="The id of the item that the text is about.")],
    words: Annotated[str, typer.Argument(metavar="TEXT", help="The text.")] = "",
    text: Annotated[str, typer.Option(help="A file that holds the text; - reads stdin.")] = "",
    policy: Annotated[str, typer.Option(help="A policy's name, or its .yaml file.")] = "general",
    channel: Annotated[str, typer.Option(help="Whose length and lines the policy asks for.")] = "",
    json: Json = False,
) -> None:
    """Say what of a text about an item may not be said; exit code 6 if anything."""
    from genrec.cli.guard import guard_command

    if not guard_command(folder, item, words, text, policy, channel, as_json=json):
        raise typer.Exit(6)


@app.command()
def ablate(
    folder: RunFolder,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Also train without each, beside hiding it.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what each modality (text, image, …) adds to a run's content recommender."""
    from genrec.cli.ablate import ablate_command

    ablate_command(folder, retrain=retrain, as_json=json, quiet=quiet)


app.command("search-prompt")(search_prompt_command)
app.command("write")(write_command)
app.command("tune")(tune_command)
app.command("update")(update_command)
app.command("chat")(chat_command)
app.command("rerank")(rerank_command)
app.command("mcp")(mcp_command)


app.command("serve")(serve_command)
app.add_typer(keys_app, name="keys")
app.add_typer(reward_app, name="reward")
app.add_typer(ads_app, name="ads")


@app.command()
def ls(
    what: Annotated[str, typer.Argument(help="recipes, prompts, data, backbones, … or runs.")] = "",
    json: Json = False,
) -> None:
    """List what there is by name."""
    from genrec.cli.listing import list_command

    list_command(what, as_json=json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A recipe, a prompt, or a run's folder.")],
    json: Json = False,
) -> None:
    """Show a recipe, a prompt or a run."""
    from genrec.cli.listing import show_command

    show_command(name, as_json=json)


@app.command()
def cp(
    name: Annotated[str, typer.Argument(help="A shipped recipe or prompt.")],
    to: Annotated[Path, typer.Argument(help="A file or folder; - prints it.")],
) -> None:
    """Copy a shipped recipe or prompt, to make it your own."""
    from genrec.cli.listing import copy_command

    copy_command(name, to)


app.command()(doctor)
app.command()(ids)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("genrec"))
        raise typer.Exit
    begin(context.invoked_subcommand)
    if context.invoked_subcommand is None:
        print(context.get_help())


if __name__ == "__main__":
    main()
