"""The k-core: only users and items with enough events, applied until it holds for both."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import polars as pl

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError, InputError, nearest

__all__ = ["BASES", "k_core"]

log = logging.getLogger(__name__)

BASES = ("events", "distinct")


def k_core(
    data: Dataset,
    k: int,
    *,
    basis: str = "events",
    min_user: int | None = None,
    min_item: int | None = None,
) -> Dataset:
    """The largest part of a data set in which every user and every item has ``k`` events.

    The catalogue and the users shrink to what is kept; their order stays.

    Args:
        min_user: of every user, where it is not ``k``.
        min_item: of every item, where it is not ``k``.
        basis: count ``events``, or ``distinct`` partners (items of a user, users of an item).

    Raises:
        ConfigError: no such basis, k below 1, or data whose published cases name items that a
            core would remove.
        InputError: nothing is left, or there are no events to begin with.
    """
    if basis not in BASES:
        raise ConfigError(f"basis is '{basis}'; {nearest(basis, BASES)}")
    of_user, of_item = (k if least is None else least for least in (min_user, min_item))
    if min(of_user, of_item) < 1:
        raise ConfigError(f"k is {min(of_user, of_item)}; a core needs at least 1 event.")
    if data.published:
        raise ConfigError(f"{data.name} has published cases, which a core would cut. Use it whole.")
    data.require_events(f"a core of {max(of_user, of_item)}")
    user = data.events["user"].to_numpy()
    item = data.events["item"].to_numpy()
    pair_user, pair_item = user, item
    if basis == "distinct":
        pairs = np.unique(user.astype(np.int64) * max(len(data.catalog), 1) + item)
        pair_user, pair_item = np.divmod(pairs, max(len(data.catalog), 1))
    users, items = _kept(
        pair_user, pair_item, of_user, of_item, (len(data.users), len(data.catalog))
    )
    if not users.any():
        if of_user == of_item:
            raise InputError(
                f"The {k}-core of {data.name} is empty: no group of its {len(data.users)} users "
                f"and {len(data.catalog)} items has {k} {basis} each. Ask for a "
                "smaller k: data.core, data.min_user or data.min_item of a recipe."
            )
        raise InputError(
            f"Nothing of {data.name} is left: no group of its {len(data.users)} users and "
            f"{len(data.catalog)} items has {of_user} {basis} of each user and {of_item} of each "
            "item. Ask for fewer: data.min_user, data.min_item or data.core of a recipe."
        )
    row = users[user] & items[item]
    new_user = (np.cumsum(users) - 1).astype(np.uint32)
    new_item = (np.cumsum(items) - 1).astype(np.uint32)
    events = data.events.filter(pl.Series(row)).with_columns(
        pl.Series("user", new_user[user[row]]), pl.Series("item", new_item[item[row]])
    )
    log.info(
        "%s: the core of %d and %d keeps %d of %d users, %d of %d items, %d of %d events",
        data.name,
        of_user,
        of_item,
        int(users.sum()),
        len(users),
        int(items.sum()),
        len(items),
        events.height,
        len(data),
    )
    return replace(
        data,
        catalog=data.catalog.take(np.flatnonzero(items)),
        users=data.users[users],
        events=events,
    )


def _kept(
    user: np.ndarray, item: np.ndarray, of_user: int, of_item: int, sizes: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Which users and items are in the core, bool, shapes (users,) and (items,)."""
    while True:
        enough_user = np.bincount(user, minlength=sizes[0]) >= of_user
        enough_item = np.bincount(item, minlength=sizes[1]) >= of_item
        keep = enough_user[user] & enough_item[item]
        if keep.all():
            # Those without any event are below every bound of at least 1.
            return enough_user, enough_item
        user, item = user[keep], item[keep]
