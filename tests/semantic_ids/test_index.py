import numpy as np
import pytest

from genrec.errors import ArtefactError, InputError
from genrec.semantic_ids.index import SemanticID, SemanticIndex


@pytest.fixture
def index() -> SemanticIndex:
    return SemanticIndex(["x", "y", "z"], np.array([[0, 1], [2, 0], [2, 1]], np.int32), (3, 2))


def test_ids_print_and_parse():
    assert str(SemanticID((12, 7, 3))) == "<a_12><b_7><c_3>"
    assert SemanticID.parse("<a_12><b_7><c_3>") == (12, 7, 3)


@pytest.mark.parametrize("text", ["<b_1><a_2>", "<a_1>x", "a_1", "<a_1><a_2>"])
def test_text_that_is_no_id_is_refused(text):
    with pytest.raises(InputError, match="no semantic ID"):
        SemanticID.parse(text)


def test_every_item_comes_back_from_its_id(index):
    for item_id in index.item_ids:
        assert index.item_id(index.semantic_id(item_id)) == item_id


@pytest.mark.parametrize("codes", [(1, 1), (9, 9), (0,), (0, 1, 0), (-1, 0)])
def test_codes_of_no_item_give_none(index, codes):
    assert index.item_id(codes) is None


def test_an_item_without_id_is_an_error(index):
    with pytest.raises(InputError, match="'w' has no semantic ID"):
        index.semantic_id("w")


def test_indexes_have_one_fingerprint_if_all_codes_are_the_same(index):
    again = SemanticIndex(["x", "y", "z"], index.codes.astype(np.int64), (3, 2))
    others = [
        SemanticIndex(["x", "y", "z"], index.codes[[1, 0, 2]], (3, 2)),
        SemanticIndex(["x", "z", "y"], index.codes, (3, 2)),
        SemanticIndex(["x", "y", "z"], index.codes, (4, 2)),
    ]
    assert again.fingerprint == index.fingerprint
    assert len({index.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_token_numbers_count_through_the_levels(index):
    assert index.token_names == ["<a_0>", "<a_1>", "<a_2>", "<b_0>", "<b_1>"]
    assert index.token_numbers.tolist() == [[0, 4], [2, 3], [2, 4]]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 0], [0, 0]], "share a semantic ID"),
        ([[0, 0], [3, 0]], "outside"),
        ([[0, 0]], "shape"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes, message):
    with pytest.raises(InputError, match=message):
        SemanticIndex(["x", "y"], np.array(codes, np.int32), (3, 2))


def test_an_index_survives_saving(index, tmp_path):
    index.save(tmp_path / "index")
    loaded = SemanticIndex.load(tmp_path / "index")
    assert loaded.item_ids == index.item_ids
    assert loaded.codebook_sizes == index.codebook_sizes
    np.testing.assert_array_equal(loaded.codes, index.codes)


@pytest.mark.parametrize("harm", ["truncate", "change", "remove", "unseal"])
def test_a_damaged_index_is_refused(index, tmp_path, harm):
    folder = tmp_path / "index"
    index.save(folder)
    codes = folder / "codes.parquet"
    if harm == "truncate":
        codes.write_bytes(codes.read_bytes()[:-10])
    elif harm == "change":
        codes.write_bytes(codes.read_bytes()[:-1] + b"x")
    elif harm == "remove":
        codes.unlink()
    else:
        (folder / "artefact.json").write_text("{")
    with pytest.raises(ArtefactError, match="Delete"):
        SemanticIndex.load(folder)
