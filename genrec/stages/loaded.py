"""A run's folder, opened as a model with its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genrec.llm.text import TextModel
from genrec.serving.loaded import Loaded
from genrec.stages.fused import recommender_in
from genrec.stages.recommend import open_recommender
from genrec.stages.shop import stored_run
from genrec.workspace import content_key


def open_run(
    folder: Path,
    backend: str = "transformers",
    options: Mapping[str, Any] | None = None,
    text_model: TextModel | None = None,
) -> Loaded:
    """The model and the data of a run's folder.

    Args:
        backend: what runs the LLM, with its ``options``.
        text_model: answers chats.

    Raises:
        ArtefactError: an artefact is missing or damaged.
        ConfigError: model, semantic IDs and catalogue do not belong together.
    """
    run = stored_run(folder)
    dataset, recommender = open_recommender(run, backend, options)
    artefacts = run.workspace.run.get("artefacts", {})
    keys = {name: record.get("key") for name, record in artefacts.items()}
    # All that an answer depends on: the same content has the same version wherever it lies.
    made = keys.get(recommender_in(run))
    version = content_key(keys.get("dataset"), made, asdict(run.recipe.decode))
    return Loaded(recommender, dataset, version, text_model)
