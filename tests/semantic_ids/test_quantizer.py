import numpy as np
import pytest

from genrec.errors import InputError
from genrec.semantic_ids.quantizer import ResidualKMeans


def test_codes_rebuild_vectors_that_are_sums_of_centres():
    coarse = np.array([[10.0, 0], [-10.0, 0]], np.float32)
    fine = np.array([[0, 1.0], [0, -1.0]], np.float32)
    vectors = np.repeat((coarse[:, None] + fine).reshape(4, 2), 5, axis=0)
    quantizer = ResidualKMeans(levels=2, codebook_size=2)
    quantizer.fit(vectors, seed=0)
    codes = quantizer.encode(vectors)
    rebuilt = sum(book[codes[:, level]] for level, book in enumerate(quantizer.codebooks))
    np.testing.assert_allclose(rebuilt, vectors, atol=1e-5)
    assert len(np.unique(codes, axis=0)) == 4


def test_same_seed_gives_same_codes():
    vectors = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    codes = []
    for _ in range(2):
        quantizer = ResidualKMeans(levels=3, codebook_size=16)
        quantizer.fit(vectors, seed=5)
        codes.append(quantizer.encode(vectors))
    np.testing.assert_array_equal(*codes)


def test_fewer_items_than_codes_is_fine():
    vectors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    quantizer = ResidualKMeans(levels=2, codebook_size=256)
    quantizer.fit(vectors, seed=0)
    codes = quantizer.encode(vectors)
    assert len(np.unique(codes[:, 0])) == 5
    assert np.isinf(quantizer.last_level_distances(vectors, codes)).any()


def test_identical_vectors_share_their_codes():
    vectors = np.ones((20, 4), np.float32)
    quantizer = ResidualKMeans(levels=2, codebook_size=4)
    quantizer.fit(vectors, seed=0)
    assert len(np.unique(quantizer.encode(vectors), axis=0)) == 1


def test_last_level_distances_are_smallest_at_the_chosen_code():
    vectors = np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32)
    quantizer = ResidualKMeans(levels=2, codebook_size=8)
    quantizer.fit(vectors, seed=0)
    codes = quantizer.encode(vectors)
    distances = quantizer.last_level_distances(vectors, codes)
    np.testing.assert_array_equal(distances.argmin(axis=1), codes[:, -1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_with_their_rows(value):
    vectors = np.zeros((4, 3), np.float32)
    vectors[2, 1] = value
    with pytest.raises(InputError, match="item row 2"):
        ResidualKMeans(levels=1, codebook_size=2).fit(vectors, seed=0)


@pytest.mark.parametrize("shape", [(0, 3), (4,)])
def test_vectors_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(InputError, match="shape"):
        ResidualKMeans(levels=1, codebook_size=2).fit(np.zeros(shape, np.float32), seed=0)
