"""What every stage shares: the recipe, the workspace, and somebody who watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.training.company import ALONE, Company
from genrec.workspace import Workspace, content_key

# Raised when a stage comes to write something else from the same inputs.
STAGE_VERSIONS = {
    "dataset": 1,
    "item_vectors": 1,
    "semantic_ids": 2,
    "recommender": 2,
    "instruction": 1,
    "control_sasrec": 1,
    "report": 1,
    "update": 1,
    "tower": 1,
    "seeing_llm": 1,
    "content": 1,
    "report_elsewhere": 2,
    "profiles": 1,
    "segments": 1,
    "copywriter": 1,
    "autoencoder": 1,
    "product_diffusion": 1,
    "verifier": 3,
    "class_images": 1,
    "image_lora": 1,
    "preference": 2,
}


class Observer:
    """Is told what happens; the command line draws it, a library caller may ignore it."""

    def started(self, stage: str) -> None:
        """A stage begins."""

    def progressed(self, stage: str, done: float, total: float, note: str = "") -> None:
        """A stage has done so many of its units."""

    def finished(self, stage: str, note: str, seconds: float, *, reused: bool) -> None:
        """A stage is over; ``reused`` if an artefact made earlier was up to date."""


@dataclass(frozen=True)
class Engine:
    """Who encodes items; see ``genrec.stages.engines``.

    Attributes:
        name: ``local`` or ``ray``.
        workers: processes; 0 takes one (``local``) or one per core (``ray``).
    """

    name: str = "local"
    workers: int = 0

    @property
    def several(self) -> bool:
        """Whether anybody but this process does it."""
        return self.name != "local" or self.workers > 1


@dataclass
class Run:
    """One recipe in one workspace.

    Attributes:
        keys: of each artefact, by its inputs; filled as the stages go.
        company: the processes that do it together; the main one makes and writes what is made once.
        engine: who encodes items.
    """

    recipe: Recipe
    workspace: Workspace
    observer: Observer = field(default_factory=Observer)
    keys: dict[str, str] = field(default_factory=dict)
    company: Company = ALONE
    engine: Engine = Engine()

    def key(self, name: str, *inputs: Any) -> str:
        """The key of an artefact made from these inputs."""
        self.keys[name] = content_key(name, STAGE_VERSIONS[name], *inputs)
        return self.keys[name]

    def is_current(self, name: str) -> bool:
        """Whether the artefact is there, whole, and made from the inputs of today."""
        key = self.keys[name]
        if not self.workspace.is_current(name, key):
            return False
        if self._recorded().get(name, {}).get("key") != key:
            # Whoever wrote it was killed before it could be recorded.
            self.workspace.record("artefacts", {name: {"key": key}})
        return True

    def _recorded(self) -> dict[str, Any]:
        try:
            return dict(self.workspace.run.get("artefacts", {}))
        except ArtefactError:
            # What is recorded next takes the place of a damaged file.
            return {}

    @contextmanager
    def stage(self, title: str, *, together: bool = False, last: bool = False) -> Iterator[Stage]:
        """Times a stage, tells the observer and keeps the time in the workspace.

        Args:
            together: all processes do it at a time; otherwise the others begin when the main one
                has ended, and find what it made.
            last: the others have nothing to do after it, and neither has the main process.
        """
        if not self.company.main and not together:
            self.company.wait_for(title)
        # What a stage trains that is not done together is the main process's alone.
        own = self.company.main and not self.company.alone and not together
        try:
            with self.watched(title) as stage, self.company.apart() if own else nullcontext():
                yield stage
        except BaseException:
            if self.company.main:
                self.company.tell(title, failed=True)
            raise
        if self.company.main:
            if not stage.reused:
                self.workspace.record("seconds", {title: round(stage.seconds, 1)})
            self.company.tell(title, last=last)

    @contextmanager
    def watched(self, title: str) -> Iterator[Stage]:
        """Times a stage and tells the observer; nothing is written."""
        self.observer.started(title)
        stage = Stage(title, self.observer)
        started = time.perf_counter()
        yield stage
        stage.seconds = time.perf_counter() - started
        self.observer.finished(title, stage.note, stage.seconds, reused=stage.reused)

    @contextmanager
    def write(self, name: str, **about: Any) -> Iterator[Path]:
        """A folder to write the artefact into; see ``Workspace.write``.

        Raises:
            ConfigError: this is not the main process, and does not find what that has made.
        """
        if not self.company.main:
            raise ConfigError(
                f"Process {self.company.rank} of {self.company.count} does not find the '{name}' "
                f"that the main process made in {self.workspace.folder}. The run's folder must lie "
                "on a disk that all machines see, and the data be the same on all of them."
            )
        with self.workspace.write(name, self.keys[name], **about) as folder:
            yield folder

    def path(self, name: str) -> Path:
        return self.workspace.path(name)


@dataclass
class Stage:
    """A stage under way.

    Attributes:
        note: what came of it, for the line at its end.
        reused: whether an artefact made earlier was up to date.
        seconds: that it took, once it is over.
    """

    title: str
    observer: Observer
    note: str = ""
    reused: bool = False
    seconds: float = 0.0

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.observer.progressed(self.title, done, total, note)

    def training(self, name: str = "") -> Callable[[int, int, float], None]:
        """A callback for the training driver."""
        return lambda step, steps, loss: self.progress(step, steps, f"{name} loss {loss:.3f}")
