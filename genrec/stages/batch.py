"""Recommendations for many users at once, as Parquet shards; a killed job goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.dataset import Dataset
from genrec.data.filters import FilterCompiler
from genrec.errors import ConfigError, InputError
from genrec.recommenders.base import Recommender, Request
from genrec.seals import Seal
from genrec.stages.batch_folder import SCHEMA, BatchOptions, Job, Shard
from genrec.stages.engines import ENGINES, Progress
from genrec.stages.fused import recommender_in
from genrec.stages.job_folder import MANIFEST, begun_with
from genrec.stages.prepare import stored_data
from genrec.stages.run import Run
from genrec.workspace import Workspace, content_key

# Users that are decoded together; progress is told after each such part of a shard.
_TOGETHER = 500


def recommend_all(
    run: Run,
    into: Path,
    options: BatchOptions,
    *,
    users: Sequence[str] | None = None,
    engine: str = "local",
    workers: int = 0,
) -> dict[str, Any]:
    """Recommendations for users of the run's data set, from all that they chose so far.

    Args:
        into: folder of the shards; what lies there of the same job is not computed again, and one
            that was not finished goes on with the version of the run that it began with.
        users: whose, each once; all when left out.
        engine: ``local`` (this process) or ``ray`` (workers on this machine or a cluster).
        workers: processes of Ray; 0 takes one per core.

    Returns:
        What ``_manifest.json`` holds: the options, counts, and the shards.

    Raises:
        ConfigError: the folder holds something else, or was begun with a version that is not there
            any more, or an option does not fit.
        InputError: a user is unknown (all are listed), or the filter is wrong or allows no item.
        ArtefactError: the run has no recommender.
        MissingExtra: ray is not installed.
    """
    if workers and engine == "local":
        raise ConfigError("Workers are Ray's: add --engine ray, or leave --workers out.")
    execute = ENGINES.load(engine)
    if not (into / MANIFEST).is_file():
        run = replace(run, workspace=begun_with(into, run.workspace))
    dataset = stored_data(run)
    check_filter(dataset, options.where)
    job = Job(
        run.workspace.at(run.workspace.version),
        run.recipe,
        into.resolve(),
        options,
        tuple(rows_of(dataset, users)),
        _recommender_key(run),
    )
    job.check_folder()
    started = time.perf_counter()
    with Workspace(job.into).lock():
        job.claim()
        run.observer.started("Recommend")
        lengths = {shard: shard.lengths() for shard in job.shards}
        left = [shard for shard, held in lengths.items() if held is None]
        done = len(job.rows) - sum(len(shard.rows) for shard in left)

        def progress(users_more: int) -> None:
            nonlocal done
            done += users_more
            run.observer.progressed("Recommend", done, len(job.rows), "users")

        progress(0)
        if left:
            execute(partial(ShardWriter, job), left, workers, progress)
        lengths.update({shard: shard.lengths() for shard in left})
        manifest = job.finish(lengths)
    seconds = time.perf_counter() - started
    note = f"shards: {len(left)} computed, {len(job.shards) - len(left)} kept"
    run.observer.finished("Recommend", note, seconds, reused=not left)
    return manifest


class ShardWriter:
    """A loaded recommender that writes shards; every engine goes through it."""

    def __init__(self, job: Job) -> None:
        # Loads torch, which a job that finds nothing to do, or that has workers, need not wait for.
        from genrec.stages.recommend import open_recommender

        self.job = job
        self.dataset, self.recommender = open_recommender(Run(job.recipe, job.run))

    def __call__(self, shard: Shard, progress: Progress = lambda _users: None) -> None:
        """Computes and writes one shard; ``progress`` is told how many more users are done."""
        options = self.job.options
        shard.write(recommend_table(self.recommender, self.dataset, shard.rows, options, progress))


def recommend_table(
    recommender: Recommender,
    dataset: Dataset,
    rows: Sequence[int],
    options: BatchOptions,
    progress: Progress = lambda _users: None,
) -> pl.DataFrame:
    """The lists of these users: ``user``, ``rank`` from 1, ``item_id``, ``score``; best first."""
    found: dict[str, list[Any]] = {name: [] for name in SCHEMA}
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        requests = [
            Request(dataset.sequences[row], options.n, options.where, options.new) for row in part
        ]
        for row, best in zip(part, recommender.recommend_many(requests), strict=True):
            found["user"] += [str(dataset.users[row])] * len(best)
            found["rank"] += range(1, len(best) + 1)
            found["item_id"] += [one.item.id for one in best]
            found["score"] += [one.score for one in best]
        progress(len(part))
    return pl.DataFrame(found, schema=SCHEMA)


def rows_of(dataset: Dataset, users: Sequence[str] | None) -> list[int]:
    """Numbers of users in the data set; of all when none are given.

    Raises:
        InputError: names every unknown or repeated user.
    """
    if users is None:
        return list(range(len(dataset.users)))
    if not users:
        raise InputError("No user is named. Give one id per line, or take --all-users.")
    known = {str(user): row for row, user in enumerate(dataset.users)}
    seen: set[str] = set()
    problems = []
    for number, user in enumerate(users, 1):
        if user not in known:
            problems.append(f"user {number}: {dataset.name} has no user '{user}'")
        elif user in seen:
            problems.append(f"user {number}: '{user}' is named a second time")
        seen.add(user)
    if problems:
        some = ", ".join(list(known)[:3])
        raise InputError(
            f"{len(problems)} of {len(users)} users cannot be used. Users look like: {some}",
            problems,
        )
    return [known[user] for user in users]


def check_filter(dataset: Dataset, where: Mapping[str, Any] | None) -> None:
    """Compiles the filter before anything heavy is loaded.

    Raises:
        InputError: it is wrong, or no item of the catalogue passes it.
    """
    compiled = FilterCompiler(dataset.catalog).compile(where)
    if compiled.allowed is not None and not compiled.allowed.any():
        raise InputError(
            f"None of the {len(dataset.catalog):,} items passes the filter. Widen it.",
            compiled.doubts,
        )


def _recommender_key(run: Run) -> str:
    """A hash of the bytes of recommender and data: what is trained again is another one."""
    folders = [run.workspace.open(name) for name in (recommender_in(run), "dataset")]
    files = [
        {name: one.sha256 for name, one in Seal.read(folder).files.items()} for folder in folders
    ]
    return content_key(files, asdict(run.recipe.decode))
