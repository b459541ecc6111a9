"""A run's folder in service: opens what lies there and hands it to the HTTP service."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from genrec.errors import ArtefactError, ConfigError, MissingExtra, nearest
from genrec.recipe import Recipe
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

BACKENDS = ("transformers", "vllm")


def open_run(folder: Path) -> Loaded:
    """The model and the data of a run's folder.

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
    dataset, recommender = open_recommender(Run(recipe, workspace))
    keys = {name: record.get("key") for name, record in stored.get("artefacts", {}).items()}
    # All that an answer depends on: the same content has the same version wherever it lies.
    version = content_key(keys.get("dataset"), keys.get("recommender"), asdict(recipe.decode))
    return Loaded(recommender, dataset, version)


def serve(
    folder: Path,
    config: ServeConfig,
    *,
    keys: Path | None = None,
    events: str = "",
    no_auth: bool = False,
    backend: str = "transformers",
) -> None:
    """Serves a run until a signal ends it.

    Args:
        keys: the file of ``genrec keys new``.
        events: URL of the store; a file in the run's folder when empty.

    Raises:
        ConfigError: the service would be open to other machines, or an option does not fit.
        ArtefactError: the run is not whole.
    """
    _check_backend(backend)
    log_as_json()
    access = check_access(config, None if keys is None else KeyFile(keys), no_auth=no_auth)
    loaded = open_run(folder)
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
        loaded, store, batcher, load=lambda other: open_run(Path(other) if other else folder)
    )
    log.info("The model %s serves %s items", loaded.version, f"{len(loaded.catalog):,}")
    run_server(create_app(service, config, keys=access, metrics=metrics), service, config)


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ConfigError(f"There is no back-end '{backend}'; {nearest(backend, BACKENDS)}")
    if backend == "vllm":
        from importlib.util import find_spec

        if find_spec("vllm") is None:
            raise MissingExtra("vllm", "vllm", "The back-end 'vllm'")
        raise ConfigError("The back-end 'vllm' is not ready for the service. Leave --backend out.")
