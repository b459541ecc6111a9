"""``genrec update``: a run continued on new events, what changed, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genrec.errors import InputError, nearest

if TYPE_CHECKING:
    from genrec.stages.update import Updated

NOT_PROMOTED = 7


def update_command(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, e.g. runs/quickstart.")
    ],
    events: Annotated[
        Path | None, typer.Argument(help="New events: CSV, TSV, JSONL or Parquet.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options to change, e.g. update.replay=0.3")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(help="The new items, in a file like the run's own.")
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Training steps; as many as update.passes need if left out.", min=0)
    ] = 0,
    late: Annotated[
        str, typer.Option(help="Events before the last known one: error, keep or drop.")
    ] = "error",
    unknown: Annotated[
        str, typer.Option(help="Events of items that nobody described: error, drop or add.")
    ] = "error",
    column: Annotated[
        list[str] | None,
        typer.Option(help="What the files call a column: time=ts; may be given more than once."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what changed; train and write nothing.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Put the version before into use again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Continue a run on new events and items; exit code 7 if the result is worse and not used."""
    if rollback:
        if events is not None:
            raise InputError("--rollback takes no events. Leave them out.")
        if dry_run:
            raise InputError("--rollback has no --dry-run: it changes which version is in use.")
        _roll_back(folder, as_json=as_json)
        return
    if events is None or ("=" in events.name and not events.exists()):
        # Without a file the first option stands in its place.
        raise InputError("Name the file of new events: genrec update RUN events.parquet")
    from dataclasses import replace

    from genrec.cli.run import drawn
    from genrec.stages.shop import stored_run
    from genrec.stages.update import choices_of, update

    chosen = choices_of(stored_run(folder).recipe)
    columns = {**(chosen.columns or {}), **_columns(column or [])}
    options = [*(overrides or []), *([f"update.steps={steps}"] if steps else [])]
    with drawn(quiet=quiet) as observer:
        updated = update(
            folder,
            events,
            items=items,
            overrides=options,
            choices=replace(chosen, late=late, unknown=unknown, columns=columns),
            dry_run=dry_run,
            observer=observer,
        )
    _print(updated, folder, as_json=as_json)
    if updated.version and not updated.promoted:
        raise typer.Exit(NOT_PROMOTED)


def _columns(said: list[str]) -> dict[str, str]:
    from genrec.data.assemble import INTERACTION_COLUMNS
    from genrec.data.catalog import ITEM_COLUMNS

    if wrong := [one for one in said if "=" not in one]:
        raise InputError(f"--column is '{wrong[0]}'; it looks like time=ts.")
    columns = dict(one.split("=", 1) for one in said)
    ours = {*INTERACTION_COLUMNS, *ITEM_COLUMNS}
    if strange := [key for key in columns if key not in ours]:
        raise InputError(
            f"--column {strange[0]}={columns[strange[0]]}: there is no column '{strange[0]}'; "
            f"{nearest(strange[0], ours)} The file's own name stands behind the =."
        )
    return columns


def _roll_back(folder: Path, *, as_json: bool) -> None:
    from genrec.stages.update import roll_back

    before, now = roll_back(folder)
    if as_json:
        print(json.dumps({"before": before, "version": now}, indent=1))
        return
    where = f"version {now}" if now else "what its recipe made"
    print(f"{folder} is back at {where}; version {before} lies in {folder / 'versions' / before}.")


def _print(updated: Updated, folder: Path, *, as_json: bool) -> None:
    if as_json:
        values = {
            "version": updated.version,
            "promoted": updated.promoted,
            **updated.report.to_dict(),
        }
        print(json.dumps(values, indent=1))
        return
    print(updated.report)
    if not updated.version:
        return
    print(f"\nReport with plots: {updated.page}")
    if updated.promoted:
        print(f"Version {updated.version} is in use. A server takes it up on SIGHUP.")
        print(f"Back: genrec update {folder} --rollback")
    else:
        kept = folder / "versions" / updated.version
        print(f"The version before stays in use; the new one lies in {kept}.")
