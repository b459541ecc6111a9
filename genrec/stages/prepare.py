"""The first three stages: tables to a data set, items to vectors, vectors to semantic IDs."""

from __future__ import annotations

from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from genrec.data.catalog import MEDIA_COLUMNS
from genrec.data.dataset import Dataset
from genrec.data.left_out import LEFT_OUT, told, write_left_out
from genrec.data.storage import read_dataset, stored_user_table, write_dataset
from genrec.encoders.base import ItemVectors
from genrec.encoders.loading import model_facts
from genrec.encoders.modalities import encode_modalities, joined, kinds_of
from genrec.encoders.options import EncodeConfig, MediaEncoderConfig
from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.recommenders.groups import PROFILE_SEGMENTS, HistoryGroups
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.stages.collaborate import (
    FUSED,
    FUSION,
    evidence_of,
    fused_as_before,
    known_events,
    with_collaborative,
)
from genrec.stages.encode_parts import OpenEncoders, fill_cache, parts_of
from genrec.stages.fused import FUSED as TAKEN
from genrec.stages.fused import take_fused
from genrec.stages.run import Run
from genrec.workspace import Workspace, seal_of


def load_data(run: Run) -> Dataset:
    """The recipe's data set, cut to its core, kept in the workspace for later commands."""
    options = run.recipe.data
    with run.stage("Load data") as stage:
        dataset = Dataset.load(options.source, **options.options)
        least = (options.min_user or options.core, options.min_item or options.core)
        if any(least):
            # A bound of 1 for the other kind removes only what has no event.
            of_user, of_item = (one or 1 for one in least)
            dataset = dataset.core(
                max(of_user, of_item),
                basis=options.core_basis,
                min_user=of_user,
                min_item=of_item,
            )
        # What the data lack is told before hours of encoding, not behind them.
        if run.recipe.prompt.group_by != PROFILE_SEGMENTS:
            HistoryGroups.of(dataset, run.recipe.prompt.group_by)
        if run.recipe.prompt.features:
            from genrec.llm.side_features import check_features

            check_features(run.recipe.prompt.features, dataset)
        run.key("dataset", dataset.fingerprint, dataset.name, *_beside(dataset))
        stage.reused = run.is_current("dataset") and _same_users(dataset, run.path("dataset"))
        if not stage.reused:
            with run.write("dataset") as folder:
                write_dataset(dataset, folder)
        stage.note = (
            f"{len(dataset.users):,} users, {len(dataset.catalog):,} items, {len(dataset):,} events"
        )
    return dataset


def _beside(dataset: Dataset) -> list[str]:
    """A hash of the tables beside the events, if there are any: no fingerprint has them."""
    digest = sha256()
    for name, table in sorted(dataset.extras.items()):
        digest.update(f"{name}\n{table.write_ndjson()}".encode())
    return [digest.hexdigest()] if dataset.extras else []


def _same_users(dataset: Dataset, folder: Path) -> bool:
    """Whether what is said of the users is what lies there: no key has it."""
    stored = stored_user_table(folder)
    if stored is None or dataset.user_table is None:
        return stored is dataset.user_table
    return stored.equals(dataset.user_table)


def stored_data(run: Run) -> Dataset:
    """The data set that an earlier run left in the workspace."""
    return read_dataset(run.workspace.open("dataset"))


def encode(run: Run, dataset: Dataset) -> ItemVectors:
    """A vector for every item, of all kinds of content that the recipe names, or another run's."""
    options = run.recipe.encode
    if options.vectors_from:
        return take_fused(run, dataset)
    files = {kind: files_of(dataset, kind) for kind in MEDIA_COLUMNS if getattr(options, kind)}
    models = [model_facts(getattr(options, kind).model) for kind in files]
    apart = by_field(run.recipe)
    inputs = [_encoding(options), files, models, *(["by field"] if apart else [])]
    run.key("item_vectors", dataset.catalog.fingerprint, *inputs)
    with run.stage("Encode items") as stage:
        stage.reused = run.is_current("item_vectors")
        if stage.reused:
            vectors = ItemVectors.load(run.path("item_vectors") / "vectors")
        else:
            if run.engine.several:
                fill_cache(
                    parts_of(dataset.catalog, options),
                    OpenEncoders(run.path("dataset").resolve(), options),
                    engine=run.engine.name,
                    workers=run.engine.workers,
                    progress=stage.progress,
                )
            by_kind = encode_modalities(
                options, dataset.catalog, progress=stage.progress, by_field=apart
            )
            vectors = joined(by_kind)
            with run.write("item_vectors") as folder:
                vectors.save(folder / "vectors")
                for kind, own in by_kind.items() if len(by_kind) > 1 else ():
                    own.save(folder / _place(kind))
                write_left_out(vectors.problems, folder / LEFT_OUT)
        stage.note = f"{len(vectors.vectors):,} vectors of {vectors.vectors.shape[1]} numbers"
        stage.note += told(vectors.problems, run.path("item_vectors"))
    return vectors


def by_field(recipe: Recipe) -> bool:
    """Whether each field of the words is encoded by itself, for hierarchical fusion to pool."""
    content = None if recipe.pretrain is None else recipe.pretrain.content
    hierarchical = content is not None and content.fusion.kind == "hierarchical"
    return hierarchical and bool(recipe.encode.fields)


def _place(kind: str) -> str:
    """The name of a folder; a field may be named with any character."""
    return quote(kind, safe="")


def _encoding(options: EncodeConfig) -> dict[str, Any]:
    """The options that say how items are encoded; where else vectors come from does not."""
    return {name: value for name, value in asdict(options).items() if name != "vectors_from"}


def stored_modalities(run: Run) -> dict[str, ItemVectors]:
    """The vectors of each kind of content that ``encode`` left in the workspace, by kind."""
    folder = run.workspace.open("item_vectors")
    options = run.recipe.encode
    if options.vectors_from:
        return {TAKEN: ItemVectors.load(folder / "vectors")}
    kinds = kinds_of(options, by_field=by_field(run.recipe))
    if len(kinds) == 1:
        return {kinds[0]: ItemVectors.load(folder / "vectors")}
    return {kind: ItemVectors.load(folder / _place(kind)) for kind in kinds}


def seeing_by_own_tower(run: Run, tower: Path) -> Run:
    """The run with pictures encoded by a tower that it trained, which no option of it names."""
    image = MediaEncoderConfig(model=str(tower))
    recipe = run.recipe.model_copy(update={"encode": replace(run.recipe.encode, image=image)})
    return replace(run, recipe=recipe)


def files_of(dataset: Dataset, kind: str) -> str:
    """What the items' files of one kind are now, as a hash."""
    media = dataset.catalog.media
    return "" if media is None else media.fingerprint(dataset.catalog.files(kind))


def build_ids(run: Run, dataset: Dataset, vectors: ItemVectors | None) -> SemanticIndex:
    """A semantic ID for every item, by codebooks of its own or of the run to start from."""
    options = run.recipe.semantic_ids
    earlier = options.codebooks_from or run.recipe.llm.start_from
    known = known_events(run.recipe, dataset)
    inputs = [run.keys["item_vectors"], asdict(options), known.fingerprint]
    if earlier:
        inputs.append(seal_of(_codebooks(run, earlier)))
    run.key("semantic_ids", *inputs)
    with run.stage("Build semantic IDs") as stage:
        stage.reused = run.is_current("semantic_ids")
        if stage.reused:
            tokenizer, index = SemanticIdTokenizer.load(run.path("semantic_ids"))
        else:
            evidence = evidence_of(known)
            if earlier:
                folder = _codebooks(run, earlier)
                tokenizer, _ = SemanticIdTokenizer.load(folder)
                fusion, values = fused_as_before(folder, vectors)
                index = tokenizer.encode(dataset.catalog, values, evidence=evidence)
            else:
                fusion, values = with_collaborative(run, known, vectors, stage)
                tokenizer = SemanticIdTokenizer(options)
                index = tokenizer.fit(
                    dataset.catalog,
                    values,
                    progress=stage.progress,
                    evidence=evidence,
                    folder=run.workspace.folder / "checkpoints" / "semantic_ids",
                )
            with run.write("semantic_ids") as folder:
                tokenizer.write(folder, index)
                if fusion is not None and values is not None:
                    fusion.write(folder / FUSION)
                    (folder / FUSED).mkdir()
                    values.write(folder / FUSED)
        assert tokenizer.quality is not None
        stage.note = (
            f"{index.levels} levels, {tokenizer.quality.unique_share_before:.0%} unique as "
            f"quantised, {tokenizer.quality.collisions_after} collisions left"
        )
    return index


def _codebooks(run: Run, earlier: str) -> Path:
    """The semantic IDs of an earlier run that encoded its items as this one does."""
    workspace = Workspace(earlier)
    try:
        folder = workspace.open("semantic_ids")
    except ArtefactError as error:
        if workspace.path("semantic_ids").exists():
            raise
        own = run.recipe.semantic_ids.codebooks_from
        raise ArtefactError(
            f"{'semantic_ids.codebooks_from' if own else 'llm.start_from'} is {earlier}, which has "
            "no semantic IDs. Name the folder of a run that trained a recommender."
        ) from error
    theirs = _of_vectors(workspace.run.get("recipe", {}).get("encode"))
    ours = _of_vectors(run.recipe.model_dump(mode="json")["encode"])
    if theirs != ours:
        raise ConfigError(
            f"The codebooks of {earlier} were made of vectors by {theirs}; this recipe encodes by "
            f"{ours}. Make the section 'encode' the same."
        )
    return folder


def _of_vectors(options: Any) -> Any:
    """What of the options of encoding decides a vector: how many go at a time does not."""
    if not isinstance(options, dict):
        return options
    pace = ("batch_size", "workers")
    named = {name: value for name, value in options.items() if value is not None}
    return {name: _of_vectors(value) for name, value in named.items() if name not in pace}
