"""Files that belong to items (pictures, sounds, films), read safely from a folder or a zip archive.

Names come from tables that anybody may have written, so they can only reach plain files inside the
folder: no way up, no absolute path, no link. Knows bytes, not what they show.
"""

from __future__ import annotations

import hashlib
import stat
import threading
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from genrec.errors import InputError

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class MediaProblem:
    """A file that was left out.

    Attributes:
        item_id: whose file it is.
        file: its name in the catalogue.
        problem: why, as a sentence.
    """

    item_id: str
    file: str
    problem: str

    def __str__(self) -> str:
        return f"item '{self.item_id}', file '{self.file}': {self.problem}"


@dataclass(frozen=True)
class MediaFolder:
    """A folder, or a zip archive, of files by name.

    Attributes:
        root: the folder or the archive.
        max_bytes: larger files are refused; in an archive the unpacked size counts.
    """

    root: Path
    max_bytes: int = MAX_BYTES
    _open: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def at(root: str | Path) -> MediaFolder:
        """The folder or archive at a path.

        Raises:
            InputError: there is neither, or the archive is damaged.
        """
        folder = MediaFolder(Path(root))
        if folder.root.is_dir():
            return folder
        if not folder.root.is_file():
            raise InputError(
                f"There is no folder or zip archive {root} to read items' files from. Name the "
                "one that the paths in the catalogue are relative to."
            )
        folder._archive()
        return folder

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            InputError: it is missing, empty, too large, not a plain file, a link, or outside.
        """
        parts = _parts(name)
        return self._from_folder(parts) if self.root.is_dir() else self._from_archive(name)

    def fingerprint(self, names: Iterable[str | None]) -> str:
        """A hash of names, sizes and dates of change (in an archive: checksums), cheap to make."""
        digest = hashlib.sha256()
        entries = {} if self.root.is_dir() else self._archive()[1]
        for name in names:
            if name is None:
                continue
            facts: tuple[int, ...] = ()
            if entries:
                if (entry := entries.get(name)) is not None:
                    facts = (entry.file_size, entry.CRC)
            else:
                try:
                    found = self.root.joinpath(*_parts(name)).lstat()
                    facts = (found.st_size, found.st_mtime_ns)
                except (OSError, InputError):
                    facts = ()
            digest.update(f"{name}\0{facts}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def _from_folder(self, parts: tuple[str, ...]) -> bytes:
        path = self.root.resolve().joinpath(*parts)
        try:
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode) or path.resolve() != path:
                raise InputError("it is a link, or lies behind one; put the file itself there")
            if not stat.S_ISREG(found.st_mode):
                raise InputError("it is no plain file")
            self._check_size(found.st_size)
            with path.open("rb") as file:
                content = file.read(self.max_bytes + 1)
        except FileNotFoundError:
            raise InputError(f"there is no such file in {self.root}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"it cannot be read: {reason}") from error
        self._check_size(len(content))
        return content

    def _from_archive(self, name: str) -> bytes:
        archive, entries = self._archive()
        entry = entries.get(name)
        if entry is None or entry.is_dir():
            raise InputError(f"there is no such file in {self.root}")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError("it is a link; put the file itself into the archive")
        self._check_size(entry.file_size)
        try:
            # One archive is one file position, which threads must not move for one another.
            with self._lock(), archive.open(entry) as file:
                content = file.read(self.max_bytes + 1)
        except (
            OSError,
            RuntimeError,
            NotImplementedError,  # zipfile: a compression that it cannot undo
            zipfile.BadZipFile,
            ValueError,
        ) as error:
            raise InputError(f"it cannot be unpacked: {error}") from error
        # What the archive says of its sizes may be a lie.
        self._check_size(len(content))
        return content

    def _check_size(self, size: int) -> None:
        if not size:
            raise InputError("it is empty")
        if size > self.max_bytes:
            raise InputError(f"it has {size:,} bytes; at most {self.max_bytes:,} are read")

    def _archive(self) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
        if "archive" not in self._open:
            try:
                archive = zipfile.ZipFile(self.root)
            except (OSError, zipfile.BadZipFile) as error:
                raise InputError(
                    f"{self.root} is neither a folder nor a whole zip archive ({error})."
                ) from error
            self._open["entries"] = {entry.filename: entry for entry in archive.infolist()}
            self._open["archive"] = archive
        return self._open["archive"], self._open["entries"]

    def _lock(self) -> threading.Lock:
        lock: threading.Lock = self._open.setdefault("lock", threading.Lock())
        return lock

    def __reduce__(self) -> tuple[Any, ...]:
        # An open archive stays in its own process.
        return MediaFolder, (self.root, self.max_bytes)


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if not name or "\0" in name:
        raise InputError("its name is empty or has a zero byte in it")
    if "://" in name:
        raise InputError("it is an address, and nothing is fetched; name a file in the folder")
    if "\\" in name:
        raise InputError("its path has a backslash in it; part folders with /")
    if path.is_absolute() or ".." in path.parts:
        raise InputError("its path leaves the folder; only paths inside it are read")
    return path.parts
