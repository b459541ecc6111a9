"""What is said of an item in training: its title, or some of its attributes in changing order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, nearest

KEPT = 0.8
SHUFFLED = 0.3


class Captions:
    """Draws captions of a catalogue's items.

    Args:
        fields: attributes that captions may name.
        title_share: how often the title is taken as it stands.

    Raises:
        ConfigError: the catalogue has no such attribute.
    """

    def __init__(self, catalog: Catalog, fields: Sequence[str], *, title_share: float) -> None:
        unknown = [name for name in fields if name not in catalog.attribute_names]
        if unknown:
            raise ConfigError(
                f"The catalogue has no attribute '{unknown[0]}'; "
                f"{nearest(unknown[0], catalog.attribute_names)}"
            )
        self.titles: list[str] = catalog.table["title"].to_list()
        columns = [catalog.table[name].to_list() for name in fields]
        self._values = [
            [str(value) for value in row if value not in (None, "", [])]
            for row in (zip(*columns, strict=True) if columns else ([] for _ in self.titles))
        ]
        self.title_share = title_share

    def everything(self) -> list[str]:
        """All that captions can say, for a tokenizer to learn its words from."""
        return [*self.titles, *(" ".join(values) for values in self._values if values)]

    def draw(self, position: int, generator: np.random.Generator) -> str:
        """A caption of an item: each attribute is named with probability .8."""
        values = self._values[position]
        if not values or generator.random() < self.title_share:
            return self.titles[position]
        said = [value for value in values if generator.random() < KEPT]
        if generator.random() < SHUFFLED:
            generator.shuffle(said)
        return " ".join(said) or self.titles[position]
