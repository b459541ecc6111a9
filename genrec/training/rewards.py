"""What a drawn list earns, item by item: small functions by name, added up with weights.

Knows positions of items and arrays; knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError, nearest
from genrec.training.preference_options import GrpoConfig

EMPTY = -1


@dataclass(frozen=True)
class Lists:
    """Drawn items of some cases.

    Attributes:
        items: catalogue positions, distinct in a row, shape (cases, group); -1 where fewer.
        hits: whether each was chosen next, bool, shape (cases, group).
        chances: of each by the model's own probability, within its list, shape (cases, group);
            those of a list sum to 1, and 0 stands where there is no item.
    """

    items: np.ndarray
    hits: np.ndarray
    chances: np.ndarray

    @property
    def ranks(self) -> np.ndarray:
        """Place of each in its list by its chance, from 1, shape (cases, group)."""
        order = np.argsort(-self.chances, axis=1, kind="stable")
        places: np.ndarray = np.argsort(order, axis=1) + 1
        return places


@dataclass(frozen=True)
class ItemFacts:
    """What rewards know of items.

    Attributes:
        worth: of each item to the shop, from 0 to 1, shape (items,).
        kinds: number of the kind that ``diversity`` tells apart, shape (items,).
    """

    worth: np.ndarray
    kinds: np.ndarray


Reward = Callable[[Lists, ItemFacts], np.ndarray]


def hit(lists: Lists, _facts: ItemFacts) -> np.ndarray:
    """1 for an item that was chosen next."""
    return lists.hits.astype(np.float64)


def rank(lists: Lists, _facts: ItemFacts) -> np.ndarray:
    """Less for a miss that the model puts high, in lists with a hit; those of a list sum to -1.

    -1 / log2(rank + 1), as of NDCG, over the sum of the list's misses; hits have 0, and so has a
    list without one (Kong et al. 2025, "MiniOneRec", ranking reward).
    """
    misses = (lists.items != EMPTY) & ~lists.hits
    loss = np.where(misses, 1 / np.log2(lists.ranks + 1), 0.0)
    total = loss.sum(axis=1, keepdims=True)
    found: np.ndarray = -loss / np.maximum(total, 1e-12) * lists.hits.any(axis=1, keepdims=True)
    return found


def diversity(lists: Lists, facts: ItemFacts) -> np.ndarray:
    """Share of the list's other items that are of another kind."""
    there = lists.items != EMPTY
    kinds = facts.kinds[np.maximum(lists.items, 0)]
    unlike = (kinds[:, :, None] != kinds[:, None, :]) & there[:, None, :]
    others = np.maximum(there.sum(axis=1, keepdims=True) - 1, 1)
    return np.where(there, unlike.sum(axis=2) / others, 0.0)


def value(lists: Lists, facts: ItemFacts) -> np.ndarray:
    """What the item is worth to the shop, from 0 (the catalogue's least) to 1 (its most)."""
    return np.where(lists.items != EMPTY, facts.worth[np.maximum(lists.items, 0)], 0.0)


REWARD_FUNCTIONS: Mapping[str, Reward] = {
    "hit": hit,
    "rank": rank,
    "diversity": diversity,
    "value": value,
}


def total_reward(lists: Lists, facts: ItemFacts, weights: Mapping[str, float]) -> np.ndarray:
    """The weighted sum of named rewards, shape (cases, group)."""
    total = np.zeros(lists.items.shape)
    for name, weight in weights.items():
        if weight:
            total += weight * REWARD_FUNCTIONS[name](lists, facts)
    return total


def check_grpo(catalog: Catalog, config: GrpoConfig) -> None:
    """Holds the size of a group and the columns that rewards read against a catalogue.

    Raises:
        ConfigError: a group of more than all items; columns that the catalogue lacks or that hold
            no numbers; all of it at once.
    """
    problems = _column_problems(catalog, config)
    if config.group > len(catalog):
        problems.append(
            f"grpo.group is {config.group:,}, and there are {len(catalog):,} items to draw "
            "different ones from"
        )
    _refuse(problems)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError("Preference does not fit the catalogue:\n  - " + "\n  - ".join(problems))


def _column_problems(catalog: Catalog, config: GrpoConfig) -> list[str]:
    table, problems = catalog.table, []
    for option in _columns_read(config):
        column = getattr(config, option)
        if column not in table.columns:
            problems.append(
                f"grpo.{option}: the catalogue has no '{column}'; {nearest(column, table.columns)}"
            )
        elif option == "value_of" and not table[column].dtype.is_numeric():
            problems.append(f"grpo.value_of: column '{column}' holds no numbers")
    return problems


def _columns_read(config: GrpoConfig) -> list[str]:
    """The options that name a column and are asked for."""
    named = {*(name for name, weight in config.rewards.items() if weight), config.held_out}
    read = ["value_of"] if "value" in named else []
    return [*read, "diversity_by"] if "diversity" in named and config.diversity_by else read


def item_facts(catalog: Catalog, codes: np.ndarray, config: GrpoConfig) -> ItemFacts:
    """What the rewards of these options need to know of a catalogue.

    Raises:
        ConfigError: columns that the catalogue lacks or that hold no numbers; all of them at once.
    """
    _refuse(_column_problems(catalog, config))
    table, read = catalog.table, _columns_read(config)
    worth, kinds = np.zeros(len(catalog)), np.asarray(codes)[:, 0]
    if "value_of" in read:
        worth = _scaled(table[config.value_of].cast(float).to_numpy())
    if "diversity_by" in read:
        named_kinds = [str(one) for one in table[config.diversity_by].to_list()]
        kinds = np.unique(named_kinds, return_inverse=True)[1]
    return ItemFacts(worth, np.asarray(kinds, np.int64))


def _scaled(values: np.ndarray) -> np.ndarray:
    """From 0 to 1; items whose value is unknown get 0."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    low, high = values[known].min(), values[known].max()
    scaled: np.ndarray = np.where(known, (values - low) / max(high - low, 1e-12), 0.0)
    return scaled
