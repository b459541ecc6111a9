import numpy as np
import pytest

from genrec.errors import ConfigError, InputError
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from tests.small import small_catalog, small_vectors


@pytest.mark.parametrize("rule", ["reassign", "append"])
def test_every_item_gets_an_id_of_its_own_even_when_vectors_are_equal(rule):
    vectors = np.repeat(small_vectors(12), 5, axis=0)
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=16, collisions=rule)
    index = tokenizer.fit(small_catalog(60), vectors)
    assert len({index.semantic_id(item) for item in index.item_ids}) == 60
    assert tokenizer.quality.collisions_before == 60
    assert tokenizer.quality.collisions_after == 0
    assert tokenizer.quality.largest_collision >= 5


def test_the_quality_report_counts_by_hand():
    vectors = np.array([[0.0, 0], [0, 0], [9, 9], [-9, 9]], np.float32)
    tokenizer = SemanticIdTokenizer(levels=1, codebook_size=4)
    tokenizer.fit(small_catalog(4), vectors)
    assert tokenizer.quality.unique_share_before == 0.5
    assert tokenizer.quality.used == [1.0]
    assert tokenizer.quality.entropy == [2.0]
    assert "50.0% unique" in str(tokenizer.quality)


def test_neighbours_share_their_first_code_when_items_form_clusters():
    centres = np.eye(4, dtype=np.float32)[np.repeat(np.arange(4), 15)] * 50
    vectors = centres + small_vectors(60)[:, :4]
    tokenizer = SemanticIdTokenizer(levels=3, codebook_size=4)
    tokenizer.fit(small_catalog(60), vectors)
    assert tokenizer.quality.neighbour_coherence == 1.0
    assert tokenizer.quality.chance_coherence == 0.25


@pytest.mark.parametrize("rule", ["reassign", "append"])
def test_items_added_later_leave_the_old_ids_as_they_are(rule):
    catalog, vectors = small_catalog(60), small_vectors(60)
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=32, collisions=rule)
    before = tokenizer.fit(catalog.take(range(50)), vectors[:50])
    # The new items' vectors equal old ones, so that each must get out of the way of one.
    after = tokenizer.add(before, catalog.take(range(50, 60)), vectors[:10])
    assert after.item_ids == catalog.ids
    for item in before.item_ids:
        assert after.semantic_id(item) == before.semantic_id(item)
    assert len({after.semantic_id(item) for item in after.item_ids}) == 60


def test_an_item_cannot_be_added_twice():
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=8)
    index = tokenizer.fit(small_catalog(20), small_vectors(20))
    with pytest.raises(InputError, match="i3"):
        tokenizer.add(index, small_catalog(20).take([3]), small_vectors(1))


def test_a_saved_tokenizer_encodes_as_before(tmp_path):
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=8)
    index = tokenizer.fit(small_catalog(20), small_vectors(20))
    tokenizer.save(tmp_path / "ids", index)
    loaded, same = SemanticIdTokenizer.load(tmp_path / "ids")
    np.testing.assert_array_equal(same.codes, index.codes)
    vectors = small_vectors(9, seed=4)
    np.testing.assert_array_equal(
        loaded.quantizer.encode(vectors), tokenizer.quantizer.encode(vectors)
    )
    assert loaded.quality == tokenizer.quality


def test_vectors_of_another_catalogue_are_refused():
    with pytest.raises(InputError, match="20 items"):
        SemanticIdTokenizer(levels=1).fit(small_catalog(20), small_vectors(19))


@pytest.mark.parametrize("options", [{"levels": 0}, {"codebook_size": 1}, {"collisions": "x"}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError):
        SemanticIdTokenizer(**options)


def test_an_unknown_quantizer_names_the_nearest():
    with pytest.raises(ConfigError, match="residual-kmeans"):
        SemanticIdTokenizer(quantizer="residual-kmean")


def test_one_item_is_enough():
    index = SemanticIdTokenizer(levels=2).fit(small_catalog(1), small_vectors(1))
    assert index.item_id(index.semantic_id("i0")) == "i0"


@pytest.mark.parametrize("rule", ["reassign", "append"])
def test_another_catalogue_is_encoded_by_the_same_codebooks(rule):
    vectors = small_vectors(60)
    tokenizer = SemanticIdTokenizer(levels=2, codebook_size=16, collisions=rule)
    before = tokenizer.fit(small_catalog(60), vectors)
    books = {name: values.copy() for name, values in tokenizer.quantizer.tensors().items()}
    other = tokenizer.encode(small_catalog(20), vectors[40:])
    assert np.array_equal(other.codes[:, 0], before.codes[40:, 0])
    assert len({tuple(codes) for codes in other.codes.tolist()}) == 20
    after = tokenizer.quantizer.tensors()
    assert all(np.array_equal(books[name], after[name]) for name in books)
    assert tokenizer.quality.collisions_after == 0
