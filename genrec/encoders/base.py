"""The one interface of everything that turns items into vectors."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from genrec.data.catalog import Catalog
from genrec.data.media import MediaProblem
from genrec.data.reading import reading
from genrec.errors import ArtefactError, InputError
from genrec.workspace import open_artefact, write_artefact

KIND = "item_vectors"
_FILE = "vectors.safetensors"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class ItemVectors:
    """One vector for each item of a catalogue, in its order.

    Attributes:
        item_ids: ids by row.
        vectors: shape (items, dimensions), float32; zeros where the item has nothing to encode.
        mask: which items have a vector, bool, shape (items,).
        fingerprint: of the encoder that made them.
        problems: files that were left out, and why; their items have no vector.
    """

    item_ids: tuple[str, ...]
    vectors: np.ndarray
    mask: np.ndarray
    fingerprint: str
    problems: tuple[MediaProblem, ...] = ()

    def __post_init__(self) -> None:
        items = len(self.item_ids)
        if self.vectors.ndim != 2 or len(self.vectors) != items or self.mask.shape != (items,):
            raise InputError(
                f"Item vectors do not fit: {items} ids, vectors of shape {self.vectors.shape}, "
                f"mask of shape {self.mask.shape}. All three need one row for each item."
            )

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def save(self, folder: Path) -> None:
        """Writes a folder, as a whole or not at all."""
        with write_artefact(folder, KIND) as temporary:
            self.write(temporary)

    def write(self, folder: Path) -> None:
        """Writes the bare file into a folder that somebody else seals."""
        # Ids may hold any character; their lengths cut them out of one run of bytes.
        encoded = [item_id.encode() for item_id in self.item_ids]
        tensors = {
            "vectors": np.ascontiguousarray(self.vectors, np.float32),
            "mask": np.ascontiguousarray(self.mask, np.bool_),
            "id_bytes": np.frombuffer(b"".join(encoded), np.uint8),
            "id_lengths": np.array([len(part) for part in encoded], np.int64),
        }
        listed = [[one.item_id, one.file, one.problem] for one in self.problems]
        about = {"fingerprint": self.fingerprint, "problems": json.dumps(listed)}
        save_file(tensors, folder / _FILE, metadata=about)

    @staticmethod
    def load(folder: Path, catalog: Catalog | None = None) -> ItemVectors:
        """Reads what ``save`` wrote.

        Args:
            catalog: whose items the vectors must be, in this order.

        Raises:
            ArtefactError: missing, truncated, tampered with, or of another catalogue.
        """
        open_artefact(folder, KIND)
        return ItemVectors.read(folder, catalog)

    @staticmethod
    def read(folder: Path, catalog: Catalog | None = None) -> ItemVectors:
        """Reads what ``write`` wrote into a folder that has been verified."""
        from safetensors import safe_open

        with reading(folder / _FILE, "vectors", then=f"Delete {folder} and encode again."):
            tensors = load_file(folder / _FILE)
            with safe_open(folder / _FILE, framework="numpy") as file:
                about = file.metadata() or {}
            problems = tuple(MediaProblem(*one) for one in json.loads(about.get("problems", "[]")))
            ends = np.cumsum(tensors["id_lengths"])
            raw = tensors["id_bytes"].tobytes()
            starts = ends - tensors["id_lengths"]
            ids = tuple(raw[a:b].decode() for a, b in zip(starts, ends, strict=True))
            found = ItemVectors(
                ids, tensors["vectors"], tensors["mask"], about["fingerprint"], problems
            )
        if catalog is not None and found.item_ids != tuple(catalog.ids):
            raise ArtefactError(
                f"{folder} holds the vectors of {len(found)} other items than the catalogue's "
                f"{len(catalog)}, or in another order. Encode this catalogue again."
            )
        return found


class Encoder(ABC):
    """Turns each item of a catalogue into a vector.

    Attributes:
        name: as written in a recipe.
    """

    name: str

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything but the item that decides its vector."""

    @abstractmethod
    def encode(self, catalog: Catalog, progress: Progress | None = None) -> ItemVectors:
        """One vector for each item, in the catalogue's order.

        Args:
            progress: called with items done and items in all.

        Returns:
            Vectors that depend on the item alone, up to rounding.
        """
