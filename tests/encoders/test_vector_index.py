import numpy as np
import pytest

from genrec.encoders.base import ItemVectors
from genrec.encoders.vector_index import VectorIndex
from genrec.errors import ArtefactError, InputError


def vectors(count, width=16, *, missing=(), seed=0):
    found = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    mask = np.ones(count, bool)
    mask[list(missing)] = False
    found[~mask] = 0
    return ItemVectors(tuple(str(n) for n in range(count)), found, mask, "f")


def by_hand(one, query, allowed):
    unit = one.vectors / np.maximum(np.linalg.norm(one.vectors, axis=1, keepdims=True), 1e-12)
    scores = np.where(one.mask & allowed, unit @ (query / np.linalg.norm(query)), -np.inf)
    order = np.argsort(-scores, kind="stable")
    return order[np.isfinite(scores[order])]


@pytest.mark.parametrize("allowed", [None, "half", "one", "none"])
def test_the_nearest_are_those_by_hand(allowed):
    one = vectors(300, missing=(3, 7))
    bits = np.ones(300, bool)
    if allowed is not None:
        bits[:] = False
        bits[{"half": slice(0, 150), "one": 42, "none": slice(0, 0)}[allowed]] = True
    query = np.random.default_rng(1).normal(size=16).astype(np.float32)
    items, scores = VectorIndex(one).search(query, 10, allowed=None if allowed is None else bits)
    assert items.tolist() == by_hand(one, query, bits)[:10].tolist()
    assert (np.diff(scores) <= 1e-6).all()
    assert scores.shape == items.shape


def test_items_without_a_vector_are_never_found():
    one = vectors(20, missing=(0, 5))
    items, _ = VectorIndex(one).search(np.ones(16, np.float32), 20)
    assert sorted(items) == [row for row in range(20) if row not in (0, 5)]


def test_cells_find_nearly_what_looking_at_all_finds():
    one = vectors(5000, 8)
    cells, whole = VectorIndex(one, exact=False), VectorIndex(one, exact=True)
    queries = np.random.default_rng(2).normal(size=(50, 8)).astype(np.float32)
    shared = [len(set(cells.search(q, 10)[0]) & set(whole.search(q, 10)[0])) / 10 for q in queries]
    assert np.mean(shared) > 0.9


def test_cells_with_a_narrow_filter_find_every_allowed_item():
    one = vectors(5000, 8)
    allowed = np.zeros(5000, bool)
    allowed[[7, 1234, 4999]] = True
    items, _ = VectorIndex(one, exact=False).search(np.ones(8, np.float32), 10, allowed=allowed)
    assert sorted(items) == [7, 1234, 4999]


@pytest.mark.parametrize("exact", [True, False])
def test_what_was_written_is_read_again(tmp_path, exact):
    one = vectors(500, missing=(4,))
    index = VectorIndex(one, exact=exact)
    index.write(tmp_path / "image.faiss")
    query = np.ones(16, np.float32)
    read = VectorIndex.read(tmp_path / "image.faiss")
    np.testing.assert_array_equal(read.search(query, 5)[0], index.search(query, 5)[0])


def test_a_damaged_file_is_an_artefact_error(tmp_path):
    (tmp_path / "image.faiss").write_bytes(b"no index")
    with pytest.raises(ArtefactError, match="cannot be read"):
        VectorIndex.read(tmp_path / "image.faiss")


def test_nothing_to_find_by_is_refused():
    with pytest.raises(InputError, match="No item has a vector"):
        VectorIndex(vectors(3, missing=(0, 1, 2)))
