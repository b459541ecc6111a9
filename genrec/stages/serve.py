"""A run's folder in service: opens what lies there and hands it to the HTTP service."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genrec.llm.text import open_text_model
from genrec.recommenders.backends import BACKENDS
from genrec.serving.apart import apart
from genrec.serving.app import create_app
from genrec.serving.batching import Batcher
from genrec.serving.conversation.session_stores import open_sessions
from genrec.serving.edge import Metrics, log_as_json
from genrec.serving.events import open_events
from genrec.serving.heap import freeze_heap, freeze_heap_after
from genrec.serving.keys import KeyFile
from genrec.serving.loaded import Loaded, verified
from genrec.serving.options import ServeConfig
from genrec.serving.server import check_access, run_server
from genrec.serving.service import Service
from genrec.serving.shopfront import Shopfront, ShopfrontOptions
from genrec.stages.chat import SESSIONS, Counter
from genrec.stages.loaded import open_run

log = logging.getLogger(__name__)


def serve(
    folder: Path,
    config: ServeConfig,
    *,
    keys: Path | None = None,
    events: str = "",
    chats: str = "",
    no_auth: bool = False,
    backend: str = "transformers",
    backend_options: Mapping[str, Any] | None = None,
    text: str = "",
) -> None:
    """Serves a run until a signal ends it.

    Args:
        keys: the file of ``genrec keys new``.
        events: URL of the store; a file in the run's folder when empty.
        chats: URL of the store of the page's chats; a file in the run's folder when empty.
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
    store = open_events(events or f"sqlite:///{folder / 'events.sqlite'}")
    counter = Counter(folder, store, kinds=config.kinds)

    def load(other: str | None = None) -> Loaded:
        place = Path(other) if other else folder
        found = open_run(place, backend, backend_options, text_model)
        return replace(found, conversation=counter.conversation(found, place))

    # vLLM starts its processes from the main thread; what computes in this one should not.
    loaded = verified(load()) if backend == "vllm" else apart(lambda: verified(load()))
    metrics = Metrics()
    batcher = Batcher(
        max_batch=config.max_batch,
        max_wait_ms=config.max_wait_ms,
        queue=config.queue,
        watch=metrics.batch,
    )
    service = Service(loaded, store, batcher, load=load, kinds=config.kinds)
    service.forgotten = counter.forgotten
    service.swapped = freeze_heap_after
    shopfront = Shopfront(
        lambda: service.conversation,
        open_sessions(chats or f"sqlite:///{folder / SESSIONS}"),
        ShopfrontOptions(workers=1 if text_model else 2, queue=config.queue),
        forget=counter.forget,
    )
    log.info("The model %s serves %s items", loaded.version, f"{len(loaded.catalog):,}")
    app = create_app(service, config, keys=access, metrics=metrics, shopfront=shopfront)
    freeze_heap()
    run_server(app, service, config)
