"""Many token rows in one training row, each blind to the others, every target supervised.

Packed causal training gives the signal of sliding windows for a fraction of the tokens: a history
of n items is one row with n targets, and no token is spent on padding but at a row's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from genrec.errors import ConfigError

NO_TARGET = -1
# In the place of a level: the token is text that is to be learned.
TEXT_TARGET = -2
IN_VIEW = -1


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One user's tokens.

    Attributes:
        tokens: vocabulary rows, shape (tokens,), int64.
        levels: which level of a semantic ID each token is, if it is to be learned; ``TEXT_TARGET``
            for text that is to be learned; ``NO_TARGET`` for structure and context, shape
            (tokens,), int64.
        codes: the token's code at that level, for text its row of the vocabulary, shape (tokens,),
            int64; 0 where there is no target.
        group: number of the group that the row belongs to; -1 for none.
        items: which items the tokens spell and hold, where more than codes is learned.
    """

    tokens: np.ndarray
    levels: np.ndarray
    codes: np.ndarray
    group: int = -1
    items: ItemPlaces | None = None


@dataclass(frozen=True, slots=True)
class ItemPlaces:
    """Where the items of a row begin and end. All of shape (tokens,), int64.

    Attributes:
        begins: catalogue position of the item whose first token this is; ``NO_TARGET`` elsewhere.
        held: catalogue position of the item that is known once this token is read; ``NO_TARGET``
            elsewhere.
        chains: number of the item whose codes only lead up to it, and which other items do not
            see; ``IN_VIEW`` for tokens that all later ones see.
        positions: place in time of each token.
    """

    begins: np.ndarray
    held: np.ndarray
    chains: np.ndarray
    positions: np.ndarray

    def after(self, header: int) -> ItemPlaces:
        """The same behind so many tokens of text."""

        def pad(values: np.ndarray, value: int) -> np.ndarray:
            return np.concatenate([np.full(header, value, np.int64), values])

        places = np.concatenate([np.arange(header), self.positions + header])
        return ItemPlaces(
            pad(self.begins, NO_TARGET),
            pad(self.held, NO_TARGET),
            pad(self.chains, IN_VIEW),
            places,
        )


class RowSource(Protocol):
    """Rows whose lengths stay the same while their content may differ from epoch to epoch."""

    @property
    def token_counts(self) -> np.ndarray: ...

    def row(self, number: int, epoch: int, /) -> TokenRow: ...


class PackedRows:
    """Training rows of at most ``row_tokens`` tokens, filled first-fit in a seeded order.

    Raises:
        ConfigError: a row is longer than ``row_tokens``.
    """

    def __init__(self, source: RowSource, *, row_tokens: int, seed: int) -> None:
        counts = source.token_counts
        if len(counts) and counts.max() > row_tokens:
            raise ConfigError(
                f"A row has {counts.max()} tokens but row_tokens is {row_tokens}. "
                "Raise row_tokens or lower history (of tasks: task_history or task_words)."
            )
        self.source, self.row_tokens, self.epoch = source, row_tokens, 0
        self.packs = _first_fit(counts, row_tokens, np.random.default_rng(seed))

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader; the rows of an epoch are a function of its number."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.packs)

    def __getitem__(self, index: int) -> list[TokenRow]:
        return [self.source.row(number, self.epoch) for number in self.packs[index]]


def _first_fit(
    counts: np.ndarray, capacity: int, generator: np.random.Generator, open_packs: int = 32
) -> list[list[int]]:
    """Row numbers of each pack; only the newest packs stay open, so time is linear."""
    done: list[list[int]] = []
    current: list[tuple[int, list[int]]] = []
    for number in generator.permutation(len(counts)):
        count = int(counts[number])
        for place, (free, members) in enumerate(current):
            if count <= free:
                members.append(int(number))
                current[place] = (free - count, members)
                break
        else:
            current.append((capacity - count, [int(number)]))
            if len(current) > open_packs:
                fullest = min(range(len(current)), key=lambda place: current[place][0])
                done.append(current.pop(fullest)[1])
    return done + [members for _, members in current]


def collate_packed(packs: Sequence[Sequence[TokenRow]]) -> dict[str, Tensor]:
    """Packs -> tensors of shape (packs, tokens), cut to the longest pack.

    Returns:
        ``input_ids``; ``position_ids``, from 0 in each row; ``segments``, the number of the row
        within the pack, -1 for padding; ``target_levels`` and ``target_codes`` of the *next*
        token, ``NO_TARGET`` where it is none and ``TEXT_TARGET`` where it is text; ``groups``, the
        group of each token's row. Where rows have ``items`` also ``next_items``, ``held_items`` and
        ``chains``.
    """
    longest = max(sum(len(row.tokens) for row in pack) for pack in packs)
    shape = (len(packs), longest)
    input_ids, position_ids = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    segments, groups = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
    levels, codes = np.full(shape, NO_TARGET, np.int64), np.zeros(shape, np.int64)
    for place, pack in enumerate(packs):
        start = 0
        for number, row in enumerate(pack):
            end = start + len(row.tokens)
            input_ids[place, start:end] = row.tokens
            position_ids[place, start:end] = np.arange(end - start)
            segments[place, start:end] = number
            groups[place, start:end] = row.group
            levels[place, start : end - 1] = row.levels[1:]
            codes[place, start : end - 1] = row.codes[1:]
            start = end
    whole = {
        "input_ids": torch.from_numpy(input_ids),
        "position_ids": torch.from_numpy(position_ids),
        "segments": torch.from_numpy(segments),
        "groups": torch.from_numpy(groups),
        "target_levels": torch.from_numpy(levels),
        "target_codes": torch.from_numpy(codes),
    }
    return whole | _item_places(packs, whole["position_ids"])


def _item_places(packs: Sequence[Sequence[TokenRow]], position_ids: Tensor) -> dict[str, Tensor]:
    """What rows say of their items; ``position_ids`` becomes what they say of time."""
    if not any(row.items for pack in packs for row in pack):
        return {}
    begins, held, chains = (torch.full(position_ids.shape, NO_TARGET) for _ in range(3))
    for place, pack in enumerate(packs):
        start = 0
        for row in pack:
            assert row.items is not None
            end = start + len(row.tokens)
            begins[place, start : end - 1] = torch.from_numpy(row.items.begins[1:])
            held[place, start:end] = torch.from_numpy(row.items.held)
            chains[place, start:end] = torch.from_numpy(row.items.chains)
            position_ids[place, start:end] = torch.from_numpy(row.items.positions)
            start = end
    return {"next_items": begins, "held_items": held, "chains": chains}


def target_count(batch: dict[str, Tensor]) -> Tensor:
    """How many tokens of a batch are learned, shape ()."""
    return (batch["target_levels"] != NO_TARGET).sum()


def target_counts(batch: dict[str, Tensor]) -> Tensor:
    """How many tokens of a batch are learned, and how many whole items, shape (2,)."""
    items = batch.get("next_items", torch.full((1,), NO_TARGET))
    return torch.stack([target_count(batch), (items != NO_TARGET).sum()])


def packed_mask(segments: Tensor, dtype: torch.dtype, chains: Tensor | None = None) -> Tensor:
    """Additive causal mask that keeps rows apart, shape (packs, 1, tokens, tokens).

    Args:
        chains: see ``ItemPlaces``; without it, all earlier tokens of a row are in view.
    """
    tokens = segments.shape[1]
    causal = torch.ones(tokens, tokens, dtype=torch.bool, device=segments.device).tril()
    # Padding sees itself, since a row of a softmax that sees nothing is not a number.
    sees = (segments[:, :, None] == segments[:, None, :]) & causal
    if chains is not None:
        hidden = chains[:, None, :]
        sees &= (hidden == IN_VIEW) | (hidden == chains[:, :, None])
    mask = torch.zeros(sees.shape, dtype=dtype, device=segments.device)
    return mask.masked_fill_(~sees, torch.finfo(dtype).min)[:, None]
