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


def test_what_was_asked_for_lately_is_kept_longest():
    folded = FoldedTrie(Trie.build(CODES), keep=2)
    allowed = np.ones(len(CODES), bool)
    first, second = folded.fold(allowed, "one"), folded.fold(allowed, "two")
    assert folded.fold(allowed, "one") is first
    third = folded.fold(allowed, "three")
    assert folded.fold(allowed, "one") is first
    assert folded.fold(allowed, "three") is third
    assert folded.fold(allowed, "two") is not second


def test_without_a_key_nothing_is_kept():
    folded = FoldedTrie(Trie.build(CODES))
    allowed = np.ones(len(CODES), bool)
    assert folded.fold(allowed) is not folded.fold(allowed)
    assert folded.everything is folded.everything
    assert folded.everything.leaves.all()


def test_sixty_four_bitmaps_are_kept_unless_told_otherwise():
    folded = FoldedTrie(Trie.build(CODES))
    allowed = np.ones(len(CODES), bool)
    first = folded.fold(allowed, "0")
    for number in range(1, 64):
        folded.fold(allowed, str(number))
    assert folded.fold(allowed, "0") is first
    for number in range(64, 64 + 64):
        folded.fold(allowed, str(number))
    assert folded.fold(allowed, "0") is not first


def test_on_the_device_where_it_is_it_stays_itself_and_elsewhere_keeps_as_much():
    folded = FoldedTrie(Trie.build(CODES), keep=3)
    assert folded.to(torch.device("cpu")) is folded
    moved = folded.to(torch.device("meta"))
    assert moved.trie.items.device.type == "meta"
    assert moved.keep == 3


def test_users_of_one_bitmap_and_of_none_stand_side_by_side():
    trie = Trie.build(CODES)
    first = CODES[:, 0]
    rules = rules_of([first == 1], [-1, 0, -1], [[], [], []])
    folded = FoldedRules(FoldedTrie(trie), rules)
    child, code, _ = trie.children(0, torch.zeros(3, 1, dtype=torch.long))
    is_open = folded.open(0, child)
    assert is_open[0].all()
    assert is_open[2].all()
    assert is_open[1].tolist() == (code[1] == 1).tolist()


def test_without_any_rule_nothing_is_asked():
    trie = Trie.build(CODES)
    folded = FoldedRules(FoldedTrie(trie), rules_of([], [-1, -1], [[], []]))
    child, _, exists = trie.children(0, torch.zeros(2, 1, dtype=torch.long))
    assert folded.open(0, child) is None
    before = exists.clone()
    folded.close(0, torch.zeros(2, 1, dtype=torch.long), exists)
    assert torch.equal(before, exists)


def test_items_beyond_the_trie_are_no_matter():
    trie = Trie.build(CODES[:4])
    rules = AllowedItems(9, [np.ones(9, bool)], [None], np.array([0]), [np.array([7, 8, 1])])
    folded = FoldedRules(FoldedTrie(trie), rules)
    nodes = torch.zeros(1, 1, dtype=torch.long)
    child, _, exists = trie.children(0, nodes)
    assert (folded.open(0, child) & exists).any()
