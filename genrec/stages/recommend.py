"""Recommendations from a finished workspace, for one user or for a history given by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset
from genrec.data.sequences import History
from genrec.errors import ArtefactError, ConfigError
from genrec.recommenders.backends import BACKENDS
from genrec.recommenders.base import Recommendation, Recommender
from genrec.recommenders.content import ContentRecommender
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.recommenders.reasons import with_reasons
from genrec.stages.fused import CONTENT, recommender_in
from genrec.stages.prepare import stored_data
from genrec.stages.run import Run
from genrec.workspace import Workspace

Trained = GenerativeRecommender | OnePassRecommender


def _check_belongs(workspace: Workspace, made: str = "recommender") -> None:
    # Judged on other data, a model may have been trained on what are now the test cases.
    trained_on = workspace.about(made).get("dataset")
    stored = workspace.run.get("artefacts", {}).get("dataset", {}).get("key")
    if trained_on is not None and trained_on != stored:
        raise ConfigError(
            f"The recommender in {workspace.folder} was trained on other data than lies there now. "
            f"Train it again: genrec run RECIPE --into {workspace.folder}"
        )


@dataclass(frozen=True)
class Shown:
    """Recommendations with the history that they follow from.

    Attributes:
        user: whose; empty for a history given by hand.
        history: titles of what they chose, oldest first.
        before_test: whether what they chose later was left out, to test with.
    """

    user: str
    history: list[str]
    recommendations: list[Recommendation]
    before_test: bool = False


def open_recommender(
    run: Run, backend: str = "transformers", options: Mapping[str, Any] | None = None
) -> tuple[Dataset, Trained | ContentRecommender]:
    """The data set and the trained recommender of a workspace, be it an LLM or a content run's.

    Args:
        backend: what runs the LLM, one of ``BACKENDS``; a content recommender has none to choose.
        options: of the back-end.

    Raises:
        ArtefactError: an artefact is missing or damaged; says what makes it.
        ConfigError: there is no such back-end, or an option does not fit.
        MissingExtra: the back-end is not installed.
    """
    if recommender_in(run) != CONTENT:
        return open_llm(run, backend, options)
    BACKENDS.entry(backend)
    if backend != "transformers" or options:
        raise ConfigError(
            f"{run.workspace.folder} has a content recommender and no LLM that the back-end "
            f"'{backend}' could run, or its options change. Leave back-end and options out."
        )
    folder = run.workspace.open(CONTENT) / "model"
    dataset = stored_data(run)
    _check_belongs(run.workspace, CONTENT)
    recommender = ContentRecommender.load(folder, dataset.catalog)
    recommender.seed = run.recipe.train.seed
    return dataset, recommender


def open_llm(
    run: Run, backend: str = "transformers", options: Mapping[str, Any] | None = None
) -> tuple[Dataset, Trained]:
    """The data set and the trained LLM that recommends of a workspace.

    Args:
        backend: what runs the LLM, one of ``BACKENDS``.
        options: of the back-end.

    Raises:
        ArtefactError: an artefact is missing or damaged; says what makes it.
        ConfigError: there is no such back-end, or an option does not fit.
        MissingExtra: the back-end is not installed.
    """
    opened = BACKENDS.load(backend)
    alone = run.recipe.pretrain or run.recipe.finetune
    if alone and not run.workspace.path("recommender").exists():
        raise ArtefactError(
            f"{run.workspace.folder} is a run of the recipe {run.recipe.name}, which trains no LLM "
            "that recommends. "
            + (
                "Its content recommender can recommend and be served; for this an LLM is needed. "
                * (recommender_in(run) == CONTENT)
            )
            + "Name the run of one that does, such as quickstart."
        )
    dataset = stored_data(run)
    _check_belongs(run.workspace)
    recommender: Trained = opened(
        # As it is open here, whatever version an update puts into use meanwhile.
        run.workspace,
        dataset.catalog,
        **(options or {}),
    )
    recommender.decode_by(run.recipe.decode)
    return dataset, recommender


def recommend(
    recommender: Recommender,
    history: History,
    *,
    n: int,
    user: str = "",
    where: Mapping[str, Any] | None = None,
    exclude_seen: bool = False,
    why: bool = True,
) -> Shown:
    """The n best items after a history that ``where`` allows.

    Args:
        why: with a reason each, from a recommender that has semantic IDs.
    """
    found = recommender.recommend(history, n, where=where, exclude_seen=exclude_seen)
    if why:
        index = getattr(recommender, "index", None)
        found = with_reasons(found, history, recommender.catalog, index)
    titles = [recommender.catalog[int(position)].title for position in history.items]
    return Shown(user, titles, found)


def history_of(dataset: Dataset, item_ids: Sequence[str]) -> History:
    """A history from item ids, oldest first.

    Raises:
        InputError: names every unknown id.
    """
    return History(dataset.catalog.positions(item_ids))


def typical_user(dataset: Dataset) -> str:
    """The user with the median number of events."""
    lengths = dataset.sequences.lengths
    return str(dataset.users[int(np.argsort(lengths, kind="stable")[len(lengths) // 2])])
