"""A side road: the instruction that a finished run's LLM does best with, for the next recipe."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError
from genrec.recommenders.instruction import START, Instruction, search_instruction
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.stages.recommend import open_llm
from genrec.stages.run import Run

TEXT = "instruction.txt"


def search_prompt(
    run: Run, *, start: str = START, histories: int = 64, evaluations: int = 200
) -> Instruction:
    """Searches on users' histories before the test, and keeps the result in the workspace.

    ``instruction/instruction.txt`` has the text, ``instruction.json`` its losses beside those of
    the start and of a random search, on the histories searched with and on as many others.

    Args:
        histories: users drawn by the training seed.
        evaluations: loss evaluations of each of the two searches.

    Raises:
        ArtefactError: the run has no whole recommender.
        ConfigError: the start is no plain line of text.
    """
    with run.workspace.lock(), run.stage("Search an instruction") as stage:
        dataset, recommender = open_llm(run)
        if isinstance(recommender, OnePassRecommender):
            raise ConfigError(
                f"{run.workspace.folder} predicts all codes in one pass; instructions are searched "
                "for recommenders that generate them in order."
            )
        training, _ = dataset.split(run.recipe.evaluate.split)
        first, others = _drawn(training, histories, run.recipe.train.seed)
        found = search_instruction(
            recommender,
            training.sequences.take(first),
            training.sequences.take(others),
            start=start,
            evaluations=evaluations,
            seed=run.recipe.train.seed,
            progress=lambda done, total, loss: stage.progress(done, total, f"loss {loss:.4f}"),
        )
        run.key("instruction", run.workspace.run["artefacts"]["recommender"]["key"], start)
        with run.write("instruction") as folder:
            (folder / TEXT).write_text(found.text + "\n", encoding="utf-8")
            (folder / "instruction.json").write_text(json.dumps(asdict(found), indent=1))
        stage.note = f"loss {found.loss['start']:.4f} to {found.loss['found']:.4f}"
    return found


def _drawn(training: Dataset, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of users to search with, and of as many others."""
    long = np.flatnonzero(training.sequences.lengths > 1)
    rows = np.random.default_rng(seed).permutation(long)[: 2 * count]
    half = len(rows) // 2
    return rows[:half], rows[half:]
