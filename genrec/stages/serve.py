"""A run's folder in service: opens what lies there and hands it to the HTTP service."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genrec.errors import ArtefactError
from genrec.llm.text import TextModel, open_text_model
from genrec.recipe import Recipe
from genrec.recommenders.backends import BACKENDS
from genrec.serving.app import create_app
from genrec.serving.batching import Batcher
from genrec.serving.edge import Metrics, log_as_json
from genrec.serving.events import open_events
from genrec.serving.keys import KeyFile
from genrec.serving.options import ServeConfig
from genrec.serving.server import check_access, run_server
from genrec.serving.service import Loaded, Service
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Run
from genrec.workspace import Workspace, content_key

log = logging.getLogger(__name__)


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
    workspace = Workspace(folder)
    stored = workspace.run
    if not isinstance(stored.get("recipe"), dict):
        raise ArtefactError(
            f"{folder} is no run: it has no recipe in run.json. Make one: "
            f"genrec run RECIPE --into {folder}"
        )
    recipe = Recipe.parse(stored["recipe"])
    dataset, recommender = open_recommender(Run(recipe, workspace), backend, options)
    keys = {name: record.get("key") for name, record in stored.get("artefacts", {}).items()}
    # All that an answer depends on: the same content has the same version wherever it lies.
    version = content_key(keys.get("dataset"), keys.get("recommender"), asdict(recipe.decode))
    return Loaded(recommender, dataset, version, text_model)


def serve(
    folder: Path,
    config: ServeConfig,
    *,
    keys: Path | None = None,
    events: str = "",
    no_auth: bool = False,
    backend: str = "transformers",
    backend_options: Mapping[str, Any] | None = None,
    text: str = "",
) -> None:
    """Serves a run until a signal ends it.

    Args:
        keys: the file of ``genrec keys new``.
        events: URL of the store; a file in the run's folder when empty.
        backend: what runs the LLM of the recommender, with its ``backend_options``.
        text: answers chats: a model's name, or ``openai:NAME`` for a server; empty for none.

    Raises:
        ConfigError: the service would be open to other machines, or an option does not fit.
        ArtefactError: the run is not whole.
    """
    BACKENDS.entry(backend)
    if backend == "vllm":
        # In processes of its own, so that the old model's end leaves the new one alone.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    log_as_json()
    access = check_access(config, None if keys is None else KeyFile(keys), no_auth=no_auth)
    text_model = open_text_model(text) if text else None
    loaded = open_run(folder, backend, backend_options, text_model)
    loaded.verify()
    metrics = Metrics()
    store = open_events(events or f"sqlite:///{folder / 'events.sqlite'}")
    batcher = Batcher(
        max_batch=config.max_batch,
        max_wait_ms=config.max_wait_ms,
        queue=config.queue,
        watch=metrics.batch,
    )
    service = Service(
        loaded,
        store,
        batcher,
        load=lambda other: open_run(
            Path(other) if other else folder, backend, backend_options, text_model
        ),
        kinds=config.kinds,
    )
    log.info("The model %s serves %s items", loaded.version, f"{len(loaded.catalog):,}")
    run_server(create_app(service, config, keys=access, metrics=metrics), service, config)
