import numpy as np
import pytest

from genrec.errors import InputError
from genrec.evaluation.retrieval import retrieve


def test_recall_counts_partners_among_the_first():
    keys = np.eye(4)
    queries = np.array([[1, 0, 0, 0], [2, 1, 0, 0], [3, 2, 1, 0], [4, 3, 2, 1.0]])
    found = retrieve(queries, keys, pool=4, cutoffs=(1, 2, 4))
    assert found.recall == {1: 0.25, 2: 0.5, 4: 1.0}
    assert found.chance == {1: 0.25, 2: 0.5, 4: 1.0}


def test_equal_vectors_for_everything_come_out_at_chance():
    vectors = np.ones((100, 7), np.float32)
    found = retrieve(vectors, vectors, pool=100)
    assert found.recall == pytest.approx({1: 0.01, 5: 0.05, 10: 0.1})


def test_random_vectors_come_out_near_chance():
    generator = np.random.default_rng(0)
    found = retrieve(generator.normal(size=(2000, 16)), generator.normal(size=(2000, 16)), pool=500)
    assert found.recall[10] == pytest.approx(0.02, abs=0.01)
    assert (found.queries, found.pool) == (2000, 500)


def test_pools_are_searched_apart_and_a_rest_is_left_out():
    # Rows 0 and 2 have one vector: they are rivals in one pool and not in two.
    vectors = np.eye(5)[[0, 1, 0, 3, 4]]
    assert retrieve(vectors, vectors, pool=2, cutoffs=(1,)).recall[1] == 1.0
    assert retrieve(vectors, vectors, pool=2).queries == 4
    assert retrieve(vectors, vectors, pool=5, cutoffs=(1,)).recall[1] == pytest.approx(0.8)


def test_length_does_not_matter():
    queries = np.array([[5.0, 0.1], [0.1, 0.2]])
    assert retrieve(queries, np.eye(2), pool=2, cutoffs=(1,)).recall[1] == 1.0


@pytest.mark.parametrize("bad", [np.full((3, 2), np.nan), np.zeros((2, 2)), np.zeros((1, 2))])
def test_vectors_that_cannot_be_judged_are_refused(bad):
    with pytest.raises(InputError):
        retrieve(bad, np.zeros((len(bad) + (len(bad) == 2), 2)), pool=2)
