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
    run: str | Path | Workspace, catalog: Catalog, *, static: bool = False, **options: object
) -> GenerativeRecommender | OnePassRecommender:
    """The recommender of a finished run, on transformers.

    Args:
        static: passes of fixed size, which a GPU replays (``genrec.decoding.static``).

    Raises:
        ArtefactError: the run has no whole recommender.
        ConfigError: an option that there is not, or that does not fit the run.
    """
    if options:
        raise ConfigError(
            f"The back-end 'transformers' has no option '{next(iter(options))}'; there is "
            "'static'. Leave it out."
        )
    if not isinstance(static, bool):
        raise ConfigError(f"static is {static!r}; it is true or false.")
    import torch

    from genrec.decoding.static import StaticSearch
    from genrec.recommenders.generative import GenerativeRecommender
    from genrec.recommenders.one_pass import ABOUT, OnePassRecommender

    folder = Workspace.of(run).open("recommender")
    recommender: GenerativeRecommender | OnePassRecommender
    if (folder / ABOUT).exists():
        if static:
            raise ConfigError(
                "This run predicts all codes in one pass and searches no beams. Leave 'static' out."
            )
        recommender = OnePassRecommender.load(folder, catalog)
        if torch.cuda.is_available():
            recommender.network.cuda()
        return recommender
    recommender = GenerativeRecommender.load(folder, catalog)
    if torch.cuda.is_available():
        recommender.backbone.cuda()
    if static:
        recommender.search = StaticSearch(recommender.backbone)
    return recommender
