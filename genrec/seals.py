"""What a sealed folder says of itself in ``artefact.json``, and how older seals are read.

Format 2 has the size of each file beside its SHA-256, so that a truncated file of gigabytes is told
without reading it, and the versions of the packages that wrote it. Format 1 had digests alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from genrec.errors import UPGRADE, ArtefactError

SEAL = "artefact.json"
# The format that each kind is written in, where it is not the common one. A kind's number is raised
# when its files come to mean something else; a reader of the one before goes into `_UPGRADES`.
FORMATS: Mapping[str, int] = {}
COMMON_FORMAT = 2
_RECORDED = ("genrec", "torch", "transformers", "peft", "faiss-cpu", "polars", "numpy")


def format_of(kind: str) -> int:
    """The format that artefacts of a kind are written in."""
    return FORMATS.get(kind, COMMON_FORMAT)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One file of an artefact.

    Attributes:
        sha256: of its content, in hex.
        size: in bytes; ``None`` where the seal does not say.
    """

    sha256: str
    size: int | None = None

    def harm(self, path: Path) -> str:
        """What is wrong with the file at this path; empty if nothing is."""
        if not path.is_file():
            return "missing"
        there = path.stat().st_size
        if self.size is not None and there != self.size:
            return f"changed or truncated: {there:,} of {self.size:,} bytes"
        return "" if sha256_of(path) == self.sha256 else "changed or truncated"


@dataclass(frozen=True, slots=True)
class Seal:
    """Everything that ``artefact.json`` says.

    Attributes:
        kind: what the artefact is.
        files: by their path below its folder.
        about: JSON values kept beside the files.
        format: that it was written in.
        made_by: versions of the packages that wrote it; empty where the seal does not say.
    """

    kind: str
    files: Mapping[str, SealedFile]
    about: Mapping[str, Any] = field(default_factory=dict)
    format: int = COMMON_FORMAT
    made_by: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(folder: Path, kind: str, about: Mapping[str, Any]) -> Seal:
        """The seal of what lies in a folder now."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        sealed = {
            path.relative_to(folder).as_posix(): SealedFile(sha256_of(path), path.stat().st_size)
            for path in files
            if path != folder / SEAL
        }
        return Seal(kind, sealed, dict(about), format_of(kind), package_versions())

    @staticmethod
    def read(folder: Path) -> Seal:
        """What a folder's seal says; its files are not looked at.

        Raises:
            ArtefactError: it is missing or damaged, or of a format that is not known here.
        """
        try:
            content = json.loads((folder / SEAL).read_text())
            kind, number = str(content["kind"]), int(content["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(folder) from error
        if number > format_of(kind):
            raise ArtefactError(
                f"{folder} is a {kind} of format {number}{_writer(content)}; this genrec "
                f"({package_versions().get('genrec', '?')}) reads up to {format_of(kind)}. "
                f"{UPGRADE}."
            )
        try:
            for older in range(number, format_of(kind)):
                content = _UPGRADES[older](content)
            files = {
                str(name): SealedFile(str(one["sha256"]), one["bytes"])
                for name, one in content["files"].items()
            }
            about, made_by = dict(content["about"]), dict(content["made_by"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(folder) from error
        return Seal(kind, files, about, number, made_by)

    def write(self, folder: Path) -> None:
        """Writes ``artefact.json``."""
        content = {
            "kind": self.kind,
            "format": self.format,
            "about": dict(self.about),
            "made_by": dict(self.made_by),
            "files": {
                name: {"sha256": one.sha256, "bytes": one.size} for name, one in self.files.items()
            },
        }
        (folder / SEAL).write_text(json.dumps(content, indent=1))

    def harmed(self, folder: Path) -> list[str]:
        """Files that are not as they were sealed, each with what is wrong."""
        found = ((name, one.harm(folder / name)) for name, one in self.files.items())
        return [f"{name} ({harm})" for name, harm in found if harm]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that what is written depends on."""
    found = {"python": platform.python_version()}
    for package in _RECORDED:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _with_sizes(content: dict[str, Any]) -> dict[str, Any]:
    """Format 1 to 2: nobody knows the sizes, nor who wrote it."""
    files = {name: {"sha256": digest, "bytes": None} for name, digest in content["files"].items()}
    return {**content, "files": files, "made_by": {}}


# From each format to the next.
_UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_sizes}


def _writer(content: Mapping[str, Any]) -> str:
    made_by = content.get("made_by")
    version = made_by.get("genrec") if isinstance(made_by, dict) else None
    return f", written by genrec {version}" if version else ""


def _damaged(folder: Path) -> ArtefactError:
    return ArtefactError(f"{folder / SEAL} is missing or damaged. Delete {folder}.")
