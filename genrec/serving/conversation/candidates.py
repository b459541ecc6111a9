"""Which items answer a wish: taste, words, vectors and likeness as one list under the constraints.

The recommender ranks under the constraints folded into its trie; words find what the wish names;
the lists are fused by reciprocal ranks, weighted. No loop runs over items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genrec.data.sequences import History
from genrec.encoders.finder import RANK_OFFSET
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState

# Items that words or likeness bring in, and that the recommender ranks of them.
POOL, RANKED = 400, 48
# What each list counts for in the one list.
WEIGHTS = {
    "taste": 1.0,
    "words": 1.0,
    "vectors": 0.7,
    "seen": 1.5,
    "picture": 1.5,
    "alike": 1.0,
    "unlike": -0.7,
}
# So many times the cards are looked at for those that differ to the eye.
VARIED = 4
# Items with less than this share of the best one's likeness are not like it.
NEAR = 0.4
# Below this share of the wish's words the items speak of something else.
ENOUGH = 0.5
# Share of the wish's words that is all of them.
ALL = 1 - 1e-6


@dataclass(frozen=True)
class Asked:
    """What items are looked for by.

    Attributes:
        history: of the shopper; empty where it is for somebody else.
        off: positions that may not come: rejected ones, and those seen where others are wanted.
        cheapest: order by price, lowest first.
        picture: bytes of a picture to find the like of.
    """

    state: ChatState
    history: History
    off: np.ndarray
    cheapest: bool = False
    picture: bytes = b""


@dataclass(frozen=True)
class Found:
    """Items that answer, best first.

    Attributes:
        items: positions, shape (found,), int64.
        matching: how many items in stock satisfy the constraints and the wish, rejected ones left
            out; those that come by their likeness to something are all counted.
        pool: positions that a question could part, shape (≤ ``POOL`` × 10,), int64.
        missing: words of the wish that no item has.
        partly: whether no item has all of the wish's words.
        near: by what vectors answer for words that no item says: ``meaning``, ``pictures``.
    """

    items: np.ndarray
    matching: int
    pool: np.ndarray
    missing: tuple[str, ...] = ()
    partly: bool = False
    near: tuple[str, ...] = ()
    lists: Mapping[str, np.ndarray] = field(default_factory=dict)


_NOTHING = np.zeros(0, np.int64)


def find(shop: Shop, asked: Asked, n: int) -> Found:
    """The n best items that answer a wish under the constraints; for n = 0 they are only counted.

    Raises:
        InputError: the constraints are not of this catalogue.
    """
    state = asked.state
    compiled = shop.allowed(state.where)
    everything = compiled.allowed is None
    allowed = np.ones(len(shop.catalog), bool) if compiled.allowed is None else compiled.allowed
    off = np.union1d(asked.off, shop.index.saying(state.unwanted))
    mask = allowed
    if len(off):
        mask = allowed.copy()
        mask[off] = False
    total = int(np.count_nonzero(mask))
    if not total:
        return Found(_NOTHING, 0, _NOTHING)
    lists: dict[str, np.ndarray] = {}
    wish = state.wish.split()
    pool: np.ndarray | None = None
    matching, partly = total, False
    missing: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    if wish:
        wished = _wished(shop, wish, mask)
        lists |= wished.lists
        missing, partly, by, pool = wished.missing, wished.partly, wished.near, wished.pool
        if pool is not None and not len(pool) and _none_says(shop, wish, state.where):
            # Green is said of many things here, but of no tea: the rest of it still counts.
            pool, missing, partly = None, tuple(wish), True
        matching = total if pool is None else len(pool)
    if asked.picture:
        lists["picture"] = shop.likeness.of_picture(asked.picture, POOL, allowed=mask)
        pool = lists["picture"] if pool is None else np.intersect1d(pool, lists["picture"])
        matching = len(pool)
    likes = [shop.catalog.position(one) for one in state.likes[-3:] if shop.has(one)]
    # Words that nothing has part nothing; what is like an item still does.
    parted = bool(wish) and pool is not None
    for number, item in enumerate(likes):
        near = _near(shop, item, mask)
        lists[f"alike {number}"] = near
        if not parted:
            pool = near if pool is None or not len(pool) else np.union1d(pool, near)
    dislikes = [shop.catalog.position(one) for one in state.dislikes[-3:] if shop.has(one)]
    for number, item in enumerate(dislikes):
        lists[f"unlike {number}"] = _near(shop, item, mask)[:60]
    if pool is not None and not len(pool):
        return Found(_NOTHING, 0, _NOTHING, missing, partly, by)
    if not n:
        return Found(_NOTHING, matching, _NOTHING, missing, partly, by)
    # A shown liking counts as a choice, though of no kind that the shop's own events have.
    history = asked.history.followed_by(np.array(likes, np.int32)) if likes else asked.history
    if pool is None:
        key = "" if everything else compiled.key
        lists["taste"] = shop.ranked(history, allowed, off, RANKED, key=key)
        pool = _some(np.flatnonzero(mask))
    else:
        inside = np.zeros(len(mask), bool)
        inside[pool] = True
        lists["taste"] = shop.ranked(history, inside, off, min(RANKED, len(pool)))
    if asked.cheapest:
        ordered = _by_price(shop, np.unique(pool) if wish or likes else np.flatnonzero(mask), n)
    else:
        ordered = _varied(shop, _fused(lists, VARIED * n), n)
        if len(ordered) < n:
            rest = np.setdiff1d(pool, ordered)[: n - len(ordered)]
            ordered = np.concatenate([ordered, rest])
    return Found(ordered[:n], matching, _some(pool), missing, partly, by, lists)


def _none_says(shop: Shop, wish: list[str], where: Mapping[str, Any]) -> bool:
    """Whether of the things asked for none has any word of the wish, at whatever price."""
    kind = {name: value for name, value in where.items() if name != "price"}
    allowed = shop.allowed(kind).allowed
    saying = shop.index.saying(wish)
    return not len(saying if allowed is None else saying[allowed[saying]])


@dataclass(frozen=True)
class _Wished:
    """What a wish's words and vectors find; the pool is ``None`` where they part nothing."""

    lists: Mapping[str, np.ndarray]
    pool: np.ndarray | None
    missing: tuple[str, ...]
    partly: bool
    near: tuple[str, ...] = ()


def _wished(shop: Shop, wish: list[str], mask: np.ndarray) -> _Wished:
    """Items that say the wish; beside them those that mean or show what no item says.

    Where items have all of the words, they alone are meant, and pictures help to order them. Where
    they do not, what is near by vectors comes in, of the kinds that the wish names.
    """
    most = len(mask) if np.count_nonzero(mask) < POOL else 10 * POOL
    hits, inside = shop.index.search(wish, most, allowed=mask), mask
    whole = hits.share >= ALL
    if whole and not shop.likeness.sees:
        return _Wished({"words": hits.items[:POOL]}, hits.items, hits.missing, partly=False)
    thing = "" if whole else shop.index.thing(wish)
    if thing and len(of_kind := shop.index.search([thing], len(mask), allowed=mask).items):
        # A tomato that is not organic is nearer than an organic carrot.
        inside = _only(of_kind, mask)
        hits = shop.index.search(wish, most, allowed=inside)
    words, missing = hits.items, hits.missing
    if whole:
        inside = _only(words, mask)
    # Among things of the kind the other words decide.
    how = [word for word in wish if word != thing] or wish
    near: dict[str, np.ndarray] = {}
    # Where words say enough, or nothing that says them is left, meaning is not asked.
    enough = hits.share >= ENOUGH or not (len(words) or missing)
    if not enough or shop.likeness.sees:
        near = shop.likeness.of_words(" ".join(how), POOL, allowed=inside)
    if enough:
        near.pop("vectors", None)
    if whole:
        return _Wished({"words": words[:POOL], **near}, words, missing, partly=False)
    if near and hits.share < ENOUGH and not thing:
        words = words[:0]
    if not near and len(missing) == len(wish):
        # Words that the shop has never heard part nothing.
        return _Wished({}, None, missing, partly=True)
    pool = np.unique(np.concatenate([words, *near.values()]))
    by = tuple(_BY[name] for name in near)
    return _Wished({"words": words[:POOL], **near}, pool, missing, partly=True, near=by)


_BY = {"vectors": "meaning", "seen": "pictures"}


def _only(items: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A mask of these items alone."""
    found = np.zeros(len(mask), bool)
    found[items] = True
    return found


def _varied(shop: Shop, ordered: np.ndarray, n: int) -> np.ndarray:
    """The first n, but none that reads as one before it does while there are others."""
    seen: set[tuple[str, float | None]] = set()
    first: list[int] = []
    again: list[int] = []
    for position in ordered.tolist():
        item = shop.catalog[position]
        key = (item.title, item.price)
        (again if key in seen else first).append(position)
        seen.add(key)
        if len(first) == n:
            break
    return np.array([*first, *again][:n], np.int64)


def _near(shop: Shop, item: int, mask: np.ndarray) -> np.ndarray:
    """Items that share most words with one, rare words counting more."""
    hits = shop.index.like(item, POOL, allowed=mask)
    return hits.items[hits.scores >= NEAR * hits.scores.max(initial=0.0)]


def _fused(lists: Mapping[str, np.ndarray], n: int) -> np.ndarray:
    """Positions by the weighted sum of reciprocal ranks; a list of dislikes only takes away."""
    wanted = [(name, items) for name, items in lists.items() if len(items)]
    named = np.concatenate([items for name, items in wanted if _weight(name) > 0] or [_NOTHING])
    pool, places = np.unique(named, return_inverse=True)
    scores = np.zeros(len(pool))
    start = 0
    for name, items in wanted:
        ranks = _weight(name) / (RANK_OFFSET + 1 + np.arange(len(items)))
        if _weight(name) > 0:
            np.add.at(scores, places[start : start + len(items)], ranks)
            start += len(items)
        else:
            rows = np.searchsorted(pool, items)
            there = (rows < len(pool)) & (pool[np.minimum(rows, len(pool) - 1)] == items)
            np.add.at(scores, rows[there], ranks[there])
    order = np.lexsort((pool, -scores))[:n]
    return pool[order]


def _weight(name: str) -> float:
    return WEIGHTS[name.partition(" ")[0]]


def _by_price(shop: Shop, pool: np.ndarray, n: int) -> np.ndarray:
    prices = np.nan_to_num(shop.prices[pool], nan=np.inf)
    if len(pool) > n:
        kept = np.argpartition(prices, n - 1)[:n]
        pool, prices = pool[kept], prices[kept]
    return pool[np.lexsort((pool, prices))]


def _some(pool: np.ndarray) -> np.ndarray:
    """A spread of the pool, small enough to count in a millisecond."""
    step = max(1, len(pool) // (POOL * 10))
    return pool[::step].astype(np.int64)
