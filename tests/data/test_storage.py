from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genrec.data.dataset import Holdout
from genrec.data.sequences import Sequences
from genrec.data.storage import read_dataset, write_dataset
from genrec.errors import ArtefactError
from tests.small import small_dataset


@pytest.mark.parametrize("baskets", [True, False])
def test_a_stored_data_set_is_the_same(tmp_path, baskets):
    dataset = small_dataset(baskets=baskets)
    write_dataset(dataset, tmp_path)
    assert read_dataset(tmp_path).fingerprint == dataset.fingerprint


def test_published_cases_and_extra_tables_come_back(tmp_path):
    dataset = small_dataset(20)
    histories, targets = Sequences.of([[1, 2], [3]]), Sequences.of([[4], [5, 6]])
    cases = Holdout(dataset.catalog, histories, targets, "published")
    dataset = replace(dataset, published={"test": cases})
    dataset.extras["campaigns"] = pl.DataFrame({"campaign": [1, 2]})
    write_dataset(dataset, tmp_path)
    loaded = read_dataset(tmp_path)
    assert loaded.extras["campaigns"].equals(dataset.extras["campaigns"])
    np.testing.assert_array_equal(loaded.published["test"].histories.items, [1, 2, 3])
    np.testing.assert_array_equal(loaded.published["test"].targets.offsets, [0, 1, 3])
    assert loaded.published["test"].split == "published"


def test_a_missing_file_is_named_as_damage(tmp_path):
    write_dataset(small_dataset(20), tmp_path)
    (tmp_path / "events.parquet").unlink()
    with pytest.raises(ArtefactError, match="holds no data set"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["runs [old]", "what?", "a*"])
def test_folders_may_have_any_name(tmp_path, name):
    dataset = small_dataset(20)
    (tmp_path / name).mkdir()
    write_dataset(dataset, tmp_path / name)
    assert read_dataset(tmp_path / name).fingerprint == dataset.fingerprint
