"""Finished pictures and films by name: a campaign's own, and those that all campaigns share.

Each is two files: the content, and a line of JSON with its hash, written last. What has no such
line, or another hash, is not there, and is made again. Contents have no credentials yet, so they
are the same bytes whoever made them and when.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from genrec.creatives.media import Medium
from genrec.workspace import storage_errors, write_bytes, write_text

log = logging.getLogger(__name__)

_HALF_WRITTEN_SECONDS = 3600


@dataclass
class MediaStore:
    """The pictures and films of one campaign.

    Attributes:
        own: its folder.
        shared: folder that all campaigns share; ``None`` for none.
        broken: damaged ones that were removed so far.
    """

    own: Path
    shared: Path | None = None
    broken: int = 0
    _known: dict[str, Medium] = field(default_factory=dict, repr=False)

    def clean(self) -> None:
        """Removes what killed processes left half-written."""
        for left in self.own.glob("??/.*"):
            left.unlink(missing_ok=True)
        if self.shared is not None:
            # Another process may be writing there right now.
            for left in self.shared.glob("??/.*"):
                if _age(left) > _HALF_WRITTEN_SECONDS:
                    left.unlink(missing_ok=True)

    def find(self, ids: Iterable[str]) -> dict[str, Medium]:
        """Those of these that are there whole; taken from the shared folder where need be."""
        return {one: found for one in ids if (found := self._get(one)) is not None}

    def counts(self) -> dict[str, int]:
        """How many the campaign has made itself, by kind."""
        kinds = [line.read_text(encoding="utf-8") for line in self.own.glob("??/*.made")]
        return {kind: kinds.count(kind) for kind in set(kinds)}

    def read(self, medium: Medium) -> bytes:
        """The content of one that is there."""
        return self._file(self.own, medium).read_bytes()

    def write(self, medium: Medium, content: bytes) -> None:
        """Keeps one, as a whole or not at all.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        if medium.file:
            write_bytes(self._file(self.own, medium), content)
        line = self._line(self.own, medium.id)
        write_text(line, medium.to_json())
        # What a budget counts: made here, not found.
        write_text(line.with_suffix(".made"), medium.kind)
        self._known[medium.id] = medium
        if self.shared is not None and not medium.failure:
            self._link(medium, self.own, self.shared)

    def _get(self, media_id: str) -> Medium | None:
        if media_id in self._known:
            return self._known[media_id]
        for folder in (self.own, self.shared):
            if folder is None:
                continue
            found = self._whole(folder, media_id)
            if found is not None and folder is not self.own:
                self._link(found, folder, self.own)
                found = self._whole(self.own, media_id)
            if found is not None:
                self._known[media_id] = found
                return found
        return None

    def _whole(self, folder: Path, media_id: str) -> Medium | None:
        line = self._line(folder, media_id)
        try:
            medium = Medium.from_json(line.read_text(encoding="utf-8"))
            if medium.id != media_id:
                raise ValueError("of another name")
            if medium.file:
                content = self._file(folder, medium).read_bytes()
                if hashlib.sha256(content).hexdigest() != medium.content:
                    raise ValueError("changed or truncated")
        except FileNotFoundError:
            if not line.exists():
                return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        else:
            return medium
        log.warning("%s is damaged and is made again", line)
        self.broken += 1
        with storage_errors(line):
            line.unlink(missing_ok=True)
        return None

    def _link(self, medium: Medium, there: Path, here: Path) -> None:
        pairs = [(self._line(there, medium.id), self._line(here, medium.id))]
        if medium.file:
            # The line comes last.
            pairs.insert(0, (self._file(there, medium), self._file(here, medium)))
        for source, target in pairs:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _placed(source, target)
            except OSError as error:
                if here == self.own:
                    with storage_errors(target):
                        raise
                # The picture itself is kept; only later campaigns would have gained.
                log.warning("%s could not be shared: %s", medium.id, error.strerror)
                return

    @staticmethod
    def _line(folder: Path, media_id: str) -> Path:
        return folder / media_id[:2] / f"{media_id}.json"

    @staticmethod
    def _file(folder: Path, medium: Medium) -> Path:
        return folder / medium.name


def _placed(source: Path, target: Path) -> None:
    """A link under a hidden name first, then in the place of what may be damaged there."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        try:
            os.link(source, beside)
        except OSError:
            # Another disk, or one without links.
            shutil.copyfile(source, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
