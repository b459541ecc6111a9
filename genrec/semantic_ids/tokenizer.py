"""Items -> semantic IDs: quantiser, collision rule, token names; more items later."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from genrec.data.catalog import Catalog
from genrec.data.reading import reading
from genrec.errors import InputError
from genrec.semantic_ids.collisions import append_level, reassign
from genrec.semantic_ids.index import SemanticIndex
from genrec.semantic_ids.options import QUANTIZERS, SemanticIdConfig
from genrec.semantic_ids.quality import Evidence, QualityReport, report_quality
from genrec.semantic_ids.quantizer import Progress, Quantizer
from genrec.workspace import open_artefact, write_artefact

__all__ = ["QUANTIZERS", "SemanticIdTokenizer"]


class SemanticIdTokenizer:
    """Gives every item of a catalogue a unique semantic ID.

    Args:
        config: defaults to ``SemanticIdConfig()``; single options may be given by keyword.
    """

    def __init__(self, config: SemanticIdConfig | None = None, **options: Any) -> None:
        self.config = replace(config or SemanticIdConfig(), **options)
        self.quantizer: Quantizer = QUANTIZERS.load(self.config.quantizer).of(self.config)
        self.quality: QualityReport | None = None

    def fit(
        self,
        catalog: Catalog,
        vectors: Any,
        progress: Progress | None = None,
        *,
        evidence: Evidence | None = None,
        folder: Path | None = None,
    ) -> SemanticIndex:
        """Learns the codebooks and gives each item its semantic ID.

        Args:
            vectors: ``ItemVectors`` or an array, shape (items, dimensions), in catalogue order.
            evidence: what the IDs are judged by, beside the vectors.
            folder: for checkpoints, where learning takes long.

        Raises:
            InputError: the vectors do not fit the catalogue or are not finite.
        """
        values = _values(vectors, len(catalog))
        inputs = self.quantizer.inputs(catalog, values)
        self.quantizer.fit(inputs, seed=self.config.seed, folder=folder, progress=progress)
        return self._identified(catalog, values, evidence)

    def encode(
        self, catalog: Catalog, vectors: Any, *, evidence: Evidence | None = None
    ) -> SemanticIndex:
        """The semantic IDs of another catalogue by these codebooks, which stay as they are.

        Args:
            vectors: by the encoder whose vectors the codebooks were made of.
            evidence: as of ``fit``.

        Raises:
            InputError: the vectors do not fit the catalogue.
        """
        return self._identified(catalog, _values(vectors, len(catalog)), evidence)

    def _identified(
        self, catalog: Catalog, values: np.ndarray, evidence: Evidence | None
    ) -> SemanticIndex:
        inputs = self.quantizer.inputs(catalog, values)
        raw = self.quantizer.encode(inputs)
        index = self._resolved(catalog.ids, inputs, raw, taken=None)
        self._judge(index, raw, values, evidence)
        return index

    def judge(
        self, index: SemanticIndex, catalog: Catalog, vectors: Any, evidence: Evidence | None = None
    ) -> None:
        """Makes the quality report of an index that has grown; arguments as of ``encode``."""
        values = _values(vectors, len(catalog))
        raw = self.quantizer.encode(self.quantizer.inputs(catalog, values))
        self._judge(index, raw, values, evidence)

    def _judge(
        self,
        index: SemanticIndex,
        raw: np.ndarray,
        values: np.ndarray,
        evidence: Evidence | None,
    ) -> None:
        self.quality = report_quality(
            raw,
            index.codes,
            index.codebook_sizes,
            values,
            rebuilt=self.quantizer.rebuilt(raw),
            ordered=self.quantizer.ordered,
            name=self.config.quantizer,
            evidence=evidence,
        )

    def add(self, index: SemanticIndex, catalog: Catalog, vectors: Any) -> SemanticIndex:
        """The index with new items at its end; the old items and the codebooks stay as they are.

        Raises:
            InputError: a new item is in the index already.
        """
        known = set(index.item_ids)
        repeated = [item_id for item_id in catalog.ids if item_id in known]
        if repeated:
            raise InputError("Some new items already have a semantic ID.", repeated)
        inputs = self.quantizer.inputs(catalog, _values(vectors, len(catalog)))
        raw = self.quantizer.encode(inputs)
        new = self._resolved(catalog.ids, inputs, raw, taken=index.codes)
        sizes = tuple(map(max, index.codebook_sizes, new.codebook_sizes))
        codes = np.concatenate([index.codes, new.codes])
        return SemanticIndex([*index.item_ids, *new.item_ids], codes, sizes, index.words)

    def _resolved(
        self, item_ids: list[str], inputs: np.ndarray, raw: np.ndarray, taken: np.ndarray | None
    ) -> SemanticIndex:
        sizes = self.quantizer.codebook_sizes
        if self.config.collisions == "append":
            codes = append_level(raw, taken)
            sizes = (*sizes, max(int(codes[:, -1].max()) + 1, 1))
        else:
            distances = self.quantizer.last_level_distances(inputs, raw)
            codes = reassign(raw, distances, sizes, taken)
        return SemanticIndex(list(item_ids), codes, sizes, self.quantizer.words() or ())

    def save(self, folder: Path, index: SemanticIndex, **about: Any) -> None:
        """Writes codebooks, codes and quality report, as a whole or not at all."""
        with write_artefact(folder, "semantic_ids", **about) as temporary:
            self.write(temporary, index)

    def write(self, folder: Path, index: SemanticIndex) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        save_file(self.quantizer.tensors(), folder / "codebooks.safetensors")
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1))
        if self.quality is not None:
            (folder / "quality.json").write_text(json.dumps(self.quality.to_dict(), indent=1))
        index.write(folder)

    @staticmethod
    def load(folder: Path) -> tuple[SemanticIdTokenizer, SemanticIndex]:
        """Reads what ``save`` wrote.

        Raises:
            ArtefactError: missing, truncated or changed.
        """
        open_artefact(folder, "semantic_ids")
        with reading(folder, "quantiser", then="Build the semantic IDs again."):
            tokenizer = SemanticIdTokenizer(
                SemanticIdConfig.of(json.loads((folder / "config.json").read_text()))
            )
            tokenizer.quantizer.restore(load_file(folder / "codebooks.safetensors"))
            quality = folder / "quality.json"
            if quality.exists():
                tokenizer.quality = QualityReport(**json.loads(quality.read_text()))
        return tokenizer, SemanticIndex.read(folder)


def _values(vectors: Any, items: int) -> np.ndarray:
    values = np.asarray(getattr(vectors, "vectors", vectors), dtype=np.float32)
    if values.ndim != 2 or len(values) != items:
        raise InputError(
            f"There are {items} items but the vectors have shape {values.shape}. "
            "Encode this catalogue again."
        )
    return values
