"""What a content run leaves to others: what recommends, and fused vectors in place of encoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.storage import read_dataset
from genrec.encoders.base import ItemVectors
from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.stages.run import Run
from genrec.workspace import Workspace, seal_of

CONTENT, FUSED = "content", "fused"


def recommender_in(run: Run) -> str:
    """The artefact of a run that recommends: its LLM, or of a content run what it trained."""
    pretraining = run.recipe.pretrain
    of_content = pretraining is not None and pretraining.content is not None
    return CONTENT if of_content and not run.path("recommender").exists() else "recommender"


def check_fused(recipe: Recipe) -> None:
    """Sees that the run that ``encode.vectors_from`` names has whole vectors, before any work.

    Raises:
        ArtefactError: there is no such folder, or it has no fused vectors, or they are damaged.
    """
    if recipe.encode.vectors_from:
        _folder(recipe.encode.vectors_from)


def take_fused(run: Run, dataset: Dataset) -> ItemVectors:
    """The vectors of ``encode.vectors_from``, kept in the workspace as if they were encoded here.

    The key is of their content, so that they are taken again when that run was trained again.

    Raises:
        ArtefactError: there are none, or they are damaged.
        ConfigError: they are of other items, or were learned from other choices.
    """
    source = str(run.recipe.encode.vectors_from)
    folder = _folder(source)
    run.key("item_vectors", dataset.catalog.fingerprint, FUSED, seal_of(folder))
    with run.stage("Take fused vectors") as stage:
        _check_same(source, run.recipe, dataset)
        stage.reused = run.is_current("item_vectors")
        if stage.reused:
            vectors = ItemVectors.load(run.path("item_vectors") / "vectors")
        else:
            vectors = ItemVectors.load(folder, dataset.catalog)
            with run.write("item_vectors") as place:
                vectors.save(place / "vectors")
        stage.note = f"{len(vectors):,} vectors of {vectors.dimensions} numbers from {source}"
        if missing := int((~vectors.mask).sum()):
            stage.note += f"; {missing:,} items have none"
    return vectors


def _folder(source: str) -> Path:
    """The verified folder of the vectors of a run."""
    then = (
        "Name the folder of a run that fused its items, such as that of "
        "genrec run pretrain/content-next-item"
    )
    if not Path(source).is_dir():
        raise ArtefactError(f"encode.vectors_from is {source}, and there is no such folder. {then}")
    workspace = Workspace(source)
    if not workspace.path(CONTENT).exists():
        raise ArtefactError(
            f"encode.vectors_from is {source}, which has no '{CONTENT}/{FUSED}'. {then}"
        )
    return workspace.open(CONTENT) / FUSED


def _check_same(source: str, recipe: Recipe, dataset: Dataset) -> None:
    """Sees that the vectors are of these items and know nothing of what is held out here."""
    workspace = Workspace(source)
    theirs = read_dataset(workspace.open("dataset"))
    ours, there = _names(dataset.catalog), _names(theirs.catalog)
    if ours != there:
        shared = len(set(ours) & set(there))
        other = ", in another order" if shared == len(ours) == len(there) else ""
        raise ConfigError(
            f"encode.vectors_from is {source}, which has vectors of {len(there):,} items; this "
            f"recipe has {len(ours):,}, and {shared:,} are the same by id and title{other}. Make "
            "the section 'data' of both recipes the same."
        )
    if not _same_choices(dataset, theirs):
        raise ConfigError(
            f"encode.vectors_from is {source}, which learned from {len(theirs):,} events of "
            f"{len(theirs.users):,} users; this recipe has {len(dataset):,} of "
            f"{len(dataset.users):,}, or they are others. What is held out here may have been "
            "learned from there. Make the section 'data' of both recipes the same."
        )
    said = workspace.run.get("recipe", {}).get("evaluate", {}).get("split")
    if said != recipe.evaluate.split:
        raise ConfigError(
            f"encode.vectors_from is {source}, which held out by evaluate.split={said}; this "
            f"recipe does by {recipe.evaluate.split}, so that its test cases were learned from "
            "there. Make them the same."
        )


def _names(catalog: Catalog) -> Sequence[tuple[str, str]]:
    return list(zip(catalog.ids, catalog.table["title"].to_list(), strict=True))


def _same_choices(one: Dataset, other: Dataset) -> bool:
    mine, theirs = one.sequences, other.sequences
    return (
        [str(user) for user in one.users] == [str(user) for user in other.users]
        and np.array_equal(mine.offsets, theirs.offsets)
        and np.array_equal(mine.items, theirs.items)
    )
