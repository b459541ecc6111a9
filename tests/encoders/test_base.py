import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.encoders import ItemVectors
from genrec.errors import ArtefactError, InputError


def catalog(*ids):
    return Catalog(pl.DataFrame({"item_id": ids, "title": ids}))


@pytest.fixture
def vectors():
    return ItemVectors(
        ("a", "ü|\n", "c"),
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.array([True, False, True]),
        "abc",
    )


def test_what_was_saved_is_loaded_again(vectors, tmp_path):
    vectors.save(tmp_path / "v")
    loaded = ItemVectors.load(tmp_path / "v", catalog("a", "ü|\n", "c"))
    assert loaded.item_ids == vectors.item_ids
    assert loaded.fingerprint == "abc"
    np.testing.assert_array_equal(loaded.vectors, vectors.vectors)
    np.testing.assert_array_equal(loaded.mask, vectors.mask)


@pytest.mark.parametrize("ids", [("a", "b", "c"), ("c", "ü|\n", "a"), ("a",)])
def test_vectors_of_another_catalogue_or_order_are_refused(vectors, tmp_path, ids):
    vectors.save(tmp_path / "v")
    with pytest.raises(ArtefactError, match="other items"):
        ItemVectors.load(tmp_path / "v", catalog(*ids))


def test_a_truncated_file_is_refused(vectors, tmp_path):
    vectors.save(tmp_path / "v")
    file = tmp_path / "v" / "vectors.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ArtefactError, match="changed or truncated"):
        ItemVectors.load(tmp_path / "v")


def test_a_changed_byte_is_refused(vectors, tmp_path):
    vectors.save(tmp_path / "v")
    file = tmp_path / "v" / "vectors.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtefactError, match="changed or truncated"):
        ItemVectors.load(tmp_path / "v")


def test_nothing_there_is_an_artefact_error(tmp_path):
    with pytest.raises(ArtefactError, match="no item_vectors"):
        ItemVectors.load(tmp_path / "v")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        ItemVectors(("a",), np.zeros((2, 3), np.float32), np.ones(1, bool), "f")


def test_an_empty_catalogue_survives_the_way_to_disk(tmp_path):
    ItemVectors((), np.zeros((0, 4), np.float32), np.zeros(0, bool), "f").save(tmp_path / "v")
    assert ItemVectors.load(tmp_path / "v").vectors.shape == (0, 4)
