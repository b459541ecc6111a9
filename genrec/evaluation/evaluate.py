"""One recommender and its controls on the same cases under one protocol."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genrec.data.allowed import AllowedItems
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import Sequences
from genrec.errors import ConfigError, InputError, nearest
from genrec.evaluation import metrics
from genrec.evaluation.controls import train_control, training_counts
from genrec.evaluation.protocol import Protocol
from genrec.evaluation.report import Comparison, Report, Result
from genrec.evaluation.significance import bootstrap, paired_randomisation
from genrec.evaluation.slices import by_history_length, by_item_popularity
from genrec.recommenders.base import NO_ITEM, Recommender

log = logging.getLogger(__name__)

MAIN_METRIC = "ndcg@10"
USERS_PER_CALL = 256

Progress = Callable[[str, int, int], None]


def evaluate(
    recommender: Recommender,
    test: Holdout,
    *,
    against: Sequence[Recommender | str] = (),
    protocol: Protocol | None = None,
    train: Dataset | None = None,
    cutoffs: Sequence[int] = metrics.CUTOFFS,
    main: str = MAIN_METRIC,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Figures of a recommender beside its controls, with intervals and paired tests.

    Args:
        against: controls, trained ones or names such as ``popular``; names are trained on
            ``train`` under the protocol.
        protocol: the rules; by default those of a plain evaluation on ``test.split``.
        train: everything before the test cases. Needed for controls given by name, for dropping
            cold targets, and for novelty and slices by popularity.
        cutoffs: lengths at which lists are scored.
        main: the metric that decides who wins.
        options: for controls given by name: name -> arguments of its ``train``.
        progress: called with a recommender's name, users ranked so far and users in all.

    Raises:
        InputError: no test case is left, the protocol's split is not that of the cases, or
            ``train`` is missing where it is needed.
        ConfigError: the main metric is none of those measured, or two recommenders share a name.
    """
    protocol = protocol or Protocol(
        split=test.split, beam=recommender.beams, seeds=(recommender.seed,)
    )
    known = [f"{name}@{k}" for name in metrics.ACCURACY for k in cutoffs]
    if main not in known:
        raise ConfigError(f"No metric '{main}'; {nearest(main, known)}")
    if protocol.split != test.split:
        raise InputError(
            f"The protocol says split '{protocol.split}', but the cases come from '{test.split}'. "
            f"Give a protocol with split='{test.split}' or split again."
        )
    named = [control for control in against if isinstance(control, str)]
    if train is None and (named or protocol.drop_cold_targets):
        reason = f"train {', '.join(named)}" if named else "know which targets are cold"
        raise InputError(f"train= is missing, so it is impossible to {reason}. Pass the dataset.")
    counts = None if train is None else training_counts(train, protocol)
    cases, dropped = select_cases(test, protocol, counts)

    contenders = [recommender]
    for control in against:
        if isinstance(control, str):
            assert train is not None
            control = train_control(control, train, protocol, (options or {}).get(control))
        contenders.append(control)
    names = [contender.name for contender in contenders]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"Two recommenders are called '{twice[0]}'. Give each its own .name.")

    results = [
        measure(contender, cases, protocol, counts=counts, cutoffs=cutoffs, progress=progress)
        for contender in contenders
    ]
    slices = by_history_length(cases.histories)
    if counts is not None:
        slices |= by_item_popularity(cases.targets, counts)
    return Report(
        protocol=protocol,
        main=main,
        users=len(cases),
        users_dropped=dropped,
        items=len(test.catalog),
        results=results,
        comparisons=[compare(results[0], control, main) for control in results[1:]],
        slices=slices,
        counts=counts,
    )


def select_cases(
    test: Holdout, protocol: Protocol, counts: np.ndarray | None
) -> tuple[Holdout, int]:
    """The cases with the targets that the protocol keeps, and how many users that leaves out.

    Args:
        counts: training events of each item, shape (items,); needed to tell cold targets.

    Raises:
        InputError: no user has a target left.
    """
    owners = np.repeat(np.arange(len(test)), test.targets.lengths)
    keep = np.ones(len(owners), bool)
    if protocol.drop_cold_targets:
        if counts is None:
            raise InputError("Training counts are missing, so cold targets cannot be dropped.")
        keep &= counts[test.targets.items] > 0
    if protocol.drop_seen_targets:
        items = len(test.catalog)
        readers = np.repeat(np.arange(len(test)), test.histories.lengths)
        seen = readers * items + test.histories.items
        keep &= ~np.isin(owners * items + test.targets.items, seen)
    left = np.bincount(owners[keep], minlength=len(test))
    users = np.flatnonzero(left)
    if not len(users):
        raise InputError(
            f"None of the {len(test)} test users has a target under the protocol ({protocol}). "
            "Drop fewer targets, or check that test and training data belong together."
        )
    targets = test.targets
    kept = Sequences(
        targets.users,
        np.concatenate([[0], np.cumsum(left)]).astype(np.int64),
        targets.items[keep],
        None if targets.times is None else targets.times[keep],
        None if targets.baskets is None else targets.baskets[keep],
        None if targets.kinds is None else targets.kinds[keep],
    )
    return replace(test, targets=kept).take(users), len(test) - len(users)


def measure(
    recommender: Recommender,
    cases: Holdout,
    protocol: Protocol,
    *,
    counts: np.ndarray | None = None,
    cutoffs: Sequence[int] = metrics.CUTOFFS,
    progress: Progress | None = None,
) -> Result:
    """One recommender's figures on these cases, which ``select_cases`` has already narrowed."""
    started = time.perf_counter()
    ranked = rank_cases(recommender, cases, protocol, max(cutoffs), progress)
    seconds = time.perf_counter() - started
    values = metrics.per_user(ranked, cases.targets, cutoffs)
    items, k = len(cases.catalog), 10 if 10 in cutoffs else max(cutoffs)
    exposed = metrics.exposure(ranked, items, k)
    lists = {f"coverage@{k}": metrics.coverage(exposed), f"gini@{k}": metrics.gini(exposed)}
    if counts is not None:
        lists[f"novelty@{k}"] = metrics.novelty(exposed, counts)
    invalid = metrics.invalid_places(ranked, items, NO_ITEM)
    if invalid:
        log.warning("%s returned %d invalid or repeated items", recommender.name, invalid)
    estimates = bootstrap(np.stack(list(values.values()), axis=1), seed=protocol.seeds[0])
    return Result(
        name=recommender.name,
        per_user=values,
        estimates=dict(zip(values, estimates, strict=True)),
        lists=lists,
        invalid=invalid,
        exposed=exposed,
        seconds=seconds,
    )


def rank_cases(
    recommender: Recommender,
    cases: Holdout,
    protocol: Protocol,
    n: int,
    progress: Progress | None = None,
) -> np.ndarray:
    """Ranked lists under the protocol's rules, shape (users, n), int32."""
    ranked = np.full((len(cases), n), NO_ITEM, np.int32)
    for start in range(0, len(cases), USERS_PER_CALL):
        rows = slice(start, min(start + USERS_PER_CALL, len(cases)))
        part = cases.histories[rows]
        if protocol.max_history:
            # The filter looks at the whole history, of which the recommender reads only the end.
            allowed = AllowedItems.of(part, len(cases.catalog), exclude_seen=protocol.exclude_seen)
            ranking = recommender.rank(part.last(protocol.max_history), n, allowed=allowed)
        else:
            ranking = recommender.rank(part, n, exclude_seen=protocol.exclude_seen)
        ranked[rows] = ranking.items
        if progress is not None:
            progress(recommender.name, rows.stop, len(cases))
    return ranked


def compare(ours: Result, control: Result, metric: str) -> Comparison:
    """How far apart two recommenders are on the same users."""
    mine, other = ours.per_user[metric], control.per_user[metric]
    difference = bootstrap((mine - other)[:, None])[0]
    return Comparison(control.name, metric, difference, paired_randomisation(mine, other))
