"""The rules under which a figure was measured. Two figures compare only under one protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genrec.bounds import outside
from genrec.data.dataset import SPLITS
from genrec.errors import ConfigError, nearest


@dataclass(frozen=True)
class Protocol:
    """Everything that moves a figure and is not the recommender.

    Attributes:
        name: a short handle, such as ``tiger14``.
        split: how test cases are held out, one of ``genrec.data.dataset.SPLITS``.
        refit: whether everything before the test cases is trained on. Without it the validation
            cases choose the number of steps and are read as history, but never trained on.
        exclude_seen: whether items of the user's own history are left out of the lists.
        drop_seen_targets: whether targets that are in the user's history are left out of the test.
        drop_cold_targets: whether targets without training events are left out of the test.
        max_history: last events of a history that a recommender may read; 0 means all. The rules
            about seen items always look at the whole history.
        ties: order of events with equal times.
        collisions: what counts as found where two items share a semantic ID: ``item`` (the item
            itself) or ``code`` (any item with its ID).
        drawn_users: test users that were drawn by the training's seed to be judged; 0: all are.
        beam: beam width of generative recommenders; 0 where none generates.
        seeds: of training; figures of several are means over them.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str = "own"
    split: str = "last-out"
    refit: bool = True
    exclude_seen: bool = False
    drop_seen_targets: bool = False
    drop_cold_targets: bool = False
    max_history: int = 0
    ties: str = "source order"
    collisions: str = "item"
    drawn_users: int = 0
    beam: int = 0
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        problems = []
        if self.split not in SPLITS:
            problems.append(f"there is no split '{self.split}'; {nearest(self.split, SPLITS)}")
        if self.collisions not in ("item", "code"):
            problems.append(f"collisions is '{self.collisions}'; choose item or code")
        problems += outside(self, max_history="[0, inf)", drawn_users="[0, inf)", beam="[0, inf)")
        if not self.seeds:
            problems.append("seeds is empty; give at least one")
        if problems:
            raise ConfigError("The protocol does not fit: " + "; ".join(problems))

    @staticmethod
    def named(name: str) -> Protocol:
        """A protocol of the field by its name.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in PROTOCOLS:
            raise ConfigError(f"No protocol '{name}'; {nearest(name, PROTOCOLS)}")
        return PROTOCOLS[name]

    def __str__(self) -> str:
        dropped = [
            word
            for word, flag in (("seen", self.drop_seen_targets), ("cold", self.drop_cold_targets))
            if flag
        ]
        parts = [
            f"{self.name}: split {self.split}",
            "refit on all but test" if self.refit else "no refit",
            f"seen items {'left out' if self.exclude_seen else 'kept'}",
            f"{' and '.join(dropped)} targets dropped" if dropped else "all targets kept",
            f"history {f'last {self.max_history}' if self.max_history else 'whole'}",
            f"ties in {self.ties}",
            f"hit = same {self.collisions}",
            "full ranking",
            *([f"{self.drawn_users:,} test users drawn"] if self.drawn_users else []),
            *([f"beam {self.beam}"] if self.beam else []),
            f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}",
        ]
        return "; ".join(parts)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("tiger14", refit=False),
        Protocol("refit14", exclude_seen=True, drop_seen_targets=True, drop_cold_targets=True),
        Protocol("last-basket", split="last-basket"),
    )
}
