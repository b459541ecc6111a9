"""The trials of a search, kept in SQLite: which come next, which were broken off, which are over.

A trial that a killed process left behind is taken up again with the same values and in the same
folder, where its training goes on from its checkpoint. Each trial is drawn by a generator of its
own, seeded by how many came before, so that a search that was stopped goes on as if it had never
been.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrec.errors import ArtefactError, ConfigError, MissingExtra, nearest
from genrec.search_space import Choice, Range, SearchSpace

if TYPE_CHECKING:
    import optuna

PRUNERS = ("median", "hyperband", "none")
# Trials that are always trained to their end, for the median to mean something.
UNPRUNED = 4
_FOLDER, _PROBLEM, _SEARCH = "folder", "problem", "search"


@dataclass(frozen=True)
class Ended:
    """A trial that is over.

    Attributes:
        number: 0-based, in the order in which trials began.
        state: ``complete``, ``pruned`` or ``failed``.
        values: of the searched options, by path.
        figures: validation NDCG@10 by step.
        facts: what was kept about it: seconds, best step, trained numbers.
        problem: why it failed.
    """

    number: int
    state: str
    values: dict[str, Any]
    figures: dict[int, float]
    facts: dict[str, Any]
    problem: str = ""

    @property
    def best(self) -> float | None:
        """The best figure; ``None`` without any."""
        return max(self.figures.values(), default=None)


class Study:
    """A search under way. Open it under the lock of its workspace only.

    Args:
        folder: where its SQLite file lies.
        identity: a hash of all that makes figures comparable.
        seed: of the draws.
        pruner: ``median``, ``hyperband`` or ``none``.
        steps: of one trial at most, and between validations, for ``hyperband``.

    Raises:
        MissingExtra: optuna is not installed.
        ConfigError: no such pruner, or the folder holds another search.
        ArtefactError: its file is damaged.
    """

    def __init__(
        self,
        folder: Path,
        space: SearchSpace,
        *,
        identity: str,
        seed: int,
        pruner: str,
        steps: tuple[int, int],
    ) -> None:
        check_pruner(pruner)
        try:
            import optuna
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "genrec":
                raise
            raise MissingExtra(error.name or "optuna", "tune", "A search") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.seed = space, seed
        self._drawn = {path: _distribution(one) for path, one in space.ranges.items()}
        path = folder / "study.sqlite"
        try:
            self._study = optuna.create_study(
                study_name="tune",
                storage=f"sqlite:///{path}",
                direction="maximize",
                pruner=_pruner(pruner, *steps),
                load_if_exists=True,
            )
            known = self._study.user_attrs.get(_SEARCH)
        # Whatever SQLAlchemy says of the file, a user can do the same about it.
        except Exception as error:
            raise ArtefactError(
                f"{path} is no search that can be read ({str(error).splitlines()[0]}). Choose "
                "another folder with --into, or delete it."
            ) from error
        if known not in (None, identity):
            raise ConfigError(
                f"{folder} holds a search with another recipe, other ranges or other data, whose "
                "figures cannot be compared. Choose another folder with --into."
            )
        self._study.set_user_attr(_SEARCH, identity)

    def ended(self) -> list[Ended]:
        """The trials that are over, in the order in which they began."""
        return [_ended(trial) for trial in self._trials() if _is_over(trial)]

    def begin(self, first: Mapping[str, Any]) -> Trial:
        """The next trial: one that was broken off, or a new one.

        Args:
            first: the values of the very first trial, where they lie in the ranges.
        """
        from optuna.samplers import TPESampler

        self._take_up()
        over = len(self.ended())
        if not self._trials() and all(
            first[path] in one for path, one in self.space.ranges.items()
        ):
            self._study.enqueue_trial(
                {path: _stored(one, first[path]) for path, one in self.space.ranges.items()}
            )
        self._study.sampler = TPESampler(seed=self.seed + over)
        asked = self._study.ask(self._drawn)
        folder = asked.user_attrs.get(_FOLDER, asked.number)
        earlier = [
            trial
            for trial in self._trials()
            if trial.number != asked.number
            and trial.user_attrs.get(_FOLDER, trial.number) == folder
        ]
        return Trial(
            self._study,
            asked,
            number=over,
            folder=int(folder),
            values=_values(asked.params),
            earlier={
                step: value for one in earlier for step, value in one.intermediate_values.items()
            },
        )

    def _take_up(self) -> None:
        """Puts trials that nobody works on any more back into the queue."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            folder = trial.user_attrs.get(_FOLDER, trial.number)
            waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            queued = any(one.user_attrs.get(_FOLDER) == folder for one in waiting)
            if set(trial.params) == set(self._drawn) and not queued:
                self._study.enqueue_trial(trial.params, user_attrs={_FOLDER: folder})
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False)


class Trial:
    """One trial under way.

    Attributes:
        number: as ``Ended.number``.
        folder: the number of its folder; that of the trial that it takes up.
        values: of the searched options, by path.
    """

    def __init__(
        self,
        study: optuna.Study,
        trial: optuna.Trial,
        *,
        number: int,
        folder: int,
        values: dict[str, Any],
        earlier: dict[int, float],
    ) -> None:
        self._study, self._trial = study, trial
        self.number, self.folder, self.values = number, folder, values
        self._told: set[int] = set()
        for step, value in sorted(earlier.items()):
            self._tell(step, value)

    def is_hopeless(self, step: int, figure: float) -> bool:
        """Keeps a validation's figure; whether the trial is not worth going on with."""
        self._tell(step, figure)
        return bool(self._trial.should_prune())

    def end(self, state: str, *, problem: str = "", **facts: Any) -> None:
        """Writes down that the trial is over: ``complete``, ``pruned`` or ``failed``."""
        from optuna.trial import TrialState

        for name, value in facts.items():
            self._trial.set_user_attr(name, value)
        if state == "complete":
            figures = self._study.get_trials(deepcopy=False)[self._trial.number].intermediate_values
            self._study.tell(self._trial, max(figures.values()))
        elif state == "pruned":
            self._study.tell(self._trial, state=TrialState.PRUNED)
        else:
            self._trial.set_user_attr(_PROBLEM, problem)
            self._study.tell(self._trial, state=TrialState.FAIL)

    def _tell(self, step: int, figure: float) -> None:
        if step not in self._told:
            self._told.add(step)
            self._trial.report(figure, step)


def _is_over(trial: optuna.trial.FrozenTrial) -> bool:
    # A trial that was broken off has failed too, and says no problem.
    return trial.state.name in ("COMPLETE", "PRUNED") or _PROBLEM in trial.user_attrs


def _ended(trial: optuna.trial.FrozenTrial) -> Ended:
    facts = {k: v for k, v in trial.user_attrs.items() if k not in (_FOLDER, _PROBLEM)}
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    return Ended(
        trial.number,
        names[trial.state.name],
        _values(trial.params),
        dict(sorted(trial.intermediate_values.items())),
        facts,
        trial.user_attrs.get(_PROBLEM, ""),
    )


def _distribution(one: Range) -> optuna.distributions.BaseDistribution:
    from optuna import distributions as kinds

    if isinstance(one, Choice):
        return kinds.CategoricalDistribution([_stored(one, value) for value in one.values])
    if one.whole:
        step = 1 if one.step is None else int(one.step)
        return kinds.IntDistribution(int(one.low), int(one.high), log=one.log, step=step)
    return kinds.FloatDistribution(one.low, one.high, log=one.log, step=one.step)


def _stored(one: Range, value: Any) -> Any:
    """Lists and the like are kept as JSON, which the storage takes."""
    return json.dumps(value) if isinstance(one, Choice) else value


def _values(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        path: json.loads(value) if isinstance(value, str) else value
        for path, value in params.items()
    }


def check_pruner(name: str) -> None:
    """Raises: ConfigError: there is no such pruner."""
    if name not in PRUNERS:
        raise ConfigError(f"pruner is '{name}'; {nearest(name, PRUNERS)}")


def _pruner(name: str, steps: int, every: int) -> optuna.pruners.BasePruner:
    from optuna import pruners

    if name == "median":
        return pruners.MedianPruner(n_startup_trials=UNPRUNED)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=every, max_resource=max(steps, every))
    return pruners.NopPruner()
