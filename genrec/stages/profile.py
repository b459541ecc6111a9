"""Profiles of a run's users: made once, kept in the workspace, forgotten when asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from genrec.data.dataset import Dataset
from genrec.data.storage import stored_users
from genrec.errors import InputError
from genrec.llm.text import TextModel
from genrec.profiles.build import Builder, Profiles
from genrec.profiles.drift import Drift, Window, drift
from genrec.profiles.segments import Segment, Segments, find_segments
from genrec.profiles.sensitive import SensitiveRules
from genrec.profiles.storage import (
    PROFILES,
    SEGMENTS,
    SUMMARIES,
    Tombstones,
    bury,
    purge,
    read_profiles,
    read_segments,
    write_profiles,
    write_segments,
)
from genrec.profiles.summary import Summary, summarise, summary_key
from genrec.stages.prepare import stored_data
from genrec.stages.run import Run
from genrec.workspace import Workspace, seal_of, write_text


@dataclass(frozen=True)
class Forgotten:
    """What forgetting a user came to.

    Attributes:
        known: whether the run had a profile of them, or could have made one.
        still: places outside the profiles that hold the user's events or what was learned of them.
    """

    user: str
    known: bool
    still: tuple[str, ...]


def profiles_of(run: Run) -> Profiles:
    """The profiles of a run's users, made anew when data, options, rules or the forgotten changed.

    Raises:
        ArtefactError: the run has no data set, or the list of the forgotten is damaged.
        ConfigError: an option does not fit the data.
    """
    config = run.recipe.profiles
    dataset = stored_data(run)
    forgotten = Tombstones.read(run.workspace)
    gone = forgotten.among(dataset.users)
    rules = SensitiveRules.load(config.rules).version
    # The seal covers the tables beside the events too.
    source = seal_of(run.path("dataset"))
    run.key(PROFILES, source, asdict(config), rules, sorted(forgotten.hashes))
    if run.is_current(PROFILES):
        return read_profiles(
            run.path(PROFILES), maker=lambda: Builder.of(dataset, config, leave_out=gone)
        )
    with run.stage("Profile users") as stage, run.workspace.lock():
        if forgotten.hashes:
            # Whoever forgot them may have been stopped half-way.
            purge(run.workspace)
        profiles = Builder.of(dataset, config, leave_out=gone).profiles()
        with run.write(PROFILES) as folder:
            write_profiles(profiles, folder)
        stage.note = f"{len(profiles):,} users, {profiles.traits.height:,} traits"
    return profiles


def builder_of(run: Run, dataset: Dataset) -> Builder:
    """Makes profiles by the run's own options and rules, without the forgotten; keeps nothing.

    Raises:
        ArtefactError: the list of the forgotten is damaged.
        ConfigError: an option does not fit the data.
    """
    gone = Tombstones.read(run.workspace).among(dataset.users)
    return Builder.of(dataset, run.recipe.profiles, leave_out=gone)


def segments_of(run: Run) -> Segments:
    """The segments of a run's users, made anew when their profiles or the options changed.

    Raises: as of ``profiles_of``, and ``MissingExtra`` without faiss.
    """
    config = run.recipe.segments
    profiles = profiles_of(run)
    run.key(SEGMENTS, run.keys[PROFILES], asdict(config))
    if run.is_current(SEGMENTS):
        return read_segments(run.path(SEGMENTS))
    with run.stage("Find segments") as stage, run.workspace.lock():
        segments = find_segments(profiles, config)
        with run.write(SEGMENTS) as folder:
            write_segments(segments, folder)
        stage.note = f"{len(segments.segments)} segments, {segments.withheld:,} users in none"
    return segments


def segments_without_forgotten(run: Run, dataset: Dataset) -> Segments:
    """The segments of a data set's users by the run's own options; keeps nothing.

    Raises: as of ``builder_of``, and ``MissingExtra`` without faiss.
    """
    return find_segments(builder_of(run, dataset).profiles(), run.recipe.segments)


def segment_of(run: Run, user: str) -> Segment | None:
    """The segment of a user, if the segments that were made last fit the profiles of today."""
    path = run.path(SEGMENTS)
    about = run.workspace.about(SEGMENTS)
    if not path.is_dir() or PROFILES not in run.keys:
        return None
    segments = read_segments(run.workspace.open(SEGMENTS))
    run.key(SEGMENTS, run.keys[PROFILES], asdict(segments.config))
    return segments.of(user) if about.get("key") == run.keys[SEGMENTS] else None


def drift_of(run: Run, user: str, windows: tuple[Window, Window] | None = None) -> Drift:
    """What changed in a user between two windows.

    Raises: as of ``profiles_of`` and ``drift``.
    """
    return drift(profiles_of(run), user, windows=windows)


def summary_of(
    run: Run, user: str, writer: TextModel | None, *, intensity: float = 1.0, sentences: int = 5
) -> Summary:
    """A user's profile in words; what an LLM wrote is kept beside the profiles.

    Raises: as of ``profiles_of`` and ``summarise``.
    """
    profile = profiles_of(run)[user].at(intensity)
    if writer is None:
        return summarise(profile, sentences=sentences)
    key = summary_key(profile, repr(writer), sentences=sentences, seed=0)
    path = run.path(SUMMARIES) / f"{sha256(user.encode()).hexdigest()[:24]}.json"
    try:
        kept = json.loads(path.read_text())
        if kept["key"] == key:
            return Summary.parse(kept["summary"])
    except (OSError, ValueError, KeyError, TypeError):
        # None was kept, or it is damaged: it can be written again.
        pass
    summary = summarise(profile, writer, sentences=sentences)
    write_text(path, json.dumps({"key": key, "summary": summary.to_dict()}, ensure_ascii=False))
    return summary


def forget_user(run: Run, user: str) -> Forgotten:
    """Deletes profile, evidence, segment and summaries of a user, and builds the rest without them.

    Raises:
        InputError: no user was named.
        ArtefactError: the run has no data set, or the list of the forgotten is damaged.
        StorageError: something could not be deleted; the tombstone stands already.
    """
    if not user:
        raise InputError("Say who is to be forgotten: --forget USER")
    known = user in {str(name) for name in stored_data(run).users}
    had_segments = run.path(SEGMENTS).is_dir()
    with run.workspace.lock():
        bury(run.workspace, user)
    profiles_of(run)
    if had_segments:
        segments_of(run)
    held = data_with(run.workspace, lambda users: {user}.intersection(users))
    learned = ("recommender", "sft", "refused", "content")
    # Each version goes on from the weights of one before it.
    still = [
        folder
        for place in run.workspace.places
        for folder in (place / "dataset", *(place / name for name in learned))
        if held and folder.is_dir() and (folder.name != "dataset" or folder in held)
    ]
    return Forgotten(user, known, tuple(map(str, still)))


def data_with(
    workspace: Workspace, those: Callable[[Iterable[object]], Collection[str]]
) -> dict[Path, int]:
    """Of all versions, the data sets that hold events of certain users, and of how many.

    Args:
        those: of users, the ones that are meant.

    Raises:
        ArtefactError: a data set is damaged.
    """
    folders = [place / "dataset" for place in workspace.places]
    found = {one: len(those(stored_users(one))) for one in folders if one.is_dir()}
    return {folder: users for folder, users in found.items() if users}
