"""Attributes of items read from their photos by linear probes, beside plain controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.picture_array import decode_pictures
from genrec.encoders.base import ItemVectors
from genrec.errors import InputError
from genrec.evaluation.probes import colour_histogram, majority, probe, raw_pixels
from genrec.stages.run import Stage

# Pixels that the controls see of a picture's side.
CONTROL_SIDE = 64


@dataclass(frozen=True, eq=False)
class SeenPhotos:
    """Items whose photo could be used, as the tower and the controls see it.

    Attributes:
        items: in the order of the vectors.
        rows: where each stood among the items that were looked at, shape (items,).
        kinds: of vectors: ``tower``, ``raw pixels``, ``colour histogram``, each of shape
            (items, dimensions).
    """

    items: Catalog
    rows: np.ndarray
    kinds: dict[str, np.ndarray]

    def take(self, chosen: np.ndarray) -> SeenPhotos:
        """Those of them that are true in a mask, shape (items,)."""
        kinds = {kind: vectors[chosen] for kind, vectors in self.kinds.items()}
        return SeenPhotos(self.items.take(np.flatnonzero(chosen)), self.rows[chosen], kinds)

    def values(self, attribute: str) -> np.ndarray:
        """What each item's attribute says, as text; empty where it says nothing."""
        return values_of(self.items, attribute)


@dataclass(frozen=True)
class ReadAttributes:
    """How well attributes are read.

    Attributes:
        accuracy: attribute -> kind of vectors, and ``most frequent`` -> share that is right.
        counts: attribute -> items ``learned`` from, items ``guessed``, and of those the share
            ``unknown`` whose value no learned item has: every guess of them is wrong.
    """

    accuracy: dict[str, dict[str, float]]
    counts: dict[str, dict[str, float]]


def values_of(items: Catalog, attribute: str) -> np.ndarray:
    """What each item's attribute says, as text, shape (items,); empty where it says nothing."""
    return np.array(["" if value is None else str(value) for value in items.table[attribute]], str)


def see(items: Catalog, found: ItemVectors, stage: Stage) -> SeenPhotos:
    """The items that have a vector, with the controls' vectors beside it.

    Args:
        found: the tower's vectors of these items.
    """
    pictures = decode_pictures(
        items,
        np.flatnonzero(found.mask),
        side=CONTROL_SIDE,
        progress=lambda done, total: stage.progress(done, total, "controls"),
    )
    kinds = {
        "tower": found.vectors[pictures.rows],
        "raw pixels": raw_pixels(pictures.pixels),
        "colour histogram": colour_histogram(pictures.pixels),
    }
    return SeenPhotos(items.take(pictures.rows), pictures.rows, kinds)


def read_attributes(
    learned: SeenPhotos, guessed: SeenPhotos, attributes: Sequence[str], *, stage: Stage
) -> ReadAttributes:
    """How well linear models of one set of items read the attributes of another.

    Raises:
        InputError: no item with a photo has a value of an attribute, in either set.
    """
    accuracy: dict[str, dict[str, float]] = {}
    counts: dict[str, dict[str, float]] = {}
    for number, name in enumerate(attributes):
        known, wanted = learned.values(name), guessed.values(name)
        train, test = known != "", wanted != ""
        if train.sum() < 2 or not test.any():
            raise InputError(
                f"The attribute '{name}' cannot be probed: {train.sum():,} of {len(known):,} items "
                f"to learn from and {test.sum():,} of {len(wanted):,} to guess have a photo and a "
                "value of it. Leave it out of probes, or fill the column."
            )
        accuracy[name] = {}
        for kind, vectors in learned.kinds.items():
            stage.progress(number, len(attributes), f"probe of {name} from {kind}")
            own = guessed.kinds[kind]
            result = probe(vectors[train], known[train], own[test], wanted[test])
            accuracy[name][kind] = result.accuracy
        accuracy[name]["most frequent"] = majority(known[train], wanted[test])
        counts[name] = {
            "learned": int(train.sum()),
            "guessed": int(test.sum()),
            "unknown": float(1 - np.isin(wanted[test], known[train]).mean()),
        }
    return ReadAttributes(accuracy, counts)
