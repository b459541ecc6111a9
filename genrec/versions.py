"""Which version of a run is in use: a pointer beside the versions that updates have made.

The first version is the run's own folder; each update leaves another in ``versions/NUMBER``, whole
and beside the others. One small file says which were promoted, and it changes in one step. So a
version is in use or it is not, and going back to the one before brings back its very files.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from genrec.errors import UPGRADE, ArtefactError, ConfigError

VERSIONS, POINTER = "versions", "versions.json"
FORMAT = 1
_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True)
class Versions:
    """The versions of a run.

    Attributes:
        folder: of the run.
        promoted: names of the versions that were put into use, oldest first, without those that
            were rolled back; empty while the run is as its recipe made it.
    """

    folder: Path
    promoted: tuple[str, ...] = ()

    @staticmethod
    def read(folder: Path) -> Versions:
        """Those of a run's folder.

        Raises:
            ArtefactError: the pointer is damaged, or of a format that is not known here.
        """
        pointer = folder / POINTER
        try:
            content = json.loads(pointer.read_text())
            number = int(content["format"])
            promoted = tuple(str(name) for name in content["promoted"])
        except (FileNotFoundError, NotADirectoryError):
            return Versions(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(
                f"{pointer} says which version is in use and cannot be read ({error}). Delete it "
                "to go back to what the recipe made, or restore it from a backup."
            ) from error
        if number > FORMAT:
            raise ArtefactError(
                f"{pointer} is of format {number}; this genrec reads up to {FORMAT}. {UPGRADE}."
            )
        if strange := [name for name in promoted if not _NUMBER.fullmatch(name)]:
            raise ArtefactError(f"{pointer} names a version '{strange[0]}', which is no number.")
        return Versions(folder, promoted)

    @property
    def current(self) -> str:
        """The name of the version in use; empty for the run as its recipe made it."""
        return self.promoted[-1] if self.promoted else ""

    def place(self, name: str) -> Path:
        """Where a version's artefacts lie."""
        return self.folder / VERSIONS / name if name else self.folder

    @property
    def there(self) -> list[str]:
        """Names of all versions on disk, promoted or not, in order."""
        found = (self.folder / VERSIONS).glob("*")
        return sorted(path.name for path in found if _NUMBER.fullmatch(path.name))

    @property
    def next_name(self) -> str:
        """A name that no version has had."""
        taken = [int(name) for name in (*self.there, *self.promoted)]
        return f"{max(taken, default=0) + 1:04d}"

    def with_promoted(self, name: str) -> Versions:
        """With one more in use."""
        return replace(self, promoted=(*self.promoted, name))

    def rolled_back(self) -> Versions:
        """With the one before in use.

        Raises:
            ConfigError: there is none before.
        """
        if not self.promoted:
            raise ConfigError(
                f"{self.folder} is as its recipe made it; there is no version before to go back to."
            )
        return replace(self, promoted=self.promoted[:-1])

    def to_json(self) -> str:
        """What the pointer says."""
        return json.dumps({"format": FORMAT, "promoted": list(self.promoted)}, indent=1)


def root_of(folder: Path) -> Path:
    """The run's folder that a folder belongs to: itself, or that of which it is a version."""
    inside = _NUMBER.fullmatch(folder.name) and folder.parent.name == VERSIONS
    return folder.parent.parent if inside else folder
