"""A trained recommender whose LLM runs in vLLM."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from genrec.data.catalog import Catalog
from genrec.decoding.vllm_beam import vllm_beam_search
from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone
from genrec.llm.vllm_engine import VllmEngine
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.one_pass import ABOUT
from genrec.workspace import Workspace, seal_of

log = logging.getLogger(__name__)

MERGED = "merged"


def merged_export(run: str | Path | Workspace) -> Path:
    """The LLM of a finished run as one plain model, made on first use.

    It lies as ``merged`` beside ``recommender``, and is made again when that has changed.

    Args:
        run: the run's folder, or its open workspace.

    Raises:
        ArtefactError: the run has no whole recommender; says what makes it.
        ConfigError: a genrec run writes to the folder at this moment, or its recommender predicts
            all codes in one pass.
    """
    workspace = Workspace.of(run)
    recommender = workspace.open("recommender")
    if (recommender / ABOUT).exists():
        raise ConfigError(
            f"{workspace.folder} predicts all codes in one pass, which vLLM does not run. Take "
            "--backend transformers."
        )
    key = seal_of(recommender)
    if not workspace.is_current(MERGED, key):
        with workspace.lock():
            log.info("Merging the LLM of %s into %s", recommender, workspace.path(MERGED))
            with workspace.write(MERGED, key) as folder:
                Backbone.read(recommender).export_merged(folder)
    return workspace.path(MERGED)


@contextmanager
def vllm_recommender(
    run: str | Path | Workspace, catalog: Catalog, **options: Any
) -> Iterator[GenerativeRecommender]:
    """The recommender of a finished run, run by vLLM until the block ends.

    ::

        with vllm_recommender("runs/quickstart", catalog, max_model_len=1024) as recommender:
            recommender.recommend(history, 10)

    Args:
        run: the run's folder, or its open workspace.
        options: any option of ``vllm.LLM``; see ``VllmEngine``.

    Raises:
        ArtefactError: the run has no whole recommender.
        ConfigError: vLLM does not start with these options, or the run is of another catalogue.
        MissingExtra: vLLM is not installed.
    """
    with VllmEngine(merged_export(run), **options) as engine:
        yield _over(engine, run, catalog)


def open_vllm(
    run: str | Path | Workspace, catalog: Catalog, **options: Any
) -> GenerativeRecommender:
    """As ``vllm_recommender``, without a block: the engine ends when the recommender is let go."""
    engine = VllmEngine(merged_export(run), **options)
    try:
        recommender = _over(engine, run, catalog)
    except BaseException:
        engine.close()
        raise
    weakref.finalize(recommender, engine.close)
    return recommender


def _over(
    engine: VllmEngine, run: str | Path | Workspace, catalog: Catalog
) -> GenerativeRecommender:
    return GenerativeRecommender.load(
        Workspace.of(run).path("recommender"),
        catalog,
        backbone=engine.backbone,
        search=partial(vllm_beam_search, engine),
    )
