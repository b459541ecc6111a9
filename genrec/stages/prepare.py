"""The first three stages: tables to a data set, items to vectors, vectors to semantic IDs."""

from __future__ import annotations

from dataclasses import asdict

from genrec.data.dataset import Dataset
from genrec.data.storage import read_dataset, write_dataset
from genrec.encoders.base import ItemVectors
from genrec.encoders.text import TextEncoder
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.stages.run import Run


def load_data(run: Run) -> Dataset:
    """The recipe's data set, cut to its core, kept in the workspace for later commands."""
    options = run.recipe.data
    with run.stage("Load data") as stage:
        dataset = Dataset.load(options.source, **options.options)
        if options.core:
            dataset = dataset.core(options.core, basis=options.core_basis)
        run.key("dataset", dataset.fingerprint, dataset.name)
        stage.reused = run.is_current("dataset")
        if not stage.reused:
            with run.write("dataset") as folder:
                write_dataset(dataset, folder)
        stage.note = (
            f"{len(dataset.users):,} users, {len(dataset.catalog):,} items, {len(dataset):,} events"
        )
    return dataset


def stored_data(run: Run) -> Dataset:
    """The data set that an earlier run left in the workspace."""
    return read_dataset(run.workspace.open("dataset"))


def encode(run: Run, dataset: Dataset) -> ItemVectors:
    """A vector for every item."""
    options = run.recipe.encode
    run.key("item_vectors", dataset.catalog.fingerprint, asdict(options))
    with run.stage("Encode items") as stage:
        stage.reused = run.is_current("item_vectors")
        if stage.reused:
            vectors = ItemVectors.load(run.path("item_vectors") / "vectors")
        else:
            encoder = TextEncoder.from_config(options)
            vectors = encoder.encode(dataset.catalog, progress=stage.progress)
            with run.write("item_vectors") as folder:
                vectors.save(folder / "vectors")
        stage.note = f"{len(vectors.vectors):,} vectors of {vectors.vectors.shape[1]} numbers"
    return vectors


def build_ids(run: Run, dataset: Dataset, vectors: ItemVectors | None) -> SemanticIndex:
    """A semantic ID for every item."""
    options = run.recipe.semantic_ids
    run.key("semantic_ids", run.keys["item_vectors"], asdict(options))
    with run.stage("Build semantic IDs") as stage:
        stage.reused = run.is_current("semantic_ids")
        if stage.reused:
            tokenizer, index = SemanticIdTokenizer.load(run.path("semantic_ids"))
        else:
            tokenizer = SemanticIdTokenizer(options)
            index = tokenizer.fit(dataset.catalog, vectors, progress=stage.progress)
            with run.write("semantic_ids") as folder:
                tokenizer.write(folder, index)
        assert tokenizer.quality is not None
        stage.note = (
            f"{index.levels} levels, {tokenizer.quality.unique_share_before:.0%} unique as "
            f"quantised, {tokenizer.quality.collisions_after} collisions left"
        )
    return index
