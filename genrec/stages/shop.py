"""A run as a shop that talks: its recommender, its data, and what finds items by vectors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genrec.data.dataset import Dataset
from genrec.data.sequences import History
from genrec.encoders.finder import Finder
from genrec.errors import ArtefactError, ConfigError, InputError, MissingExtra
from genrec.llm.text import TextModel
from genrec.profiles.storage import Tombstones
from genrec.recipe import Recipe
from genrec.serving.conversation.shop import Shop
from genrec.stages.find import finder_of
from genrec.stages.profile import profiles_of
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Run
from genrec.workspace import Workspace

log = logging.getLogger(__name__)


def open_shop(
    folder: Path,
    *,
    backend: str = "transformers",
    options: Mapping[str, Any] | None = None,
    text_model: TextModel | None = None,
    vectors: bool = True,
) -> Shop:
    """The shop of a finished run; of users who asked to be forgotten it knows nothing.

    Args:
        backend: what runs the LLM of the recommender, with its ``options``.
        text_model: understands what the rules do not.
        vectors: whether wishes without a word of the shop's own are looked for by vectors.

    Raises:
        ArtefactError: an artefact is missing or damaged; says what makes it.
        ConfigError: the folder's parts do not belong together.
    """
    run = stored_run(folder)
    dataset, recommender = open_recommender(run, backend, options)
    gone = set(Tombstones.read(run.workspace).among(dataset.users))
    shop = Shop(
        recommender,
        dataset,
        finder=finder_or_none(run) if vectors else None,
        text_model=text_model,
        histories=_histories(dataset, gone),
        known=profiles_of(run),
    )
    return shop.open()


def training_shop(shop: Shop, training: Dataset) -> Shop:
    """The same shop, that knows no more than this of what was chosen."""
    return replace(shop, dataset=training, histories=None, known=None).open()


def stored_run(folder: Path) -> Run:
    """The run that lies in a folder.

    Raises:
        ArtefactError: none does.
    """
    workspace = Workspace(folder)
    stored = workspace.run.get("recipe")
    if not isinstance(stored, dict):
        raise ArtefactError(
            f"{folder} is no run: it has no recipe in run.json. Make one: "
            f"genrec run RECIPE --into {folder}"
        )
    return Run(Recipe.parse(stored), workspace)


def _histories(dataset: Dataset, gone: set[str]) -> Any:
    rows = {str(user): row for row, user in enumerate(dataset.users) if str(user) not in gone}

    def history(user: str) -> History | None:
        return dataset.sequences[rows[user]] if user in rows else None

    return history


def finder_or_none(run: Run) -> Finder | None:
    """Finds a run's items by vectors; ``None`` where it has none that can be compared."""
    try:
        return finder_of(run)
    except (ArtefactError, ConfigError, InputError, MissingExtra) as error:
        # Words are still looked up; only likeness of meaning is missing.
        log.warning("No vectors to look for wishes by: %s", str(error).splitlines()[0])
        return None
