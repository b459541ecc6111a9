"""``genrec doctor``: what is here, what is missing, how to get it; and how a run's folder is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run's folder, to look at it too.")
    ] = None,
    extras: Annotated[
        str, typer.Option("--for", help="Extras that must be complete, such as serve,ads.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Say what is installed, what is missing and how to get it; and whether a run is whole.

    Exit code 0 unless something that was asked for (genrec itself, --for, RUN) cannot work: 3 if it
    is the run, 4 if it is this machine.
    """
    asked = [name.strip() for name in extras.split(",") if name.strip()]
    if code := doctor_command(folder, asked, as_json=as_json):
        raise typer.Exit(code)


def doctor_command(
    folder: Path | None = None, asked: list[str] | None = None, *, as_json: bool
) -> int:
    """Prints all checks; returns the exit code."""
    from genrec.stages.doctor import examine
    from genrec.stages.doctor_run import examine_run

    machine = examine(asked or [])
    run = [] if folder is None else examine_run(folder)
    checks = [*machine, *run]
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        for place, check in enumerate(checks):
            if place == len(machine):
                print(f"\n{folder}")
            mark = "ok     " if check.ok else ("MISSING" if check.needed else "not yet")
            print(f"{mark}  {check.name:<22} {check.found}".rstrip())
            if not check.ok:
                print(f"         {'what to do' if check in run else 'get it'}: {check.fix}")
    if any(check.needed and not check.ok for check in run):
        return 3
    return 4 if any(check.needed and not check.ok for check in machine) else 0
