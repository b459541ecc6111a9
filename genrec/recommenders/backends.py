"""What runs the LLM of a finished run: transformers in this process, or vLLM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError
from genrec.registry import Entry, Registry
from genrec.workspace import Workspace

if TYPE_CHECKING:
    from genrec.recommenders.generative import GenerativeRecommender
    from genrec.recommenders.one_pass import OnePassRecommender

# Each takes the run's folder or its open workspace, the catalogue and its own options.
BACKENDS = Registry(
    "back-end",
    {
        "transformers": Entry(
            "genrec.recommenders.backends:open_here", "llm", "transformers, in this process"
        ),
        "vllm": Entry(
            "genrec.recommenders.vllm:open_vllm",
            "vllm",
            "vLLM, with its own options; its environment: make install-vllm",
        ),
    },
)


def open_here(
    run: str | Path | Workspace, catalog: Catalog, **options: object
) -> GenerativeRecommender | OnePassRecommender:
    """The recommender of a finished run, on transformers.

    Raises:
        ArtefactError: the run has no whole recommender.
        ConfigError: options were given; it has none.
    """
    if options:
        raise ConfigError(
            f"The back-end 'transformers' has no option '{next(iter(options))}'. Leave it out."
        )
    import torch

    from genrec.recommenders.generative import GenerativeRecommender
    from genrec.recommenders.one_pass import ABOUT, OnePassRecommender

    folder = Workspace.of(run).open("recommender")
    recommender: GenerativeRecommender | OnePassRecommender
    if (folder / ABOUT).exists():
        recommender = OnePassRecommender.load(folder, catalog)
        if torch.cuda.is_available():
            recommender.network.cuda()
        return recommender
    recommender = GenerativeRecommender.load(folder, catalog)
    if torch.cuda.is_available():
        recommender.backbone.cuda()
    return recommender
