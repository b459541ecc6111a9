import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.decoding.trie import Trie
from genrec.errors import ArtefactError, InputError

item_codes = st.sets(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30
).map(lambda rows: np.array(list(rows), np.int32))


def walk(trie: Trie) -> dict[tuple[int, ...], int]:
    """Every path of the trie and the item at its end."""
    paths = {(): 0}
    for depth in range(trie.levels):
        longer = {}
        for path, node in paths.items():
            child, code, exists = trie.children(depth, torch.tensor([[node]]))
            for c, k, there in zip(child[0, 0], code[0, 0], exists[0, 0], strict=True):
                if there:
                    longer[(*path, int(k))] = int(c)
        paths = longer
    return {path: int(trie.items[leaf]) for path, leaf in paths.items()}


@settings(deadline=None)
@given(item_codes)
def test_the_paths_are_exactly_the_items(codes):
    expected = {tuple(row): position for position, row in enumerate(codes.tolist())}
    assert walk(Trie.build(codes)) == expected


@settings(deadline=None)
@given(item_codes, st.randoms())
def test_leaves_are_counted_below_every_node(codes, random):
    allowed = torch.tensor([random.random() < 0.3 for _ in codes])
    trie = Trie.build(codes)
    counts = trie.leaves_below(allowed[trie.items.long()])
    for depth in range(1, trie.levels):
        prefixes = sorted({tuple(row[:depth]) for row in codes.tolist()})
        expected = [
            sum(
                bool(ok) and tuple(row[:depth]) == prefix
                for row, ok in zip(codes.tolist(), allowed, strict=True)
            )
            for prefix in prefixes
        ]
        assert counts[depth - 1].tolist() == expected


def test_stored_and_loaded_it_is_the_same(tmp_path):
    trie = Trie.build(np.array([[1, 0, 3], [0, 1, 2], [1, 0, 2]]))
    trie.save(tmp_path / "trie")
    loaded = Trie.load(tmp_path / "trie")
    assert walk(loaded) == walk(trie)
    assert [one.tolist() for one in loaded.leaf_ranges] == [
        one.tolist() for one in trie.leaf_ranges
    ]


def test_a_truncated_trie_is_refused(tmp_path):
    Trie.build(np.array([[1, 0], [0, 1]])).save(tmp_path / "trie")
    path = tmp_path / "trie" / "trie.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtefactError, match="damaged"):
        Trie.load(tmp_path / "trie")


@pytest.mark.parametrize("largest", [1, 2, 2**20, 2**21 - 1, 2**21, 2**30])
@pytest.mark.parametrize("levels", [1, 3, 4])
def test_codes_of_any_width_are_sorted_all_the_same(largest, levels):
    # Three levels of 21 bits are what one packed number holds.
    few = np.random.default_rng(0).integers(0, 1 + largest, size=(6, levels))
    rows = {tuple(row) for row in few.tolist()} | {(largest,) * levels, (0,) * levels}
    # So that prefixes come again, and not in their order.
    rows |= {(*row[:-1], 1 - min(row[-1], 1)) for row in rows}
    codes = np.array(sorted(rows, key=lambda row: row[::-1]))
    trie = Trie.build(codes)
    assert walk(trie) == {tuple(row): i for i, row in enumerate(codes.tolist())}
    assert codes[trie.items.numpy()].tolist() == sorted(codes.tolist())


def test_negative_codes_are_sorted_too():
    codes = np.array([[-1, 2], [3, -2], [-1, -5]])
    assert Trie.build(codes).items.tolist() == [2, 0, 1]


def test_positions_may_be_given():
    trie = Trie.build(np.array([[1, 0], [0, 1]]), positions=np.array([40, 7]))
    assert walk(trie) == {(1, 0): 40, (0, 1): 7}


def test_equal_ids_are_refused():
    with pytest.raises(InputError, match="same semantic ID"):
        Trie.build(np.array([[1, 0], [1, 0]]))


def test_no_items_are_refused():
    with pytest.raises(InputError, match="at least one item"):
        Trie.build(np.zeros((0, 3), np.int32))


def test_its_size_is_that_of_its_tensors():
    trie = Trie.build(np.array([[0, 0], [0, 1], [1, 1]], np.int32))
    tensors = [*trie.starts, *trie.codes, *trie.leaf_ranges, trie.items]
    assert trie.megabytes == sum(one.numel() * one.element_size() for one in tensors) / 1e6
    assert 0 < trie.megabytes < 0.001


def test_on_the_device_where_it_is_it_stays_itself():
    trie = Trie.build(np.array([[1, 0, 3], [0, 1, 2], [1, 0, 2]]))
    assert trie.to(torch.device("cpu")) is trie
    moved = trie.to(torch.device("meta"))
    tensors = [*moved.starts, *moved.codes, *moved.leaf_ranges, moved.items]
    assert {one.device.type for one in tensors} == {"meta"}
    assert len(tensors) == 3 + 3 + 2 + 1


def test_positions_without_an_item_have_no_leaf():
    trie = Trie.build(np.array([[1, 0], [0, 1]]), positions=np.array([4, 1]))
    assert trie.leaf_of_item.tolist() == [-1, 0, -1, -1, 1]
    trie = Trie.build(np.array([[1, 0], [0, 1]]), positions=np.array([3, 0]))
    assert trie.leaf_of_item.tolist() == [0, -1, -1, 1]


def test_of_one_level_nothing_lies_between_root_and_leaves():
    trie = Trie.build(np.array([[2], [0], [1]]))
    assert trie.levels == 1
    assert trie.widest == [3]
    assert trie.leaf_ranges == []
    assert trie.leaves_below(torch.ones(3, dtype=torch.bool)) == []
    assert trie.items.tolist() == [1, 2, 0]


@settings(deadline=None)
@given(item_codes)
def test_every_code_leads_to_its_child(codes):
    trie = Trie.build(codes)
    nodes = torch.zeros(len(codes), dtype=torch.long)
    for depth in range(trie.levels):
        nodes = trie.child(depth, nodes, torch.from_numpy(codes[:, depth]).long())
    assert trie.items[nodes].tolist() == list(range(len(codes)))
