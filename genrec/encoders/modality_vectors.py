"""The modalities of a catalogue's items side by side, with who has which.

Knows vectors and masks; how they become one vector is for ``concatenation`` and ``fusion``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError, InputError, nearest

# Between a modality and its field, as in ``text.title``.
FIELD = "."


@dataclass(frozen=True, eq=False)
class Modalities:
    """Vectors of the same items, in the same order, from several encoders.

    Attributes:
        vectors: by name. Names such as ``text.title`` and ``text.category`` are fields of one
            modality, ``text``.
    """

    vectors: Mapping[str, ItemVectors]

    def __post_init__(self) -> None:
        if not self.vectors:
            raise InputError("There are no modalities. Give the vectors of at least one.")
        problems = []
        ids = next(iter(self.vectors.values())).item_ids
        for name, one in self.vectors.items():
            if one.item_ids != ids:
                problems.append(f"{name}: its items differ from those of {self.names[0]}")
                continue
            wrong = np.flatnonzero(one.mask & ~np.isfinite(one.vectors).all(axis=1))
            problems += [f"{name}: NaN or infinity for item '{ids[row]}'" for row in wrong]
        if problems:
            raise InputError(
                "The modalities do not fit together. Encode one catalogue with all encoders.",
                problems,
            )

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def item_ids(self) -> tuple[str, ...]:
        return next(iter(self.vectors.values())).item_ids

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.vectors)

    @property
    def groups(self) -> tuple[str, ...]:
        """Modalities without regard to their fields, in order."""
        return tuple(dict.fromkeys(group_of(name) for name in self.names))

    @property
    def dimensions(self) -> dict[str, int]:
        """Length of each modality's vectors."""
        return {name: one.dimensions for name, one in self.vectors.items()}

    @cached_property
    def present(self) -> np.ndarray:
        """Who has what, bool, shape (items, modalities)."""
        return np.stack([one.mask for one in self.vectors.values()], axis=1)

    @property
    def known(self) -> np.ndarray:
        """Items that have any modality at all, bool, shape (items,)."""
        return np.asarray(self.present.any(axis=1))

    def hide(self, groups: Iterable[str]) -> Modalities:
        """The same, as if no item had these modalities; a model's inputs keep their shape.

        Raises:
            ConfigError: there is no such modality.
        """
        hidden = set(groups)
        for name in hidden:
            if name not in (*self.groups, *self.names):
                raise ConfigError(f"There is no modality '{name}'; {nearest(name, self.groups)}")
        return Modalities(
            {
                name: replace(one, mask=np.zeros_like(one.mask))
                if hidden & {name, group_of(name)}
                else one
                for name, one in self.vectors.items()
            }
        )

    def only(self, groups: Iterable[str]) -> Modalities:
        """The same, as if items had these modalities alone."""
        kept = set(groups)
        unknown = sorted(kept - set(self.groups))
        if unknown:
            raise ConfigError(
                f"There is no modality '{unknown[0]}'; {nearest(unknown[0], self.groups)}"
            )
        return self.hide(group for group in self.groups if group not in kept)

    def take(self, rows: np.ndarray) -> Modalities:
        """The items in these rows."""
        return Modalities(
            {
                name: ItemVectors(
                    tuple(one.item_ids[row] for row in rows),
                    one.vectors[rows],
                    one.mask[rows],
                    one.fingerprint,
                )
                for name, one in self.vectors.items()
            }
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of names, vectors and masks."""
        digest = hashlib.sha256()
        for name, one in self.vectors.items():
            digest.update(name.encode())
            digest.update(one.mask.tobytes())
            digest.update(np.ascontiguousarray(one.vectors[one.mask], np.float32).tobytes())
        return digest.hexdigest()[:16]


def group_of(name: str) -> str:
    """The modality that a field belongs to; itself, where it is none."""
    return name.partition(FIELD)[0]
