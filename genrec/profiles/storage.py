"""Profiles and segments on disk (Parquet and JSON), and how a user is forgotten.

A tombstone is a keyed hash of the user's id in ``forgotten.json``; the key lies beside it, so it
hides the id from a reader, not from somebody who can try all ids. It is written before anything
is deleted: whatever happens after, no build takes the user in again.
"""

from __future__ import annotations

import hmac
import json
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import polars as pl

from genrec.data.reading import reading
from genrec.errors import ArtefactError
from genrec.profiles.build import Builder, Profiles
from genrec.profiles.options import SegmentConfig
from genrec.profiles.segments import Segment, Segments
from genrec.workspace import Workspace, storage_errors, write_text

PROFILES, SEGMENTS, SUMMARIES = "profiles", "segments", "profile_summaries"
FORGOTTEN = "forgotten.json"


@dataclass(frozen=True)
class Tombstones:
    """Who is forgotten, as hashes."""

    key: str = ""
    hashes: frozenset[str] = frozenset()

    @staticmethod
    def read(workspace: Workspace) -> Tombstones:
        """Those of a workspace.

        Raises:
            ArtefactError: the file is damaged; nothing is built then, or they would come back.
        """
        path = workspace.root / FORGOTTEN
        try:
            content = json.loads(path.read_text())
            return Tombstones(str(content["key"]), frozenset(map(str, content["users"])))
        except FileNotFoundError:
            return Tombstones()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(
                f"{path} says who is forgotten and cannot be read ({error}). Restore it from a "
                "backup: without it forgotten users would get profiles again."
            ) from error

    def with_user(self, user: str) -> Tombstones:
        """With one tombstone more."""
        key = self.key or secrets.token_hex(16)
        return Tombstones(key, self.hashes | {_hash(key, user)})

    def write(self, workspace: Workspace) -> None:
        """Writes them whole."""
        content = {"key": self.key, "users": sorted(self.hashes)}
        write_text(workspace.root / FORGOTTEN, json.dumps(content, indent=1))

    def __contains__(self, user: object) -> bool:
        return bool(self.hashes) and _hash(self.key, str(user)) in self.hashes

    def among(self, users: Iterable[object]) -> set[str]:
        """Those of these users who are forgotten."""
        return {str(user) for user in users if user in self}


def _hash(key: str, user: str) -> str:
    return hmac.new(key.encode(), user.encode(), sha256).hexdigest()


def bury(workspace: Workspace, user: str) -> None:
    """Deletes what a workspace's profiles, segments and summaries hold, and sets the tombstone.

    All of it, since the crowd and the segments were made with the user too; what is left is
    built anew without them.
    """
    Tombstones.read(workspace).with_user(user).write(workspace)
    purge(workspace)


def purge(workspace: Workspace) -> None:
    """Deletes profiles, segments and summaries of every version, whole or half written."""
    for place in workspace.places:
        for name in (PROFILES, SEGMENTS, SUMMARIES):
            for folder in (place / name, place / f".{name}.old", *place.glob(f".{name}.*.new")):
                with storage_errors(folder):
                    if folder.is_dir():
                        shutil.rmtree(folder)


def write_profiles(profiles: Profiles, folder: Path) -> None:
    """Writes the bare files into a folder that somebody else seals."""
    profiles.users.write_parquet(folder / "users.parquet")
    profiles.traits.write_parquet(folder / "traits.parquet")
    about = {"rules": profiles.rules, "items_left_out": profiles.items_left_out}
    (folder / "profiles.json").write_text(json.dumps(about, indent=1))


def read_profiles(folder: Path, *, maker: Callable[[], Builder] | None = None) -> Profiles:
    """Reads what ``write_profiles`` wrote.

    Args:
        maker: lets the profiles go on (``after``) and drift; called when that is asked for.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    with reading(folder, "profiles", then="Make them again."):
        about = json.loads((folder / "profiles.json").read_text())
        return Profiles(
            pl.read_parquet(folder / "users.parquet", glob=False),
            pl.read_parquet(folder / "traits.parquet", glob=False),
            about["rules"],
            about["items_left_out"],
            maker,
        )


def write_segments(segments: Segments, folder: Path) -> None:
    """Writes the bare files into a folder that somebody else seals."""
    segments.members.write_parquet(folder / "members.parquet")
    about = {
        "segments": [asdict(one) for one in segments.segments],
        "withheld": segments.withheld,
        "config": asdict(segments.config),
    }
    (folder / "segments.json").write_text(json.dumps(about, indent=1, ensure_ascii=False))


def read_segments(folder: Path) -> Segments:
    """Reads what ``write_segments`` wrote.

    Raises:
        ArtefactError: a file is missing or damaged.
    """
    with reading(folder, "segments", then="Make them again."):
        about = json.loads((folder / "segments.json").read_text())
        found = tuple(
            Segment(one["id"], one["name"], one["users"], tuple(map(tuple, one["traits"])))
            for one in about["segments"]
        )
        members = pl.read_parquet(folder / "members.parquet", glob=False)
        return Segments(found, members, about["withheld"], SegmentConfig(**about["config"]))
