"""The plain fusion that needs no training: modalities side by side. A control for learned ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genrec.encoders.base import ItemVectors
from genrec.encoders.modality_vectors import Modalities
from genrec.errors import ConfigError, nearest

# A direction that carries less than this share of the largest variance is noise, not signal.
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Concatenated:
    """Item vectors and what in them was not measured.

    Attributes:
        vectors: one for each item that has any modality; masked where it has none.
        imputed: bool, shape (items, modalities): the item lacked this modality, and its place
            holds the mean of the items that have it.
    """

    vectors: ItemVectors
    imputed: np.ndarray


def concatenate(
    modalities: Modalities, *, weights: Mapping[str, float] | None = None, whiten: bool = False
) -> Concatenated:
    """Each modality at length 1, times its weight, one after the other.

    A missing modality is filled with the mean of those present, the value that says least, and
    flagged.

    Args:
        weights: by modality; 1 where not named.
        whiten: decorrelate each modality and give its directions equal variance first.

    Raises:
        ConfigError: a weight of no modality, or one that is not positive.
    """
    chosen = dict.fromkeys(modalities.names, 1.0)
    for name, weight in (weights or {}).items():
        if name not in chosen:
            raise ConfigError(f"There is no modality '{name}'; {nearest(name, modalities.names)}")
        if not weight > 0:
            raise ConfigError(f"The weight of {name} is {weight}; it must be above 0.")
        chosen[name] = float(weight)
    known = modalities.known
    parts = []
    for name, one in modalities.vectors.items():
        part = np.zeros_like(one.vectors, np.float32)
        if one.mask.any():
            measured = one.vectors[one.mask].astype(np.float64)
            if whiten:
                measured = _whitened(measured)
            measured /= np.maximum(np.linalg.norm(measured, axis=1, keepdims=True), 1e-12)
            part[one.mask] = measured * chosen[name]
            part[known & ~one.mask] = measured.mean(axis=0) * chosen[name]
        parts.append(part)
    digest = hashlib.sha256(modalities.fingerprint.encode())
    digest.update(repr((sorted(chosen.items()), whiten)).encode())
    joined = ItemVectors(
        modalities.item_ids, np.concatenate(parts, axis=1), known, digest.hexdigest()[:16]
    )
    return Concatenated(joined, known[:, None] & ~modalities.present)


def _whitened(vectors: np.ndarray) -> np.ndarray:
    """Centred, with unit covariance in the directions that vary, zero in the others."""
    centred = vectors - vectors.mean(axis=0)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    strong = spread**2 > _SMALLEST * max(float(spread[0]) ** 2, 1e-30)
    out = np.zeros_like(centred)
    out[:, : int(strong.sum())] = left[:, strong] * np.sqrt(len(vectors))
    return out
