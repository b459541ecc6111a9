"""Every format of data that is read, damaged: read as far as it goes, or refused with reasons."""

import pytest

from genrec.data.dataset import Dataset
from tests.data.sources.test_downloads import CASES
from tests.fuzz.damage import check_reader

PUBLIC = {name: case for name, case in CASES.items() if name != "movielens 32m"}


@pytest.mark.parametrize("case", PUBLIC)
def test_a_damaged_download_is_read_or_refused(case, tmp_path):
    write, source, options = PUBLIC[case]
    write(tmp_path)
    check_reader(tmp_path, lambda folder: Dataset.load(source, folder=folder, **options))
