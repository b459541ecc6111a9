"""One run's folder: artefacts by name, each whole and verified, or absent.

An artefact is a folder that holds its files and ``artefact.json`` (see ``seals``). It is written
beside its place and renamed when complete. A run that was updated has its artefacts in the folder
of the version in use (see ``versions``).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genrec.errors import ArtefactError, ConfigError, StorageError
from genrec.seals import SEAL, Seal, package_versions
from genrec.versions import POINTER, Versions, root_of

RUN_FILE, LOCK = "run.json", ".lock"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


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
            Seal.of(temporary, kind, about).write(temporary)
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
    seal = Seal.read(folder)
    if seal.kind != kind:
        raise ArtefactError(f"{folder} holds a {seal.kind}, not a {kind}. Name another folder.")
    if damaged := seal.harmed(folder):
        raise ArtefactError(
            f"{folder} is damaged: {', '.join(damaged)}. Delete it and make it again."
        )
    return dict(seal.about)


def seal_of(folder: Path) -> str:
    """A hash of what a whole artefact holds, the same in every format of its seal."""
    return content_key({name: one.sha256 for name, one in Seal.read(folder).files.items()})


def content_key(*parts: Any) -> str:
    """A hash of JSON values: equal inputs, equal key."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Workspace:
    """A run's folder.

    Which version is in use is looked up once, so that what one workspace opens belongs together.

    Args:
        folder: made when first written to; of a run, or of one version of it.
        version: name of the version to open, whichever is in use; empty for the run as its recipe
            made it.

    Attributes:
        place: where the artefacts of the version in use lie; the folder itself before any update.
        root: the run's folder, where what all versions share lies.
    """

    def __init__(self, folder: str | Path, *, version: str | None = None) -> None:
        self.folder = Path(folder)
        self.root = root_of(self.folder)
        versions = Versions.read(self.folder)
        self.place = versions.place(versions.current if version is None else version)

    @staticmethod
    def of(run: str | Path | Workspace) -> Workspace:
        """The workspace of a folder, or the one that is open already, at its version."""
        return run if isinstance(run, Workspace) else Workspace(run)

    @property
    def version(self) -> str:
        """The name of the version that is open; empty for the run as its recipe made it."""
        return "" if self.place == self.root else self.place.name

    def at(self, version: str) -> Workspace:
        """One version of this run, whichever is in use now or later.

        Its path is absolute, so that it can travel to another process.
        """
        return Workspace(self.root.resolve(), version=version)

    def path(self, name: str) -> Path:
        """Where the artefact of that name lies."""
        return self.place / name

    @property
    def places(self) -> list[Path]:
        """The folders of all versions of the run, that of its recipe first."""
        versions = Versions.read(self.root)
        return [versions.place(name) for name in ("", *versions.there)]

    def point_to(self, versions: Versions) -> None:
        """Says which version is in use, in one step; whoever calls it holds the lock."""
        write_text(self.root / POINTER, versions.to_json())
        # Of processes that were killed just before that step.
        for left in self.root.glob(f".{POINTER}.*"):
            left.unlink(missing_ok=True)
        self.place = versions.place(versions.current)

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
            return dict(Seal.read(self.path(name)).about)
        except ArtefactError:
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
            return dict(json.loads((self.place / RUN_FILE).read_text()))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ArtefactError(f"{self.place / RUN_FILE} is damaged. Run again.") from error

    def record(self, section: str, facts: dict[str, Any]) -> None:
        """Adds facts to a section of ``run.json``; those of the same name are replaced."""
        try:
            run = self.run
        except ArtefactError:
            run = {}
        run.setdefault("versions", {}).update(package_versions())
        run.setdefault(section, {}).update(facts)
        write_text(self.place / RUN_FILE, json.dumps(run, indent=1, default=str))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second process out while this one writes.

        Raises:
            ConfigError: another process works in this folder.
        """
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = (self.root / LOCK).open("w")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"Another genrec run is writing to {self.root}. Wait for it, or choose "
                    "another folder with --into."
                ) from None
            for left in (left for place in self.places for left in place.glob(".*.new")):
                shutil.rmtree(left, ignore_errors=True)
            yield
