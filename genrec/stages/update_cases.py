"""What an update trains on, and the cases that it is judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from genrec.data.dataset import Dataset, Holdout
from genrec.data.growth import Growth
from genrec.data.splits import hold_out
from genrec.errors import InputError
from genrec.evaluation.evaluate import select_cases
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.update_options import UpdateConfig
from genrec.recommenders.counts import item_counts

NEW, OTHERS = "new events", "other users"


@dataclass(frozen=True)
class Material:
    """An update's events, divided.

    Attributes:
        training: everything that may be trained on, in the numbers of the grown data set.
        users: rows of ``training`` to train on: those with new events, and the replay.
        windows: of each history.
        cases: held-out cases by name: of new events, and of users without any.
    """

    training: Dataset
    users: np.ndarray
    windows: int
    cases: dict[str, Holdout]


def divided(growth: Growth, protocol: Protocol, options: UpdateConfig, history: int) -> Material:
    """Splits as the recipe does, so that what was held out before stays held out.

    Where the recipe splits by time, the newest share of the new events is held out instead of the
    last tenth of all.

    Args:
        history: events of a training window.

    Raises:
        InputError: no new event can be held out, or there is nothing to train on.
    """
    training, test = _split(growth, protocol.split, options)
    numbers = {str(user): row for row, user in enumerate(growth.after.users)}
    owners = np.array([numbers[str(user)] for user in test.targets.users], np.int64)
    held = _fresh_targets(growth, owners, test.targets.lengths)
    counts = item_counts(training)
    cases = {}
    for name, rows in ((NEW, held > 0), (OTHERS, growth.fresh_counts[owners] == 0)):
        found = _drawn(test.take(np.flatnonzero(rows)), protocol, counts, options)
        if found is not None:
            cases[name] = found
    if NEW not in cases:
        raise InputError(
            "None of the new events can be held out to judge by: their users have nothing before "
            "them, or the protocol drops the targets. Collect more events and update then."
        )
    left = growth.fresh_counts.copy()
    left[owners] -= held
    return Material(training, *_rows(training, left, growth, options, history), cases)


def _split(growth: Growth, split: str, options: UpdateConfig) -> tuple[Dataset, Holdout]:
    if split != "global-time":
        return growth.after.split(split)
    times = growth.after.events["time"].to_numpy()
    moment = np.quantile(times[growth.fresh], 1 - options.held, method="higher")
    # Late events were kept in their place: what came after them is known, and no history.
    moment = max(moment, times[~growth.fresh].max(initial=moment))
    return hold_out(growth.after, growth.fresh & (times >= moment), split)


def _fresh_targets(growth: Growth, owners: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """How many of each case's targets are new events, shape (cases,); targets end a history."""
    ends = growth.after.sequences.offsets[1:][owners]
    running = np.concatenate([[0], np.cumsum(growth.fresh)])
    return np.asarray(running[ends] - running[ends - lengths])


def _drawn(
    cases: Holdout, protocol: Protocol, counts: np.ndarray, options: UpdateConfig
) -> Holdout | None:
    if not len(cases):
        return None
    try:
        kept, _ = select_cases(cases, protocol, counts)
    except InputError:
        return None
    if not 0 < options.cases < len(kept):
        return kept
    rows = np.random.default_rng(options.seed).permutation(len(kept))[: options.cases]
    return kept.take(np.sort(rows))


def _rows(
    training: Dataset, left: np.ndarray, growth: Growth, options: UpdateConfig, history: int
) -> tuple[np.ndarray, int]:
    """Users to train on, and how many windows of each."""
    long_enough = training.sequences.lengths > 1
    # A user whose only new event is held out still brings what was held out before.
    touched = np.flatnonzero((growth.fresh_counts > 0) & long_enough)
    if not len(touched):
        raise InputError(
            "There is nothing to train on: no user with new events has two events before those "
            "that are held out. Collect more events and update then."
        )
    others = np.flatnonzero((growth.fresh_counts == 0) & long_enough)
    wanted = min(len(others), round(len(touched) * options.replay / (1 - options.replay)))
    replay = np.random.default_rng(options.seed).choice(others, wanted, replace=False)
    windows = max(1, math.ceil(float(np.quantile(left[touched], 0.9)) / history))
    return np.sort(np.concatenate([touched, replay])), windows


def with_steps(options: UpdateConfig, packs: int, batch_size: int) -> UpdateConfig:
    """The options with the steps that their passes need."""
    if options.steps:
        return options
    return replace(options, steps=max(1, math.ceil(options.passes * packs / batch_size)))
