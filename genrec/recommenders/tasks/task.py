"""What every task is: examples of known length, each a row of tokens with its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from genrec.recommenders.tasks.material import Material
from genrec.training.packing import TokenRow


class Task(ABC):
    """A source of training rows (``RowSource``) made of one prompt.

    Attributes:
        name: in recipes.
        prompt: name of its template.
        needs: what the data must have, of those that ``Material.lacks`` knows.
    """

    name: ClassVar[str]
    prompt: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, material: Material) -> None:
        self.material = material
        self.written = material.written(self.prompt, **self.words(material))

    @staticmethod
    def words(_material: Material) -> dict[str, object]:
        """What stands in the template as it is."""
        return {}

    @property
    @abstractmethod
    def token_counts(self) -> np.ndarray:
        """Tokens of each example's row, the same in every epoch, shape (examples,)."""

    @abstractmethod
    def example(self, number: int) -> TokenRow:
        """The row of one example."""

    def row(self, number: int, _epoch: int, /) -> TokenRow:
        """The row of one example in an epoch; the same two give the same row."""
        return self.example(number)
