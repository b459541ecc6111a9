"""Public data sets as their makers hand them out: which files are needed, and where they come from.

None of them comes with genrec, and none is fetched: most ask whoever downloads them to agree to
terms first. Knows file names, not what is in the files.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from genrec.data.sources.folders import DEFAULT, VARIABLE, one_of
from genrec.errors import InputError

log = logging.getLogger(__name__)

BROKEN = ("error", "drop")
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Download:
    """One public data set.

    Attributes:
        name: what its makers call it.
        folder: the name of its folder among the benchmark data, where no other is given.
        page: where it is to be had: the site's name and the page's.
        terms: what its makers say of its use, in a few words.
    """

    name: str
    folder: str
    page: str
    terms: str

    def at(self, folder: str | Path | None) -> Path:
        """The folder that was named, or the one among the benchmark data. It need not exist."""
        if folder is not None:
            return Path(folder)
        return Path(os.environ.get(VARIABLE) or DEFAULT) / self.folder

    def files(self, folder: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, Path]:
        """The files by what they hold.

        Args:
            folder: that they should lie in.
            wanted: for each, the names that it may have; the first that is there is taken.

        Raises:
            InputError: names every file that is missing, and where the data set is to be had.
        """
        found, missing = {}, []
        for what, names in wanted.items():
            there = [folder / name for name in names if (folder / name).is_file()]
            if there:
                found[what] = there[0]
            else:
                missing.append(f"{what}: {' or '.join(names)}{_nearly(folder, names)}")
        if missing:
            state = "lacks" if folder.is_dir() else "is no folder; it should hold"
            raise InputError(
                f"{folder} {state} {len(missing)} file(s) of {self.name}. Get them from "
                f"{self.page} ({self.terms}), unpack them there, or name their folder: "
                f"data.options.folder=…, or {VARIABLE}=… for the folder that holds "
                f"'{self.folder}'.",
                missing,
            )
        return found


def _nearly(folder: Path, names: Sequence[str]) -> str:
    """What lies there instead of a missing file: packed, in other letters, or a folder below."""
    for name in names:
        for packed in (f"{name}.gz", f"{name}.zip"):
            if (folder / packed).is_file():
                return f" ({packed} is there: unpack it)"
        for below in sorted(folder.glob(f"*/{escape(name)}")):
            holder = below.parents[len(Path(name).parts) - 1]
            return f" (it is in {holder}: name that folder)"
        for other in sorted(folder.glob("*")):
            if other.name.lower() == name.lower():
                return f" ({other.name} is there: mind the capitals)"
    return ""


def optional_file(folder: Path, *names: str) -> Path | None:
    """The first of these files that is there."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def zipped(*names: str) -> list[str]:
    """Each name, and the same with ``.gz``: polars and Python read both."""
    return [form for name in names for form in (name, f"{name}.gz")]


def settle(path: Path, problems: list[str], broken: str, *, total: int) -> None:
    """Refuses broken rows, or leaves them out and says so.

    Args:
        problems: one line for each broken row.
        broken: ``error`` or ``drop``.
        total: rows of the file, the broken ones included.

    Raises:
        ConfigError: ``broken`` is neither.
        InputError: there are problems and they are not to be dropped, or nothing else is there.
    """
    one_of("broken", broken, BROKEN)
    if not problems:
        return
    if len(problems) >= total:
        raise InputError(
            f"{path} has {len(problems)} broken row(s) of {total:,}, so none that can be used. It "
            "must be the file as its makers give it; fetch it anew.",
            problems,
        )
    if broken == "error":
        raise InputError(
            f"{path} has {len(problems)} broken row(s) of {total:,}. Fetch it anew, or leave them "
            "out: data.options.broken=drop",
            problems,
        )
    log.warning("%s: %d broken rows of %d left out", path, len(problems), total)
    for problem in problems[:SHOWN]:
        log.warning("%s: %s", path.name, problem)
