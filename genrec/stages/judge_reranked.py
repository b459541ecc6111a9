"""A run's lists beside the same lists in the order of an LLM: does it better the given one?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from genrec.evaluation.evaluate import evaluate
from genrec.evaluation.report import Report
from genrec.llm.text import open_text_model
from genrec.recommenders.options import RerankConfig
from genrec.recommenders.reranker import Reranker
from genrec.stages.judge import check_held_out, protocol
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Observer
from genrec.stages.shop import stored_run


def judge_reranked(
    folder: Path,
    model: str,
    *,
    config: RerankConfig | None = None,
    users: int = 100,
    observer: Observer | None = None,
) -> Report:
    """Figures of an LLM's order beside those of the order that it was given, with a paired test.

    Args:
        model: a text model, as ``open_text_model`` takes it.
        users: test users at most, drawn by the recommender's seed.

    Raises:
        ArtefactError: the run has no recommender.
        ConfigError: there is no such model, or an update trained on the test cases.
    """
    run = stored_run(folder)
    run.observer = observer or Observer()
    check_held_out(run)
    dataset, inner = open_recommender(run)
    training, test = dataset.split(run.recipe.evaluate.split)
    rows = np.random.default_rng(inner.seed).permutation(len(test))[:users]
    with run.stage("Open the text model"):
        reranker = Reranker(inner, open_text_model(model), config)
    with run.stage("Judge the order") as stage:
        report = evaluate(
            reranker,
            test.take(np.sort(rows)),
            against=[inner],
            protocol=replace(
                protocol(run),
                name="reranked",
                beam=inner.beams,
                drawn_users=len(rows) if len(rows) < len(test) else 0,
            ),
            train=training,
            progress=lambda _, done, total: stage.progress(done, total),
        )
        stage.note = f"{len(rows):,} users"
    return report
