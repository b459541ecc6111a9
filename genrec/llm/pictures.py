"""What an LLM sees of items: a few tokens for each picture, computed once and looked up by item.

In a prompt a picture's tokens stand as numbers above the vocabulary; the embedding layer puts the
item's tokens there. A history of twenty pictures runs no tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genrec.data.catalog import Catalog
from genrec.data.left_out import list_left_out, read_left_out
from genrec.data.media import MediaProblem
from genrec.encoders.base import Progress
from genrec.errors import ArtefactError
from genrec.llm.sight import PictureTokenEncoder, projector

FILE = "picture_tokens.safetensors"
# Stands for each token of a picture that is not there.
NO_PICTURE = "<no_picture>"
# Above every vocabulary: token ids from here on are tokens of pictures.
FIRST_ID = 1 << 32


class PictureTokens(nn.Module):
    """The tokens of all items' pictures.

    Args:
        tokens: shape (items, each, width), of the tower (Llava) or of the LLM's own width.
        known: which items have a picture, bool, shape (items,).
        problems: files that were left out, and why.

    Attributes:
        each: tokens of one picture.
    """

    tokens: Tensor
    known: np.ndarray

    def __init__(
        self, tokens: Tensor, known: np.ndarray, problems: Sequence[MediaProblem] = ()
    ) -> None:
        super().__init__()
        self.each = tokens.shape[1]
        self.known, self.problems = known, tuple(problems)
        self.register_buffer("tokens", tokens, persistent=False)

    @staticmethod
    def of(
        model: Any,
        name: str,
        catalog: Catalog,
        each: int,
        *,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> PictureTokens:
        """Looks at every picture of a catalogue, or finds it in the cache.

        Args:
            model: a transformers model that sees, not wrapped by peft.
            name: its folder or name on the hub.

        Raises:
            ConfigError: the model does not see.
            InputError: the catalogue has no pictures.
        """
        encoder = PictureTokenEncoder(model, name, each, cache=cache)
        found = encoder.encode(catalog, progress)
        tokens = torch.from_numpy(found.vectors).unflatten(1, (each, -1))
        return PictureTokens(tokens.to(torch.float16), found.mask, found.problems)

    def ids(self, absent: int) -> np.ndarray:
        """Token ids of each item's picture, shape (items, each), int64.

        Args:
            absent: the id that stands for each token of a picture that is not there.
        """
        numbers = np.arange(len(self.known) * self.each, dtype=np.int64).reshape(-1, self.each)
        return np.where(self.known[:, None], FIRST_ID + numbers, absent)

    def write(self, folder: Path) -> None:
        """Writes the bare files into a folder that somebody else seals."""
        tensors = {"tokens": self.tokens.cpu(), "known": torch.from_numpy(self.known)}
        save_file(tensors, folder / FILE)
        list_left_out(self.problems, folder)

    @staticmethod
    def read(folder: Path) -> PictureTokens:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: it is missing or damaged.
        """
        try:
            stored = load_file(folder / FILE)
            return PictureTokens(stored["tokens"], stored["known"].numpy(), read_left_out(folder))
        except (OSError, KeyError, SafetensorError) as error:
            raise ArtefactError(
                f"{folder / FILE} cannot be read ({error}). Train again."
            ) from error

    def embed(self, model: Any, ids: Tensor, dtype: torch.dtype) -> Tensor:
        """Input embeddings of picture tokens, shape (…, width of the LLM).

        Args:
            model: the transformers model inside any wrapper of peft; a Llava's projector is
                applied, and learns.
            ids: from ``FIRST_ID`` on.
        """
        found = self.tokens.flatten(0, 1)[ids - FIRST_ID]
        join = projector(model)
        if join is None:
            return found.to(dtype)
        # Under peft the module that learns may have other numbers than the one it replaces.
        learned = getattr(join, "modules_to_save", None)
        own = join if learned is None else learned[join.active_adapters[0]]
        return join(found.to(next(own.parameters()).dtype)).to(dtype)
