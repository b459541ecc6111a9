"""Generative recommendation: an LLM that speaks your catalogue, and figures that say how well.

::

    genrec
    ├── data            Dataset, Catalog, Item, Interaction, History
    ├── encoders        TextEncoder
    ├── semantic IDs    SemanticIdTokenizer, SemanticIndex
    ├── recommenders    Recommender, Recommendation, GenerativeRecommender,
    │                   Popular, Personal, Habit, Cooccurrence, SASRec
    ├── evaluation      evaluate, Protocol
    ├── runs            Recipe, Workspace
    └── errors          GenrecError: InputError, ConfigError, ArtefactError,
                        MissingExtra, StorageError

Each name is loaded when it is first used, so that ``import genrec`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genrec.data.catalog import Catalog, Item
    from genrec.data.dataset import Dataset, Interaction
    from genrec.data.sequences import History
    from genrec.encoders.text import TextEncoder
    from genrec.errors import (
        ArtefactError,
        ConfigError,
        GenrecError,
        InputError,
        MissingExtra,
        StorageError,
    )
    from genrec.evaluation.evaluate import evaluate
    from genrec.evaluation.protocol import Protocol
    from genrec.recipe import Recipe
    from genrec.recommenders.base import Recommendation, Recommender
    from genrec.recommenders.cooccurrence import Cooccurrence
    from genrec.recommenders.generative import GenerativeRecommender
    from genrec.recommenders.habit import Habit
    from genrec.recommenders.personal import Personal
    from genrec.recommenders.popular import Popular
    from genrec.recommenders.sasrec import SASRec
    from genrec.semantic_ids.index import SemanticIndex
    from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
    from genrec.workspace import Workspace

    __version__: str

__all__ = [
    "ArtefactError",
    "Catalog",
    "ConfigError",
    "Cooccurrence",
    "Dataset",
    "GenerativeRecommender",
    "GenrecError",
    "Habit",
    "History",
    "InputError",
    "Interaction",
    "Item",
    "MissingExtra",
    "Personal",
    "Popular",
    "Protocol",
    "Recipe",
    "Recommendation",
    "Recommender",
    "SASRec",
    "SemanticIdTokenizer",
    "SemanticIndex",
    "StorageError",
    "TextEncoder",
    "Workspace",
    "evaluate",
]

_HOMES = {
    "ArtefactError": "genrec.errors",
    "Catalog": "genrec.data.catalog",
    "ConfigError": "genrec.errors",
    "Cooccurrence": "genrec.recommenders.cooccurrence",
    "Dataset": "genrec.data.dataset",
    "GenerativeRecommender": "genrec.recommenders.generative",
    "GenrecError": "genrec.errors",
    "Habit": "genrec.recommenders.habit",
    "History": "genrec.data.sequences",
    "InputError": "genrec.errors",
    "Interaction": "genrec.data.dataset",
    "Item": "genrec.data.catalog",
    "MissingExtra": "genrec.errors",
    "Personal": "genrec.recommenders.personal",
    "Popular": "genrec.recommenders.popular",
    "Protocol": "genrec.evaluation.protocol",
    "Recipe": "genrec.recipe",
    "Recommendation": "genrec.recommenders.base",
    "Recommender": "genrec.recommenders.base",
    "SASRec": "genrec.recommenders.sasrec",
    "SemanticIdTokenizer": "genrec.semantic_ids.tokenizer",
    "SemanticIndex": "genrec.semantic_ids.index",
    "StorageError": "genrec.errors",
    "TextEncoder": "genrec.encoders.text",
    "Workspace": "genrec.workspace",
    "evaluate": "genrec.evaluation.evaluate",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("genrec")
    if name not in _HOMES:
        raise AttributeError(f"module 'genrec' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
