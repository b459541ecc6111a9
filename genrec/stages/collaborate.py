"""What customers chose together, for the stage that builds semantic IDs: training events only."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from genrec.data.dataset import Dataset
from genrec.encoders.base import ItemVectors
from genrec.encoders.collaborative import (
    CollaborativeFusion,
    cooccurrence_vectors,
    event_counts,
)
from genrec.recipe import Recipe
from genrec.semantic_ids.quality import Evidence
from genrec.stages.run import Run, Stage

FUSION = "collaborative.safetensors"
FUSED = "vectors"
# Columns that say what kind of goods an item is, the first that a catalogue has.
_CATEGORIES = ("category", "department", "genre", "genres", "kind", "colour")


def known_events(recipe: Recipe, dataset: Dataset) -> Dataset:
    """The events that semantic IDs may know: neither test nor validation cases are in them.

    A refit trains on the validation cases too, by the same IDs, which do not know them.
    """
    known, _ = dataset.split(recipe.evaluate.split)
    if recipe.train.validate_every:
        known, _ = known.split(recipe.evaluate.split)
    return known


def evidence_of(known: Dataset) -> Evidence:
    """What the IDs are judged by: the catalogue's categories and the known events."""
    names = known.catalog.attribute_names
    column = next((name for name in _CATEGORIES if name in names), None)
    values = [] if column is None else known.catalog.table[column].to_list()
    sequences = known.sequences
    return Evidence(
        [str(value or "") for value in values], sequences.items, np.asarray(sequences.lengths)
    )


def with_collaborative(
    run: Run, known: Dataset, vectors: ItemVectors | None, stage: Stage
) -> tuple[CollaborativeFusion | None, ItemVectors | None]:
    """Vectors with a collaborative part, as the recipe asks, and what joined them."""
    options = run.recipe.semantic_ids.collaborative
    if options is None or vectors is None:
        return None, vectors
    items = len(known.catalog)
    seed = run.recipe.semantic_ids.seed
    if options.signal == "sasrec":
        signal = _sasrec_vectors(run, known, stage)
    else:
        signal = cooccurrence_vectors(
            known.sequences,
            items,
            dimensions=options.dimensions,
            window=options.window,
            seed=seed,
        )
    fusion, fused = CollaborativeFusion.fit(
        vectors.vectors,
        signal,
        event_counts(known.sequences, items),
        weight=options.weight,
        prior=options.prior,
        whiten=options.whiten,
        seed=seed,
    )
    made_of = f"{vectors.fingerprint} {known.fingerprint} {asdict(options)} {seed}"
    return fusion, replace(vectors, vectors=fused, fingerprint=made_of)


def vectors_of_ids(run: Run, vectors: ItemVectors | None) -> ItemVectors | None:
    """The vectors that the run's semantic IDs are made of: these, or those with a second part."""
    folder = run.path("semantic_ids") / FUSED
    return ItemVectors.read(folder) if folder.exists() else vectors


def fused_as_before(
    folder: Path, vectors: ItemVectors | None
) -> tuple[CollaborativeFusion | None, ItemVectors | None]:
    """Vectors of another catalogue as those that earlier codebooks were made of, and the fusion.

    Nobody of the earlier run chose these items, so their collaborative part is foretold.
    """
    path = folder / FUSION
    if vectors is None or not path.exists():
        return None, vectors
    fusion = CollaborativeFusion.read(path)
    return fusion, replace(vectors, vectors=fusion.of(vectors.vectors))


def _sasrec_vectors(run: Run, known: Dataset, stage: Stage) -> np.ndarray:
    """The item embeddings of a SASRec trained on the known events; zeros for items without any."""
    from genrec.recommenders.sasrec import FIT, SASRec

    trained = SASRec.train(
        known,
        fit_config=replace(FIT, validate_every=0, patience=0, seed=run.recipe.semantic_ids.seed),
        folder=run.workspace.folder / "checkpoints" / "sasrec_ids",
        progress=stage.training("the collaborative signal,"),
    )
    table = trained.network.items.weight.detach().float().cpu().numpy()
    # It scores by cosine, so lengths say nothing.
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    unit[event_counts(known.sequences, len(known.catalog)) == 0] = 0
    return np.asarray(unit, np.float32)
