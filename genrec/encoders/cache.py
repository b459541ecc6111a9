"""Vectors kept on disk by what they were made from, so that nothing is encoded twice.

One folder for each encoder fingerprint holds shards: safetensors files of keys and vectors that
are written once and never changed. A kill loses at most the shard in the making; two processes
write shards of different names. Knows keys and vectors, not texts or items.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from genrec.shipped import user_cache
from genrec.workspace import storage_errors

log = logging.getLogger(__name__)

KEY_BYTES = 32


def key_of(fingerprint: str, content: bytes) -> bytes:
    """What a vector is kept under: the SHA-256 of its encoder and its content."""
    return hashlib.sha256(fingerprint.encode() + b"\0" + content).digest()


class VectorCache:
    """The vectors that one encoder has made before.

    Args:
        fingerprint: of the encoder.
        dimensions: length of a vector; shards of another length count as damaged.
        folder: where; ``None`` is the user's cache.
    """

    def __init__(self, fingerprint: str, dimensions: int, folder: Path | None = None) -> None:
        self.dimensions = dimensions
        self.folder = (user_cache("vectors") if folder is None else folder) / fingerprint

    def find(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """What is known of these keys.

        Returns:
            Vectors, shape (keys, dimensions), float32, zeros where unknown; and which are known,
            bool, shape (keys,).
        """
        vectors = np.zeros((len(keys), self.dimensions), np.float32)
        known = np.zeros(len(keys), bool)
        if not self.folder.is_dir() or not len(keys):
            return vectors, known
        wanted = _sortable(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES))
        for shard in sorted(self.folder.glob("*.safetensors")):
            if known.all():
                break
            held = self._read(shard)
            if held is None:
                continue
            shard_keys, shard_vectors = held
            order = np.argsort(shard_keys)
            places = np.searchsorted(shard_keys, wanted, sorter=order)
            rows = order[np.minimum(places, len(order) - 1)]
            hits = np.flatnonzero((shard_keys[rows] == wanted) & ~known)
            vectors[hits] = shard_vectors[rows[hits]]
            known[hits] = True
        return vectors, known

    def add(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keeps vectors, shape (keys, dimensions), as one new shard.

        Raises:
            StorageError: the disk is full or cannot be written; earlier shards are untouched.
        """
        if not len(keys):
            return
        tensors: dict[str, np.ndarray] = {
            "keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES),
            "vectors": np.ascontiguousarray(vectors, np.float32),
        }
        name = uuid.uuid4().hex
        temporary = self.folder / f".{name}.new"
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                try:
                    save_file(tensors, temporary, metadata={"sha256": _digest(tensors)})
                except SafetensorError as error:
                    # safetensors wraps the system's error; only its text is left.
                    raise OSError(_errno_of(error), str(error), str(temporary)) from error
                os.replace(temporary, self.folder / f"{name}.safetensors")
            finally:
                temporary.unlink(missing_ok=True)

    def _read(self, shard: Path) -> tuple[np.ndarray, np.ndarray] | None:
        """Keys and vectors of a shard; a damaged one is set aside and gives ``None``."""
        try:
            tensors = load_file(shard)
            with safe_open(shard, framework="numpy") as file:
                digest = (file.metadata() or {}).get("sha256")
            keys, vectors = tensors["keys"], tensors["vectors"]
            if keys.shape != (len(vectors), KEY_BYTES) or vectors.shape[1:] != (self.dimensions,):
                raise ValueError(f"its shapes are {keys.shape} and {vectors.shape}")
            if digest != _digest(tensors):
                raise ValueError("its content has changed")
        except FileNotFoundError:
            return None
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            log.warning(
                "Set aside the damaged shard %s (%s); encoding its texts again", shard, error
            )
            with storage_errors(shard):
                try:
                    os.replace(shard, shard.with_suffix(".damaged"))
                except FileNotFoundError:
                    log.debug("Another process set %s aside first", shard)
            return None
        return _sortable(keys), vectors


def _sortable(keys: np.ndarray) -> np.ndarray:
    # Fixed-length byte strings would drop zeros at their end; plain bytes ("V") cannot be sorted.
    halves = np.ascontiguousarray(keys).view(">u8").astype(np.uint64)
    return np.ascontiguousarray(halves[:, :2]).view([("high", np.uint64), ("low", np.uint64)])[:, 0]


def _digest(tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(tensors["keys"]).tobytes())
    digest.update(np.ascontiguousarray(tensors["vectors"]).tobytes())
    return digest.hexdigest()


def _errno_of(error: SafetensorError) -> int:
    import errno

    return errno.ENOSPC if "os error 28" in str(error) else errno.EACCES
