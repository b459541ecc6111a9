"""One run's folder: artefacts by name, each whole and verified, or absent.

An artefact is a folder that holds its files and ``artefact.json`` (kind, format, key, the
SHA-256 of every file). It is written beside its place and renamed when complete.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from genrec.errors import ArtefactError, ConfigError, StorageError

FORMAT = 1
SEAL = "artefact.json"
RUN_FILE = "run.json"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_VERSIONED = ("genrec", "torch", "transformers", "peft", "faiss-cpu", "polars", "numpy")


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns a full or read-only disk into a ``StorageError`` that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StorageError(
            f"{path} could not be written: {error.strerror}. "
            "What stood there before is untouched. Free some space or choose another folder."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Writes a file as a whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file as a whole or not at all."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def write_artefact(folder: Path, kind: str, **about: Any) -> Iterator[Path]:
    """A fresh folder to write into; it takes the artefact's place when the block ends well.

    Args:
        kind: what it is, checked when it is opened.
        about: JSON values kept beside the files.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    replaced = folder.with_name(f".{folder.name}.old")
    with storage_errors(folder):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            files = {name: _sha256(temporary / name) for name in _files(temporary)}
            seal = {"kind": kind, "format": FORMAT, "about": about, "files": files}
            (temporary / SEAL).write_text(json.dumps(seal, indent=1))
            shutil.rmtree(replaced, ignore_errors=True)
            if folder.exists():
                os.rename(folder, replaced)
            os.rename(temporary, folder)
            shutil.rmtree(replaced, ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def open_artefact(folder: Path, kind: str) -> dict[str, Any]:
    """Verifies an artefact and returns what was written ``about`` it.

    Raises:
        ArtefactError: it is missing, truncated, changed since, of another kind or newer format.
    """
    replaced = folder.with_name(f".{folder.name}.old")
    if not folder.exists() and replaced.exists():
        os.rename(replaced, folder)
    if not folder.is_dir():
        raise ArtefactError(f"There is no {kind} in {folder}. Make it first: genrec run")
    try:
        seal = json.loads((folder / SEAL).read_text())
        files, about = dict(seal["files"]), dict(seal["about"])
        found, version = seal["kind"], int(seal["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{folder / SEAL} is missing or damaged. Delete {folder}.") from error
    if found != kind:
        raise ArtefactError(f"{folder} holds a {found}, not a {kind}. Name another folder.")
    if version > FORMAT:
        raise ArtefactError(
            f"{folder} is of format {version}; this genrec reads up to {FORMAT}. Upgrade genrec."
        )
    damaged = [
        f"{name} ({'missing' if not (folder / name).is_file() else 'changed or truncated'})"
        for name, digest in files.items()
        if not (folder / name).is_file() or _sha256(folder / name) != digest
    ]
    if damaged:
        raise ArtefactError(
            f"{folder} is damaged: {', '.join(damaged)}. Delete it and make it again."
        )
    return about


def seal_of(folder: Path) -> str:
    """A hash of what a whole artefact holds."""
    return content_key(json.loads((folder / SEAL).read_text())["files"])


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(*parts: Any) -> str:
    """A hash of JSON values: equal inputs, equal key."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Workspace:
    """A run's folder.

    Args:
        folder: made when first written to.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, name: str) -> Path:
        """Where the artefact of that name lies."""
        return self.folder / name

    @contextmanager
    def write(self, name: str, key: str, *, kind: str = "", **about: Any) -> Iterator[Path]:
        """A folder to write the artefact into, recorded with the key of its inputs.

        Args:
            kind: what it is, where its name is another.
        """
        with write_artefact(self.path(name), kind or name, key=key, **about) as folder:
            yield folder
        self.record("artefacts", {name: {"key": key}})

    def open(self, name: str) -> Path:
        """The verified folder of an artefact.

        Raises:
            ArtefactError: it is missing or damaged; says which command makes it.
        """
        if not self.path(name).exists() and not self.path(f".{name}.old").exists():
            raise ArtefactError(
                f"{self.folder} has no '{name}'. Make it first: genrec run RECIPE "
                f"--into {self.folder}"
            )
        open_artefact(self.path(name), name)
        return self.path(name)

    def about(self, name: str) -> dict[str, Any]:
        """What was written about an artefact, its files not verified; empty if there is none."""
        try:
            return dict(json.loads((self.path(name) / SEAL).read_text())["about"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def copy(self, name: str, to: str, *, kind: str = "") -> None:
        """Keeps a whole artefact under another name too, with its key and what was said of it.

        Args:
            kind: what it is, where its names are others.

        Raises:
            ArtefactError: it is missing or damaged.
        """
        about = open_artefact(self.path(name), kind or name)
        seal = shutil.ignore_patterns(SEAL)
        with self.write(to, about.pop("key"), kind=kind or name, **about) as folder:
            shutil.copytree(self.path(name), folder, dirs_exist_ok=True, ignore=seal)

    def is_current(self, name: str, key: str, *, kind: str = "") -> bool:
        """Whether the artefact is there, whole, and was made from these inputs."""
        try:
            return open_artefact(self.path(name), kind or name).get("key") == key
        except ArtefactError:
            return False

    @property
    def run(self) -> dict[str, Any]:
        """What ``run.json`` says: recipe, versions, and a record for each artefact."""
        try:
            return dict(json.loads((self.folder / RUN_FILE).read_text()))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ArtefactError(f"{self.folder / RUN_FILE} is damaged. Run again.") from error

    def record(self, section: str, facts: dict[str, Any]) -> None:
        """Adds facts to a section of ``run.json``; those of the same name are replaced."""
        try:
            run = self.run
        except ArtefactError:
            run = {}
        run.setdefault("versions", {}).update(_versions())
        run.setdefault(section, {}).update(facts)
        write_text(self.folder / RUN_FILE, json.dumps(run, indent=1, default=str))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process out while this one writes.

        Raises:
            ConfigError: another process works in this folder.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / ".lock").open("w")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"Another genrec run is writing to {self.folder}. Wait for it, or choose "
                    "another folder with --into."
                ) from None
            for left in self.folder.glob(".*.new"):
                shutil.rmtree(left, ignore_errors=True)
            yield


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
