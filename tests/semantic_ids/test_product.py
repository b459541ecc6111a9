import numpy as np

from genrec.semantic_ids.product import ProductCodes


def test_vectors_made_of_independent_parts_are_rebuilt_exactly():
    draw = np.random.default_rng(0)
    books = draw.normal(size=(4, 2, 3)).astype(np.float32)
    codes = draw.integers(2, size=(200, 4))
    vectors = np.concatenate([books[part][codes[:, part]] for part in range(4)], axis=1)
    quantizer = ProductCodes(levels=4, codebook_size=2, rotation=False)
    quantizer.fit(vectors, seed=0)
    found = quantizer.encode(vectors)
    np.testing.assert_allclose(quantizer.rebuilt(found), vectors, atol=1e-4)


def test_the_rotation_loses_less_where_parts_are_unlike():
    draw = np.random.default_rng(0)
    # All that varies lies in the first half, so that without a turn half of the codes are wasted.
    vectors = draw.normal(size=(600, 8)).astype(np.float32) * np.array([4, 4, 4, 4, 0, 0, 0, 0.0])
    vectors = vectors.astype(np.float32)
    errors = []
    for rotation in (False, True):
        quantizer = ProductCodes(levels=4, codebook_size=16, rotation=rotation)
        quantizer.fit(vectors, seed=0)
        errors.append(float(((vectors - quantizer.rebuilt(quantizer.encode(vectors))) ** 2).sum()))
    assert errors[1] < 0.8 * errors[0]


def test_dimensions_that_the_codes_do_not_divide_are_filled_up():
    vectors = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    quantizer = ProductCodes(levels=3, codebook_size=8)
    quantizer.fit(vectors, seed=0)
    assert quantizer.rebuilt(quantizer.encode(vectors)).shape == (50, 7)


def test_thirty_two_codes_have_names_of_their_own():
    from genrec.semantic_ids.index import SemanticID, level_name

    text = str(SemanticID(range(32)))
    assert text.startswith("<a_0><b_1>")
    assert text.endswith("<ae_30><af_31>")
    assert SemanticID.parse(text) == SemanticID(range(32))
    assert [level_name(n) for n in (0, 25, 26, 51, 52)] == ["a", "z", "aa", "az", "ba"]


def test_fewer_items_than_dimensions_are_enough():
    vectors = np.random.default_rng(0).normal(size=(60, 392)).astype(np.float32)
    quantizer = ProductCodes(levels=6, codebook_size=8)
    quantizer.fit(vectors, seed=0)
    assert quantizer.encode(vectors).shape == (60, 6)
    np.testing.assert_allclose(quantizer.turn @ quantizer.turn.T, np.eye(392), atol=1e-3)
