"""The folder of a large job: whose it is, so that no two jobs are mixed in one.

A job keeps to the version of the run that it began with, whatever an update puts into use before
its end; one that goes on after a kill does too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from genrec.errors import ConfigError
from genrec.workspace import Workspace, write_text

log = logging.getLogger(__name__)

JOB, MANIFEST, VERSION = "_job.json", "_manifest.json", "version"


def check_folder(
    into: Path,
    about: Mapping[str, Any],
    *,
    holds: str,
    words: Mapping[str, str],
    beside: Collection[str] = (),
) -> None:
    """Keeps a job out of a folder that holds other things; writes nothing.

    Args:
        about: what was asked for.
        holds: what such a folder holds, in words.
        words: how a difference is told, by name; others are told with both values.
        beside: names of what may be another in each run; the version of the run is not compared.

    Raises:
        ConfigError: says what lies there and what to do.
    """
    if into.exists() and not into.is_dir():
        raise ConfigError(f"{into} is a file. Name a folder with --into.")
    path = into / JOB
    if path.exists():
        _compare(path, about, holds, words, beside)
    elif into.exists():
        others = [one.name for one in into.iterdir() if not one.name.startswith(".")]
        if others:
            raise ConfigError(
                f"{into} holds '{min(others)}' and is no folder of {holds}. "
                "Name an empty or new folder with --into."
            )


def _compare(
    path: Path,
    about: Mapping[str, Any],
    holds: str,
    words: Mapping[str, str],
    beside: Collection[str],
) -> None:
    into = path.parent
    try:
        stored = dict(json.loads(path.read_text(encoding="utf-8")))
        for name in (*beside, VERSION):
            stored.pop(name, None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} is damaged. Delete {into} and start again.") from error
    if differences := list(_differences(stored, json.loads(json.dumps(about)), words)):
        raise ConfigError(
            f"{into} holds {holds} of another job: {'; '.join(differences)}. "
            "Repeat the command that made it to go on with it, name another folder with "
            "--into, or delete this one."
        )


def claim(into: Path, about: Mapping[str, Any], *, version: str) -> None:
    """Marks the folder as this job's.

    Args:
        version: of the run, that the job keeps to.
    """
    write_text(into / JOB, json.dumps({**about, VERSION: version}, indent=1))


def begun_with(into: Path, workspace: Workspace) -> Workspace:
    """The run at the version that the job in a folder began with; as it is open if none did.

    Raises:
        ConfigError: that version is not there any more.
    """
    try:
        version = json.loads((into / JOB).read_text(encoding="utf-8"))[VERSION]
    except (OSError, ValueError, KeyError, TypeError):
        # None has begun, or it is damaged or says none, which is told where it is compared.
        version = workspace.version
    found = workspace.at(str(version))
    if version == workspace.version:
        return found
    begun = f"{into} was begun with {_named(found.version)} of {workspace.root}"
    if not found.place.is_dir():
        raise ConfigError(
            f"{begun}, which is not there any more. Name another folder with --into to begin anew "
            f"with {_named(workspace.version)}."
        )
    log.warning("%s and goes on with it, though %s is in use now", begun, _named(workspace.version))
    return found


def _named(version: str) -> str:
    return f"version {version}" if version else "the first version"


def _differences(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], words: Mapping[str, str]
) -> Iterator[str]:
    for name in sorted({*stored, *wanted}):
        there, here = stored.get(name), wanted.get(name)
        if there != here:
            told = f"{name} is {json.dumps(there)} there, {json.dumps(here)} here"
            yield words.get(name, told if len(told) <= 200 else f"{name} is not the same")
