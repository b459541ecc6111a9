"""New items of an update: their vectors, their semantic IDs, and how the codebooks fit them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.growth import Growth
from genrec.data.left_out import LEFT_OUT, write_left_out
from genrec.encoders.base import ItemVectors, Progress
from genrec.encoders.modalities import encode_modalities, joined
from genrec.errors import ArtefactError, ConfigError
from genrec.evaluation.drift import Fit
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.stages.collaborate import FUSED, FUSION, evidence_of, fused_as_before
from genrec.stages.fused_growth import Fuser
from genrec.stages.prepare import stored_modalities
from genrec.stages.run import Run
from genrec.stages.run_folder import ids_differ


@dataclass(frozen=True)
class GrownVectors:
    """The vectors of all items, the old ones as they were.

    Attributes:
        by_kind: of each kind of content.
        joined: of all kinds together.
    """

    by_kind: Mapping[str, ItemVectors]
    joined: ItemVectors

    def write(self, folder: Path) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        self.joined.save(folder / "vectors")
        for kind, own in self.by_kind.items() if len(self.by_kind) > 1 else ():
            own.save(folder / kind)
        write_left_out(self.joined.problems, folder / LEFT_OUT)


@dataclass(frozen=True)
class GrownIds:
    """The semantic IDs of all items, the old ones as they were.

    Attributes:
        vectors: that a hybrid reads items by.
        made_of: number of items that the codebooks were made of.
        fit: how well they fit the rest.
        source: the folder of the IDs before.
    """

    tokenizer: SemanticIdTokenizer
    index: SemanticIndex
    vectors: ItemVectors
    made_of: int
    fit: Fit
    source: Path

    def write(self, folder: Path) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        self.tokenizer.write(folder, self.index)
        if (self.source / FUSION).exists():
            (folder / FUSION).write_bytes((self.source / FUSION).read_bytes())
        if (self.source / FUSED).exists():
            (folder / FUSED).mkdir()
            self.vectors.write(folder / FUSED)


def grown_vectors(run: Run, growth: Growth, progress: Progress | None = None) -> GrownVectors:
    """Encodes the new items as the old ones were encoded, by the run itself or its content run.

    Args:
        run: of the version in use.

    Raises:
        ConfigError: the encoder is another one now, or see ``Fuser.of``.
    """
    stored = stored_modalities(run)
    before = ItemVectors.load(run.workspace.open("item_vectors") / "vectors", growth.before.catalog)
    new = growth.new_items
    if not len(new):
        return GrownVectors(stored, before)
    if run.recipe.encode.vectors_from:
        fused = Fuser.of(run, growth.before.catalog).fused(new, progress)
        together = _behind(before, fused, new)
        return GrownVectors(dict.fromkeys(stored, together), together)
    found = encode_modalities(run.recipe.encode, new, progress=progress)
    for kind, one in found.items():
        if one.fingerprint != stored[kind].fingerprint:
            raise ConfigError(
                f"The encoder of {kind} is not the one that {run.workspace.folder} was made with: "
                "its weights or its package have changed. Put the old ones back, or run the recipe "
                "on all events into a new folder."
            )
    by_kind = {kind: _behind(stored[kind], found[kind], new) for kind in stored}
    if len(by_kind) == 1:
        return GrownVectors(by_kind, next(iter(by_kind.values())))
    # A missing kind is filled with the mean of all items, so what is new is joined beside the old.
    together = joined(by_kind)
    rows = slice(len(before), len(together))
    mine = ItemVectors(
        together.item_ids[rows],
        together.vectors[rows],
        together.mask[rows],
        before.fingerprint,
        tuple(problem for one in found.values() for problem in one.problems),
    )
    return GrownVectors(by_kind, _behind(before, mine, new))


def check_new_items(run: Run, growth: Growth) -> None:
    """Sees that new items can be encoded, before anything is made.

    Raises:
        ConfigError: see ``Fuser.of``.
    """
    if run.recipe.encode.vectors_from and len(growth.new_items):
        Fuser.of(run, growth.before.catalog)


def _behind(old: ItemVectors, new: ItemVectors, catalog: Catalog) -> ItemVectors:
    return ItemVectors(
        (*old.item_ids, *catalog.ids),
        np.concatenate([old.vectors, new.vectors.astype(np.float32)]),
        np.concatenate([old.mask, new.mask]),
        old.fingerprint,
        (*old.problems, *new.problems),
    )


def grown_ids(run: Run, growth: Growth, vectors: GrownVectors) -> GrownIds:
    """Semantic IDs of the new items by the codebooks there are; taken ones go by the index's rule.

    Args:
        run: of the version in use.
    """
    source = run.workspace.open("semantic_ids")
    if ids_differ(run.workspace):
        raise ArtefactError(
            f"{source} holds other semantic IDs than those that the recommender was trained on: a "
            "run into this folder ended between the two. Run the recipe again into it."
        )
    tokenizer, index = SemanticIdTokenizer.load(source)
    made_of = int(run.workspace.about("semantic_ids").get("made_of", len(index)))
    # Nobody has chosen the new items, so a collaborative part is foretold.
    _, told = fused_as_before(source, vectors.joined)
    assert told is not None
    old, read_by = len(index), vectors.joined
    if len(growth.new_items):
        mine = replace(
            told,
            item_ids=told.item_ids[old:],
            vectors=told.vectors[old:],
            mask=told.mask[old:],
            problems=(),
        )
        index = tokenizer.add(index, growth.new_items, mine)
        if (source / FUSED).exists():
            read_by = _behind(ItemVectors.read(source / FUSED), mine, growth.new_items)
    elif (source / FUSED).exists():
        read_by = ItemVectors.read(source / FUSED)
    catalog = growth.after.catalog
    exact = read_by if (source / FUSED).exists() else told
    tokenizer.judge(index, catalog, exact, evidence_of(growth.before_on(catalog)))
    fit = _fit(tokenizer, growth, told, index)
    return GrownIds(tokenizer, index, read_by, made_of, fit, source)


def _fit(
    tokenizer: SemanticIdTokenizer, growth: Growth, told: ItemVectors, index: SemanticIndex
) -> Fit:
    """How far items lie from what their codes stand for.

    Args:
        told: vectors of all items, a collaborative part foretold for old ones too: only like can be
            compared with like.
    """
    old, quantizer = len(growth.before.catalog), tokenizer.quantizer
    raw = quantizer.encode(quantizer.inputs(growth.after.catalog, told.vectors))
    if tokenizer.config.collisions == "append":
        moved = int((index.codes[old:, -1] > 0).sum())
    else:
        moved = int((index.codes[old:] != raw[old:]).any(axis=1).sum())
    rebuilt = quantizer.rebuilt(raw)
    if rebuilt is None:
        return Fit(np.zeros(0), np.zeros(0), moved)
    far = np.linalg.norm(told.vectors - rebuilt, axis=1)
    return Fit(far[:old], far[old:], moved)
