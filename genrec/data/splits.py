"""Splits: which events are trained on, and which cases are held out.

Whatever the split, a case is one user's history and what followed it, and splitting the training
part again gives validation cases by the same rule. Users keep their numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError, nearest

__all__ = ["hold_out", "split"]

log = logging.getLogger(__name__)

HELD_SHARE = 0.1
"""Share of the events that ``global-time`` holds out."""


def split(data: Dataset, protocol: str) -> tuple[Dataset, Holdout]:
    """What to train on, and the held-out cases.

    - ``last-out``: the target is each user's last event.
    - ``last-basket``: the targets are all items of each user's last basket.
    - ``global-time``: one moment for all, at which nine tenths of the events have passed. A
      user's targets are all events from that moment on, in their order; the history is what the
      user did before, and is not extended by earlier targets. Equal times stay on one side, so
      that coarse clocks hold out more than a tenth.
    - ``published``: the parts that came with the data; first ``test``, then ``validation``. The
      history of a test case includes the user's validation events.

    With the first two, users with nothing before their last event or basket stay in the training
    part alone. With the last two, held events of users without a history are in neither part,
    since training on them would look ahead; their number is logged.

    Raises:
        ConfigError: the data lack what the protocol needs, or there is no such protocol.
        InputError: nothing can be held out.
    """
    rules: dict[str, Callable[[Dataset], np.ndarray]] = {
        "last-out": _last_events,
        "last-basket": _last_baskets,
        "global-time": _latest,
        "published": _latest_part,
    }
    if protocol not in rules:
        raise ConfigError(f"No split '{protocol}'; {nearest(protocol, rules)}")
    if protocol == "published" and data.published:
        return _given(data)
    data.require_events(f"the split '{protocol}'")
    return hold_out(data, rules[protocol](data), protocol)


def hold_out(data: Dataset, held: np.ndarray, protocol: str) -> tuple[Dataset, Holdout]:
    """What is left to train on, and the cases of the events that are held out.

    Args:
        held: of each event, bool, shape (events,).
        protocol: the name that the cases carry.

    Raises:
        InputError: no user has both a history and something held out after it.
    """
    user = data.events["user"].to_numpy()
    targets = np.bincount(user[held], minlength=len(data.users))
    histories = np.bincount(user[~held], minlength=len(data.users))
    cases = (targets > 0) & (histories > 0)
    if not cases.any():
        raise InputError(
            f"The split '{protocol}' of {data.name} holds nothing out: no user has both a history "
            "and something after it. More events for each user are needed, or another split."
        )
    without = int(targets[~cases].sum())
    if protocol in ("last-out", "last-basket"):
        held &= cases[user]
    elif without:
        log.warning(
            "%s, %s: %d held events of %d users without a history are left out",
            data.name,
            protocol,
            without,
            int(((targets > 0) & ~cases).sum()),
        )
    train = replace(data, events=data.events.filter(pl.Series(~held)), published={})
    if protocol == "published" and not (train.events["part"] != "train").any():
        train = replace(train, events=train.events.drop("part"))
    rows = np.flatnonzero(cases)
    later = replace(data, events=data.events.filter(pl.Series(held)))
    holdout = Holdout(
        data.catalog, train.sequences.take(rows), later.sequences.take(rows), protocol
    )
    return train, holdout


def _last_events(data: Dataset) -> np.ndarray:
    user = data.events["user"].to_numpy()
    return np.concatenate([user[1:] != user[:-1], [True]])


def _last_baskets(data: Dataset) -> np.ndarray:
    if "basket" not in data.events.columns:
        raise ConfigError(
            f"{data.name} has no baskets, which the split 'last-basket' needs. "
            "Give a basket_id column, or use 'last-out'."
        )
    sequences: Sequences = data.sequences
    assert sequences.baskets is not None
    filled = sequences.lengths > 0
    last = np.zeros(len(sequences), np.int64)
    last[filled] = sequences.baskets[sequences.offsets[1:][filled] - 1]
    return np.asarray(sequences.baskets == np.repeat(last, sequences.lengths))


def _latest(data: Dataset) -> np.ndarray:
    if "time" not in data.events.columns:
        raise ConfigError(
            f"{data.name} has no times, which the split 'global-time' needs. "
            "Give a time column, or use 'last-out'."
        )
    times = data.events["time"].to_numpy()
    place = min(int(np.ceil(len(times) * (1 - HELD_SHARE))), len(times) - 1)
    return np.asarray(times >= np.partition(times, place)[place])


def _latest_part(data: Dataset) -> np.ndarray:
    if "part" in data.events.columns:
        part = data.events["part"]
        for name in ("test", "validation"):
            if (part == name).any():
                return (part == name).to_numpy()
    raise ConfigError(
        f"{data.name} has no (further) published parts. Use 'last-out', 'last-basket' or "
        "'global-time'."
    )


def _given(data: Dataset) -> tuple[Dataset, Holdout]:
    name = "test" if "test" in data.published else "validation"
    rest = {part: cases for part, cases in data.published.items() if part != name}
    return replace(data, published=rest), data.published[name]
