"""Rules folded up a trie against a plain walk over the items."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data.allowed import AllowedItems
from genrec.decoding.folded import FoldedRules, FoldedTrie
from genrec.decoding.trie import Trie

CODES = np.array(
    [(a, b, c) for a in range(3) for b in range(3) for c in range(3) if (a + b * c) % 4 != 1]
)


def rules_of(masks, which, excluded) -> AllowedItems:
    return AllowedItems(
        len(CODES),
        [np.array(mask, bool) for mask in masks],
        [None] * len(masks),
        np.array(which),
        [np.array(off, np.int64) for off in excluded],
    )


masks = st.lists(st.booleans(), min_size=len(CODES), max_size=len(CODES))
positions = st.lists(st.integers(0, len(CODES) - 1), max_size=len(CODES))


@settings(deadline=None)
@given(st.lists(masks, min_size=0, max_size=3), st.lists(positions, min_size=1, max_size=4))
def test_a_child_is_open_exactly_when_an_allowed_item_lies_below(masks, excluded):
    which = [(user % (len(masks) + 1)) - 1 for user in range(len(excluded))]
    rules = rules_of(masks, which, excluded)
    trie = Trie.build(CODES)
    folded = FoldedRules(FoldedTrie(trie), rules)
    dense = rules.dense()
    dense = np.ones((len(excluded), len(CODES)), bool) if dense is None else dense
    users = len(excluded)
    paths = [[()] for _ in range(users)]
    nodes = torch.zeros(users, 1, dtype=torch.long)
    for level in range(trie.levels):
        child, code, exists = trie.children(level, nodes)
        is_open = folded.open(level, child)
        if is_open is not None:
            exists &= is_open
        folded.close(level, nodes, exists)
        longer = []
        for user in range(users):
            kept = {tuple(row[: level + 1]) for row in CODES[dense[user]].tolist()}
            longer.append([])
            for beam, path in enumerate(paths[user]):
                if path is None:
                    continue
                for k, there in zip(code[user, beam], exists[user, beam], strict=True):
                    here = (*path, int(k))
                    assert not there or here in kept
                    if there:
                        longer[user].append(here)
            assert set(longer[user]) == kept
        widest = max(map(len, longer))
        if not widest:
            return
        every = sorted({tuple(row[: level + 1]) for row in CODES.tolist()})
        nodes = torch.tensor(
            [[every.index(p) for p in row] + [0] * (widest - len(row)) for row in longer]
        )
        paths = [row + [None] * (widest - len(row)) for row in longer]


def test_a_bitmap_with_a_key_is_folded_once_and_the_oldest_is_forgotten():
    folded = FoldedTrie(Trie.build(CODES), keep=2)
    allowed = np.ones(len(CODES), bool)
    first = folded.fold(allowed, "one")
    assert folded.fold(allowed, "one") is first
    folded.fold(allowed, "two")
    folded.fold(allowed, "three")
    assert folded.fold(allowed, "one") is not first


def test_items_beyond_the_trie_are_no_matter():
    trie = Trie.build(CODES[:4])
    rules = AllowedItems(9, [np.ones(9, bool)], [None], np.array([0]), [np.array([7, 8, 1])])
    folded = FoldedRules(FoldedTrie(trie), rules)
    nodes = torch.zeros(1, 1, dtype=torch.long)
    child, _, exists = trie.children(0, nodes)
    assert (folded.open(0, child) & exists).any()
