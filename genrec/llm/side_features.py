"""What is known of an event beside its item: embeddings that are added to the item's last token.

In a prompt the buckets of an event stand in the upper bits of a token's number, so packing, batches
and beams know nothing of them, as they know nothing of pictures. They stand at the last token of an
item, which is read when the item is known: no code of it can be guessed from its own price.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genrec.data.dataset import Dataset
from genrec.data.sequences import EVENT_KINDS, History
from genrec.errors import ArtefactError, ConfigError
from genrec.llm.options import SIDE_FEATURES

FILE = "side_features.safetensors"
# Above the numbers of pictures and items; 11 bits are left below the sign.
SHIFT = 52
UNKNOWN = 0
# Bounds of time gaps in seconds: a minute, then four times as long each.
GAPS = 60 * 4 ** np.arange(13, dtype=np.int64)
PRICES = 7
# Of gap, price and kind, in this order, the unknown one included.
BUCKETS = {"gap": len(GAPS) + 2, "price": PRICES + 1, "kind": len(EVENT_KINDS) + 1}


def check_features(names: Sequence[str], dataset: Dataset) -> None:
    """Sees that the data have what an LLM is to read of events.

    Raises:
        ConfigError: names each feature that they lack.
    """
    table, sequences = dataset.catalog.table, dataset.sequences
    priced = "price" in table and bool(np.isfinite(table["price"].to_numpy()).any())
    there = {
        "gap": (sequences.times is not None, f"the events of {dataset.name} have no times"),
        "price": (priced, "no item of the catalogue has a price"),
        "kind": (sequences.kinds is not None, f"the events of {dataset.name} have no kinds"),
    }
    lacking = [name for name in names if not there[name][0]]
    if lacking:
        why = ", and ".join(f"has '{name}' and {there[name][1]}" for name in lacking)
        it = "it" if len(lacking) == 1 else "them"
        raise ConfigError(f"prompt.features {why}. Leave {it} out.")


class SideFeatures(nn.Module):
    """Embeddings of time gaps, prices and kinds of events.

    They begin at zero, so that before training a history reads as it would without them.

    Args:
        names: which of ``SIDE_FEATURES``.
        prices: bucket of each item's price, shape (items,), int64, ``UNKNOWN`` where it has none.
        width: of the LLM.
    """

    prices: Tensor

    def __init__(self, names: list[str], prices: Tensor, width: int) -> None:
        super().__init__()
        self.names = [name for name in SIDE_FEATURES if name in names]
        self.register_buffer("prices", prices, persistent=False)
        self.tables = nn.ModuleDict(
            {name: nn.Embedding(BUCKETS[name], width) for name in self.names}
        )
        for table in self.tables.values():
            assert isinstance(table, nn.Embedding)
            nn.init.zeros_(table.weight)

    @staticmethod
    def of(names: list[str], dataset: Dataset, width: int) -> SideFeatures:
        """The untrained features of a data set, whose prices are cut at their quantiles.

        Raises:
            ConfigError: what is asked for is not in the data.
        """
        check_features(names, dataset)
        catalog = dataset.catalog
        prices = np.zeros(len(catalog), np.int64)
        if "price" in names:
            column = catalog.table["price"].to_numpy()
            known = np.isfinite(column)
            bounds = np.quantile(column[known], np.arange(1, PRICES) / PRICES)
            prices[known] = 1 + np.searchsorted(np.unique(bounds), column[known], side="right")
        return SideFeatures(names, torch.from_numpy(prices), width)

    def grow_to(self, items: int) -> None:
        """Makes room for further items; their prices are unknown until a training from the start.

        What a price means is learned by the buckets that the first items were sorted into.
        """
        added = self.prices.new_full((items - len(self.prices),), UNKNOWN)
        self.prices = torch.cat([self.prices, added])

    def numbers(self, history: History) -> np.ndarray:
        """The buckets of each event, joined to one number above all tokens, shape (events,)."""
        found = {
            "gap": gap_buckets(history),
            "price": self.prices.cpu().numpy()[history.items],
            "kind": np.zeros(len(history), np.int64)
            if history.kinds is None
            else history.kinds.astype(np.int64),
        }
        joined = np.zeros(len(history), np.int64)
        for name in self.names:
            joined += found[name] * (_SCALES[name] << SHIFT)
        return joined

    def forward(self, numbers: Tensor) -> Tensor:
        """What is added to the embeddings of tokens, shape (…, width).

        Args:
            numbers: the upper bits of the tokens' numbers.
        """
        total = torch.zeros((), device=numbers.device)
        for name, table in self.tables.items():
            total = total + table((numbers // _SCALES[name]) % BUCKETS[name])
        return total

    def write(self, folder: Path) -> None:
        """Writes the bare file into a folder that somebody else seals."""
        tensors = {"prices": self.prices, **self.state_dict()}
        save_file({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, folder / FILE)

    @staticmethod
    def read(folder: Path, names: list[str]) -> SideFeatures:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: it is missing or damaged.
        """
        try:
            stored = load_file(folder / FILE)
            prices = stored.pop("prices")
            width = next(iter(stored.values())).shape[1]
            features = SideFeatures(names, prices, width)
            features.load_state_dict(stored)
        except (OSError, KeyError, RuntimeError, StopIteration, SafetensorError) as error:
            raise ArtefactError(
                f"{folder / FILE} cannot be read ({error}). Train again."
            ) from error
        return features.eval()


def gap_buckets(history: History) -> np.ndarray:
    """How long after the one before each event came, int64, shape (events,).

    1 is below a minute, and each further one four times as long; ``UNKNOWN`` for a first event and
    where there are no times. All events of a basket came as long after the basket before.
    """
    buckets = np.zeros(len(history), np.int64)
    if history.times is None or len(history) < 2:
        return buckets
    opens = np.ones(len(history), bool)
    if history.baskets is not None:
        opens[1:] = history.baskets[1:] != history.baskets[:-1]
    first = np.flatnonzero(opens)
    gaps = np.maximum(history.times[first[1:]] - history.times[first[1:] - 1], 0)
    found = np.append(UNKNOWN, 1 + np.searchsorted(GAPS, gaps, side="right"))
    return found[np.cumsum(opens) - 1]


_SCALES = {"gap": 1, "price": BUCKETS["gap"], "kind": BUCKETS["gap"] * BUCKETS["price"]}
