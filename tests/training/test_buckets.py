import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from genrec.errors import InputError
from genrec.training.bucketed import bucketed_folder
from genrec.training.buckets import BucketBatches, bucket_sizes, fitted, nearest_bucket


def test_buckets_have_the_resolution_as_longer_side():
    assert bucket_sizes(64, step=16) == [(32, 64), (48, 64), (64, 64), (64, 48), (64, 32)]


def test_a_photo_of_three_by_four_goes_into_its_own_shape():
    assert nearest_bucket((60, 80), bucket_sizes(64, step=16)) == (48, 64)


def test_a_picture_is_cut_and_not_squeezed():
    picture = Image.new("RGB", (100, 50), "white")
    picture.paste((255, 0, 0), (25, 0, 75, 50))
    assert (fitted(picture, (32, 32)) == np.array([255, 0, 0])[:, None, None]).all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 7), st.integers(0, 9))
def test_an_epoch_has_every_row_and_every_batch_one_bucket(buckets, size, seed):
    kinds = np.array(buckets)
    batches = BucketBatches(kinds, size, seed)
    seen = set()
    for number in range(len(batches)):
        rows, _ = batches.rows_of(batches[number])
        assert len(rows) == size and len(set(kinds[rows])) == 1
        seen |= set(rows.tolist())
    assert seen == set(range(len(kinds)))


def test_another_epoch_has_another_order_and_the_same_epoch_the_same():
    batches = BucketBatches(np.zeros(50, int), 10, 0)
    first, again, later = (batches.rows_of(batch)[0] for batch in ((0, 0), (0, 0), (1, 0)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_bad_pictures_are_left_out_and_listed(tmp_path):
    Image.new("CMYK", (40, 40), (0, 200, 200, 0)).save(tmp_path / "print.jpg")
    Image.new("RGB", (40, 80), "red").save(tmp_path / "tall.png")
    Image.new("RGB", (2, 2)).save(tmp_path / "tiny.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff and then nothing")
    found = bucketed_folder(tmp_path, resolution=32)
    assert sum(len(part) for part in found.pixels) == 2
    assert sorted(problem.file for problem in found.problems) == ["broken.jpg", "tiny.png"]


def test_a_folder_without_a_usable_picture_is_refused_with_all_reasons(tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"nothing")
    (tmp_path / "two.jpg").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        bucketed_folder(tmp_path, resolution=32)
    assert len(caught.value.problems) == 2
