"""The items' own photographs, cut out once each: what pictures and films are made of."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from genrec.creatives.credentials import Ingredient
from genrec.data.catalog import Catalog, Item
from genrec.data.pictures import open_picture
from genrec.errors import InputError

if TYPE_CHECKING:
    from genrec.creatives.product.cutout import Matting
    from genrec.creatives.product.parts import CutOut

# Cut-outs that are kept: a few megabytes each.
_KEPT = 64


@dataclass
class Photos:
    """Photographs of a catalogue's items; each is read, checked and cut out once.

    Attributes:
        matting: a model that cuts out what has no alpha; ``None`` removes plain backgrounds.
    """

    catalog: Catalog
    matting: Matting | None = None
    _cut: OrderedDict[str, CutOut] = field(default_factory=OrderedDict, repr=False)
    _digests: dict[str, str] = field(default_factory=dict, repr=False)

    def content(self, item: Item) -> bytes:
        """The bytes of an item's photograph.

        Raises:
            InputError: it has none, or it cannot be read.
        """
        if not item.image:
            raise InputError("the item has no photo")
        if self.catalog.media is None:
            raise InputError(
                "the catalogue does not say where its photos lie; name the folder or zip archive "
                "in the recipe: data.options.media"
            )
        try:
            return self.catalog.media.read(item.image)
        except InputError as error:
            raise InputError(f"the photo {item.image} cannot be used: {error}") from error

    def digest(self, item: Item) -> str:
        """SHA-256 of the photograph; of one that cannot be used, of the reason."""
        if item.id not in self._digests:
            try:
                found = self.content(item)
            except InputError as error:
                found = str(error).encode()
            self._digests[item.id] = hashlib.sha256(found).hexdigest()
        return self._digests[item.id]

    def cut_out(self, item: Item) -> CutOut:
        """The product without what stood around it.

        Raises:
            InputError: the photograph is missing, broken, too small or too large, or shows nothing.
        """
        key = self.digest(item)
        if key in self._cut:
            self._cut.move_to_end(key)
            return self._cut[key]
        from genrec.creatives.product import cut_out
        from genrec.creatives.product.photo import read_photo

        content = self.content(item)
        try:
            made = cut_out(read_photo(content), matting=self.matting)
        except InputError as error:
            raise InputError(f"the photo {item.image} cannot be used: {error}") from error
        self._cut[key] = made
        if len(self._cut) > _KEPT:
            self._cut.popitem(last=False)
        return made

    def pixels(self, item: Item) -> np.ndarray | None:
        """The whole photograph, shape (height, width, 3), uint8; None if there is none."""
        try:
            return np.asarray(open_picture(self.content(item)))
        except InputError:
            return None

    def ingredient(self, item: Item) -> Ingredient:
        """The photograph as it is, with whatever credentials it has."""
        return Ingredient(f"photo of {item.id}", self.content(item))
