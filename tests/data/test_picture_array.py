import zipfile

import numpy as np
import pytest

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.data.picture_array import decode_pictures
from genrec.errors import InputError
from tests.small_photos import photo_bytes, photo_shop


def nothing(*_):
    pass


def test_pictures_come_squeezed_in_the_order_of_their_items(tmp_path):
    shop = photo_shop(tmp_path, 12)
    found = decode_pictures(shop, [7, 2], side=16, progress=nothing)
    assert found.pixels.shape == (2, 3, 16, 16) and found.pixels.dtype == np.uint8
    assert found.rows.tolist() == [2, 7] and found.problems == ()
    red, yellow = decode_pictures(shop, [0, 6], side=16, progress=nothing).pixels[:, :, 8, 8]
    assert red[0] > 150 > red[1] and yellow[0] > 150 < yellow[1]


def test_files_that_cannot_be_used_are_left_out_and_listed(tmp_path):
    shop = photo_shop(tmp_path, 3)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("p0.jpg", photo_bytes("red", "disc", 0))
        archive.writestr("p1.jpg", b"no picture at all")
    broken = shop.with_media(MediaFolder.at(tmp_path / "other.zip"))
    found = decode_pictures(broken, range(3), side=16, progress=nothing)
    assert found.rows.tolist() == [0]
    assert [problem.item_id for problem in found.problems] == ["p1", "p2"]
    assert "no picture" in found.problems[0].problem


def test_a_catalogue_without_usable_pictures_is_refused(tmp_path):
    shop = photo_shop(tmp_path, 2)
    with pytest.raises(InputError, match="does not say where its pictures lie"):
        decode_pictures(Catalog(shop.table), [0], side=16, progress=nothing)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="None of the 2 items"):
        decode_pictures(shop.with_media(MediaFolder(empty)), [0, 1], side=16, progress=nothing)
