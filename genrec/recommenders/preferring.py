"""A trained recommender learns from preference, in place: cases, draws, training, what it earns."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genrec.data.allowed import AllowedItems
from genrec.data.dataset import Dataset, Holdout
from genrec.data.sequences import History, Sequences
from genrec.decoding.options import DecodeConfig
from genrec.errors import InputError
from genrec.llm.backbone import Backbone
from genrec.recommenders.counts import item_counts
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.history_prompt import HistoryPrompt
from genrec.training.candidates import (
    NO_CANDIDATE,
    CandidateScores,
    Case,
    Draw,
    collate_cases,
)
from genrec.training.fit import FitResult, fit
from genrec.training.grpo import GrpoLearner
from genrec.training.preference import DpoLearner
from genrec.training.preference_options import PreferenceConfig
from genrec.training.reference import Reference
from genrec.training.rewards import item_facts
from genrec.workspace import content_key, write_text

log = logging.getLogger(__name__)

COURSE = "course.json"
# Cases whose draws are measured at a time.
MEASURED = 128


@dataclass(frozen=True)
class Measured:
    """One look at the model while it learns.

    Attributes:
        step: 0 is the start.
        optimised: what is learned from, on validation cases.
        held_out: what is not, on the same cases.
    """

    step: int
    optimised: float
    held_out: float

    def __str__(self) -> str:
        return f"optimised {self.optimised:.4f}, held out {self.held_out:.4f}"


@dataclass
class Course:
    """All looks by their step.

    Attributes:
        alarm: share of the start's rewards by which one may rise and the other fall without a word.
    """

    alarm: float
    measured: dict[int, Measured] = field(default_factory=dict)

    def warning(self, step: int) -> str:
        """What is to be said of a look: "" or that the held-out reward falls as the other rises."""
        start, one = self.measured[min(self.measured)], self.measured[step]
        gained = one.optimised - start.optimised > self.alarm * abs(start.optimised)
        lost = start.held_out - one.held_out > self.alarm * abs(start.held_out)
        if not (gained and lost):
            return ""
        return (
            f"step {step}: the optimised reward rose from {start.optimised:.4f} to "
            f"{one.optimised:.4f} while the held-out one fell from {start.held_out:.4f} to "
            f"{one.held_out:.4f}. This may be reward hacking: lower learning_rate, raise grpo.kl "
            "or dpo.beta, or look at what the rewards pay for."
        )

    @property
    def warnings(self) -> list[str]:
        """Of all looks, oldest first."""
        return [text for step in sorted(self.measured) if (text := self.warning(step))]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        looks = [asdict(self.measured[step]) for step in sorted(self.measured)]
        return {"measured": looks, "warnings": self.warnings}


@dataclass(frozen=True)
class Preferred:
    """What learning did.

    Attributes:
        fitted: of the training driver.
        course: optimised and held-out rewards, step by step.
        invalid: drawn places that held no item or one twice; 0 by construction.
    """

    fitted: FitResult
    course: Course
    invalid: int


class PreferenceCases:
    """Every place in every history as a case; the place of a basket has all its items as targets.

    Args:
        windows: cases of each history, counted from its end; 0 takes all.
    """

    def __init__(self, prompt: HistoryPrompt, sequences: Sequences, *, windows: int = 0) -> None:
        self.prompt, self.sequences = prompt, sequences
        self.spans: list[tuple[int, int, int]] = []
        for user, history in enumerate(sequences):
            count = len(history)
            begins = np.arange(count)
            if history.baskets is not None and count:
                begins = np.flatnonzero(np.append(True, np.diff(history.baskets) != 0))
            ends = np.append(begins[1:], count)
            spans = [
                (user, int(start), int(end))
                for start, end in zip(begins, ends, strict=True)
                if start > 0
            ]
            self.spans += spans[-windows:] if windows else spans

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, index: int) -> Case:
        user, start, end = self.spans[index]
        whole = self.sequences[user]
        history = History(
            whole.items[:start],
            None if whole.times is None else whole.times[:start],
            None if whole.baskets is None else whole.baskets[:start],
            whole.user,
            None if whole.kinds is None else whole.kinds[:start],
        )
        return case_of(self.prompt, history, whole.items[start:end])


def case_of(prompt: HistoryPrompt, history: History, targets: np.ndarray) -> Case:
    """One case."""
    return Case(
        np.asarray(prompt.tokens(history), np.int64),
        np.unique(targets.astype(np.int64)),
        np.unique(history.items.astype(np.int64)),
        prompt.group(history),
    )


def prefer(
    recommender: GenerativeRecommender,
    dataset: Dataset,
    config: PreferenceConfig,
    *,
    watched: Holdout,
    ndcg: Callable[[GenerativeRecommender, Holdout], float],
    folder: Path,
    on_measured: Callable[[Measured, str], None] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Preferred:
    """Trains a recommender's LLM on preference, in place.

    Args:
        dataset: whose histories are learned from.
        watched: cases that are not among them, to measure both rewards on; the weights of the best
            held-out reward stay.
        ndcg: of a recommender on cases.
        folder: for checkpoints; a killed run of the same model, data and options continues there.
        on_measured: told both rewards at the start and at every validation, with a warning or "".

    Raises:
        ConfigError: rewards that the catalogue has no column for.
        InputError: no history has two items, or there is nothing to measure on.
    """
    backbone, prompt = recommender.backbone.eval(), recommender.prompt
    cases = PreferenceCases(prompt, dataset.sequences, windows=config.windows)
    if not len(cases) or not len(watched):
        raise InputError(
            f"There are {len(cases):,} cases to learn from and {len(watched):,} to measure on; "
            "both need histories of at least two items, and validation users of their own."
        )
    learner = learner_for(recommender, dataset, config)
    looked = [
        case_of(prompt, history, targets.items)
        for history, targets in zip(watched.histories, watched.targets, strict=True)
    ]
    job = content_key(
        _weights_hash(backbone),
        dataset.fingerprint,
        asdict(config),
        prompt.template_hash,
        [str(user) for user in watched.histories.users],
        asdict(recommender.config.decode),
    )
    course = _course_before(folder, job, config.alarm)
    latest: list[tuple[float, float]] = []

    def validate() -> float:
        latest[:] = [_rewards(recommender, learner, looked, watched, ndcg)]
        return latest[0][1]

    def note(step: int, _metric: float) -> None:
        course.measured[step] = Measured(step, *latest[0])
        write_text(folder / COURSE, json.dumps({"job": job, **course.to_dict()}, indent=1))
        warning = course.warning(step)
        log.info("step %d: %s", step, course.measured[step])
        if warning:
            log.warning("%s", warning)
        if on_measured is not None:
            on_measured(course.measured[step], warning)

    if not course.measured:
        with torch.no_grad():
            note(0, validate())
    fitted = fit(
        backbone,
        cases,
        collate=collate_cases,
        loss=learner.loss,
        config=config.fit.plain,
        folder=folder,
        validate=validate,
        on_validation=note,
        progress=progress,
        job=job,
        times=config.grpo.updates if config.method == "grpo" else 1,
    )
    recommender.fitted = fitted
    return Preferred(fitted, course, learner.invalid if isinstance(learner, GrpoLearner) else 0)


def learner_for(
    recommender: GenerativeRecommender, dataset: Dataset, config: PreferenceConfig
) -> DpoLearner | GrpoLearner:
    """What turns batches of cases into a loss; the recommender as it is now is its reference.

    Raises:
        ConfigError: rewards that the catalogue has no column for.
    """
    backbone, codes = recommender.backbone, recommender.index.codes
    scores, draw = CandidateScores(recommender.trie, codes), own_items(recommender)
    if config.method == "grpo":
        facts = item_facts(recommender.catalog, codes, config.grpo)
        reference = Reference(backbone) if config.grpo.kl else None
        return GrpoLearner(config.grpo, scores, draw, facts, reference)
    return DpoLearner(config, scores, draw, item_counts(dataset), Reference(backbone))


def own_items(recommender: GenerativeRecommender) -> Draw:
    """Items that the recommender itself finds or draws under its trie, prompts by domain."""

    def draw(
        prompts: Sequence[Sequence[int]],
        groups: np.ndarray,
        n: int,
        rules: AllowedItems,
        *,
        temperature: float | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        backbone, catalog = recommender.backbone, recommender.catalog
        recommender.trie = recommender.trie.to(backbone.device)
        if temperature is None:
            decode = replace(recommender.config.decode, strategy="best", exact=False)
            beams = max(decode.beams, n)
        else:
            decode = DecodeConfig(strategy="sample", temperature=temperature, seed=seed)
            beams = n
        found = np.full((len(prompts), n), NO_CANDIDATE, np.int64)
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            with backbone.in_domains(torch.tensor([[int(group)]])):
                drawn = recommender.search(
                    [prompts[int(row)] for row in rows],
                    recommender.trie,
                    beams=min(beams, len(catalog)),
                    allowed=rules.take(rows),
                    config=decode,
                )
            width = min(n, drawn.items.shape[1])
            found[rows, :width] = drawn.items[:, :width].numpy()
        return found

    return draw


def _rewards(
    recommender: GenerativeRecommender,
    learner: DpoLearner | GrpoLearner,
    looked: Sequence[Case],
    watched: Holdout,
    ndcg: Callable[[GenerativeRecommender, Holdout], float],
) -> tuple[float, float]:
    """The optimised and the held-out reward of the recommender as it is now."""
    backbone = recommender.backbone
    optimised: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for start in range(0, len(looked), MEASURED):
        batch = collate_cases(looked[start : start + MEASURED])
        batch = {name: values.to(backbone.device) for name, values in batch.items()}
        optimised.append(learner.measure(backbone, batch))
        if isinstance(learner, GrpoLearner):
            other = learner.measure_held_out(backbone, batch)
            held_out += [] if other is None else [other]
    own = np.concatenate(optimised)
    mean = float(np.nanmean(own)) if np.isfinite(own).any() else 0.0
    if held_out:
        return mean, float(np.concatenate(held_out).mean())
    return mean, ndcg(recommender, watched)


def _course_before(folder: Path, job: str, alarm: float) -> Course:
    """What an earlier process has measured of the same job."""
    try:
        held = json.loads((folder / COURSE).read_text())
        if held["job"] == job:
            looks = [Measured(**one) for one in held["measured"]]
            return Course(alarm, {one.step: one for one in looks})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Course(alarm)


def _weights_hash(backbone: Backbone) -> str:
    digest = hashlib.sha256()
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            digest.update(name.encode())
            digest.update(parameter.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
