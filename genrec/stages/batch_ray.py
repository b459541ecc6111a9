"""Large jobs on Ray Data: each worker opens its writer once and writes parts.

On one machine Ray is started for the job and stopped after it. With ``RAY_ADDRESS`` set, the
workers run in that cluster; the folders of the run and of the job must then be on a disk that
all of them see.
Knows nothing of users, items or ads: what a part holds is decided by who opens the writer.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from typing import Any

import ray
import ray.data

from genrec.errors import ArtefactError, ConfigError, GenrecError, InputError, StorageError
from genrec.stages.engines import OpenWriter, Part, Progress, Write


def run_on_ray(
    open_writer: OpenWriter, parts: Sequence[Part], workers: int, progress: Progress
) -> None:
    """Computes the parts in worker processes; those of a killed worker are computed again.

    Args:
        workers: how many; 0 takes one per core that this process may use.

    Raises:
        ConfigError: the cluster of ``RAY_ADDRESS`` cannot be reached.
        GenrecError: as raised in a worker.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = min(workers or cores, len(parts))
    # Ray prints there that a worker has died; our stdout holds results.
    with redirect_stdout(sys.stderr), _connected(wanted):
        numbers = ray.data.from_items(
            [{"part": number} for number in range(len(parts))],
            override_num_blocks=len(parts),
        )
        written = numbers.map_batches(
            Worker,
            fn_constructor_args=(open_writer, list(parts), max(1, cores // wanted)),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=wanted),
        )
        for row in written.iter_rows():
            raise_told(row)
            progress(parts[int(row["part"])].size)


class Worker:
    """One process of Ray with a writer of its own, opened at its first part."""

    def __init__(self, open_writer: OpenWriter, parts: list[Part], threads: int) -> None:
        self.open_writer, self.parts, self.threads = open_writer, parts, threads

    @cached_property
    def write(self) -> Write:
        write = self.open_writer()
        # Not every writer computes with torch, whose import takes seconds. Ray gives each worker
        # one thread; more of them than cores would wait for one another.
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(self.threads)
        return write

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Writes the parts of these numbers. An error that a user can act on comes back in words:
        what Ray makes of an exception hides it, and a worker that fails to start is tried again.
        """
        kinds, texts = [], []
        for number in batch["part"]:
            try:
                self.write(self.parts[int(number)], lambda _done: None)
                kinds.append("")
                texts.append("")
            except GenrecError as error:
                kinds.append(type(error).__name__)
                texts.append(str(error))
        return {"part": batch["part"], "kind": kinds, "error": texts}


def raise_told(row: Mapping[str, Any]) -> None:
    """Raises what a worker told, if it failed."""
    if row["kind"]:
        known = {kind.__name__: kind for kind in (ArtefactError, InputError, StorageError)}
        raise known.get(row["kind"], ConfigError)(row["error"])


@contextmanager
def _connected(workers: int) -> Iterator[None]:
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Read when Ray starts; its log files keep the rest.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            # One more than the workers need, for Ray's own reading of the list of parts.
            ray.init(num_cpus=workers + 1, include_dashboard=False, **quiet)
    # Ray raises a bare Exception where a busy machine takes too long to start it.
    except Exception as error:
        raise ConfigError(
            f"Ray could not be started{f' at {address}' if address else ''}: "
            f"{str(error).splitlines()[0]} Set RAY_ADDRESS to a running cluster or unset it."
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
