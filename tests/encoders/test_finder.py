import numpy as np
import pytest

from genrec.encoders.finder import RANK_OFFSET, Finder, fused
from genrec.encoders.image import ImageEncoder
from genrec.errors import ConfigError, InputError
from tests.small_sight import COLOURS, picture, seen_catalog
from tests.small_towers import vision_folder


def test_ranks_add_up_and_what_stands_in_both_lists_comes_first():
    found = fused({"a": np.array([5, 1, 2]), "b": np.array([9, 1])})
    assert [one.item for one in found] == [1, 5, 9, 2]
    assert found[0].score == pytest.approx(2 / (2 + RANK_OFFSET))
    assert found[0].ranks == {"a": 2, "b": 2}


@pytest.fixture
def shop(tmp_path):
    catalog = seen_catalog(tmp_path / "pictures", 6, colours=list(COLOURS))
    encoder = ImageEncoder(vision_folder("clip", tmp_path / "clip"), cache=tmp_path / "cache")
    return Finder.of({"image": encoder}, {"image": encoder.encode(catalog)})


def test_a_picture_finds_itself_first(shop):
    for place, colour in enumerate(COLOURS):
        found = shop.find(picture=picture(colour), n=3)
        assert found[0].item == place
        assert list(found[0].ranks) == ["picture in pictures"]
        assert len(found) == 3


def test_words_and_a_picture_are_asked_of_both(shop):
    found = shop.find("red mug", picture("red"), n=6)
    assert len(found) == 6
    assert set(found[0].ranks) == {"words in pictures", "picture in pictures"}


def test_only_allowed_items_are_found(shop):
    allowed = np.array([False, True, False, False, True, False])
    assert {one.item for one in shop.find(picture=picture("red"), allowed=allowed)} == {1, 4}


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_asked_is_refused(shop, text):
    with pytest.raises(InputError, match="Nothing was asked"):
        shop.find(text)


def test_a_broken_picture_is_refused(shop):
    with pytest.raises(InputError, match="cannot be used"):
        shop.find(picture=b"broken")


def test_a_question_that_no_encoder_can_compare_is_told_so(tmp_path):
    catalog = seen_catalog(tmp_path / "pictures", 6, colours=list(COLOURS))
    encoder = ImageEncoder(vision_folder("vit", tmp_path / "vit"), cache=tmp_path / "cache")
    finder = Finder.of({"image": encoder}, {"image": encoder.encode(catalog)})
    with pytest.raises(ConfigError, match="it has image"):
        finder.find("red mug")
