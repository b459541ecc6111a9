"""One vector for each item beside its codes: what a history is read as, and what is ranked densely.

An item's vector is what a projection makes of its content (text, pictures), plus a learned vector
of its own. The second is left out at random in training, so that an item that nobody has chosen yet
can be ranked by its content alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from genrec.errors import ArtefactError
from genrec.llm.options import ItemTableConfig

FILE = "item_table.safetensors"
# Above every vocabulary, and above the tokens of pictures: token ids from here on are items.
FIRST_ITEM_ID = 1 << 48
# A number by itself moves by no more than the learning rate in a step, which would be too slow.
REPEAT_SCALE = 10.0


class ItemTable(nn.Module):
    """Vectors of all items, and scores of items after a hidden state.

    Args:
        features: content vectors, shape (items, dims), float32; zeros where there is none.
        width: of the LLM.

    Attributes:
        trained: which items were trained on, bool, shape (items,); others have no vector of their
            own.
    """

    features: Tensor
    trained: Tensor

    def __init__(
        self, features: Tensor, width: int, config: ItemTableConfig, *, trained: Tensor
    ) -> None:
        super().__init__()
        # Not called `config`: transformers' Trainer writes into a model's `config`.
        self.settings = config
        items, dims = features.shape
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("trained", trained, persistent=False)
        # Content and own vector start about as long, whatever the scale of the features: 1.
        last = nn.Linear(width, width, bias=False)
        nn.init.normal_(last.weight, std=1.6 / width)
        self.content = nn.Sequential(nn.Linear(dims, width), nn.LayerNorm(width), nn.GELU(), last)
        self.own = nn.Embedding(items, width)
        nn.init.normal_(self.own.weight, std=width**-0.5)
        self.query = nn.Linear(width, width)
        nn.init.eye_(self.query.weight)
        nn.init.zeros_(self.query.bias)
        self.repeated = nn.Parameter(torch.zeros(1), requires_grad=config.repeat)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def repeat(self) -> Tensor:
        """What is added to the score of an item that the history holds, shape ()."""
        return REPEAT_SCALE * self.repeated[0]

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """Vectors of these items, or of all, shape (…, width)."""
        features = self.features if items is None else self.features[items]
        own = self.own.weight if items is None else self.own(items)
        known = self.trained if items is None else self.trained[items]
        if self.training and self.settings.own_dropout:
            # Drawn by item, so that an item is the same wherever it stands in a step.
            if items is None or items.numel() > len(self):
                drawn = torch.rand(len(self), device=own.device)
                drawn = drawn if items is None else drawn[items]
            else:
                drawn = torch.rand(items.shape, device=own.device)
            known = known & (drawn >= self.settings.own_dropout)
        return self.content(features) + own * known[..., None]

    def queries(self, hidden: Tensor) -> Tensor:
        """What hidden states look for: unit vectors over the temperature, shape (…, width)."""
        wanted = self.query(hidden.to(self.query.weight.dtype))
        return functional.normalize(wanted, dim=-1) / self.settings.temperature

    @torch.inference_mode()
    def unit_vectors(self) -> Tensor:
        """Vectors of all items for scoring, shape (items, width), float32."""
        return functional.normalize(self.vectors(), dim=-1)

    def grown(self, features: Tensor, trained: Tensor) -> ItemTable:
        """The table of more items; those of this one keep their vectors.

        Args:
            features: content vectors of all items, the new ones behind.
            trained: which of all items are trained on. One that was not trained on before has a
                vector of its own that starts at zero, so that it is what its content says until
                events say more.
        """
        with torch.random.fork_rng(devices=[]):
            table = ItemTable(features, self.own.weight.shape[1], self.settings, trained=trained)
        state = {name: value.detach().cpu() for name, value in self.state_dict().items()}
        own = torch.zeros(len(features), self.own.weight.shape[1])
        own[: len(self)] = state["own.weight"] * self.trained.cpu()[:, None]
        table.load_state_dict({**state, "own.weight": own})
        return table.train(mode=self.training).to(self.own.weight.device)

    def write(self, folder: Path) -> None:
        """Writes the bare file into a folder that somebody else seals."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.named_tensors()}
        save_file(tensors, folder / FILE)

    def named_tensors(self) -> list[tuple[str, Tensor]]:
        """All that the table is made of, the content vectors included."""
        return [
            ("features", self.features),
            ("trained", self.trained),
            *self.state_dict(keep_vars=True).items(),
        ]

    @staticmethod
    def read(folder: Path, config: ItemTableConfig) -> ItemTable:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: it is missing or damaged.
        """
        try:
            stored = load_file(folder / FILE)
            features, trained = stored.pop("features"), stored.pop("trained")
            table = ItemTable(features, stored["own.weight"].shape[1], config, trained=trained)
            # Tables of earlier versions have a scalar.
            stored["repeated"] = stored["repeated"].reshape(1)
            table.load_state_dict(stored)
        except (OSError, KeyError, RuntimeError, SafetensorError) as error:
            raise ArtefactError(
                f"{folder / FILE} cannot be read ({error}). Train again."
            ) from error
        return table.eval()


def item_ids(items: np.ndarray) -> np.ndarray:
    """Token ids that stand for items of a catalogue, of the same shape, int64."""
    return items.astype(np.int64) + FIRST_ITEM_ID
