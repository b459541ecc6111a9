import numpy as np
import pytest

from genrec.data.dataset import Dataset
from genrec.encoders import ItemVectors
from genrec.encoders.modalities import encode_modalities, encoders_of, joined
from genrec.encoders.options import EncodeConfig, MediaEncoderConfig
from genrec.errors import ConfigError
from tests.small_towers import vision_folder


def vectors(rows, mask, name="f"):
    ids = tuple(str(n) for n in range(len(rows)))
    return ItemVectors(ids, np.array(rows, np.float32), np.array(mask), name)


def test_one_kind_is_taken_as_it_is():
    only = vectors([[3, 4]], [True])
    assert joined({"text": only}) is only


def test_kinds_weigh_alike_whatever_their_lengths():
    both = joined({"text": vectors([[3, 4]], [True]), "image": vectors([[0, 50]], [True])})
    np.testing.assert_allclose(both.vectors, [[0.6, 0.8, 0, 1]], atol=1e-6)


def test_a_missing_part_is_the_mean_of_those_that_are_there_and_no_zero():
    text = vectors([[1, 0], [0, 1], [1, 0]], [True, True, False])
    image = vectors([[1, 0], [9, 9], [7, 7]], [True, False, False])
    both = joined({"text": text, "image": image})
    np.testing.assert_allclose(both.vectors[1], [0, 1, 1, 0], atol=1e-6)
    assert both.mask.tolist() == [True, True, False]
    np.testing.assert_array_equal(both.vectors[2], 0)


def test_a_recipe_that_encodes_nothing_is_refused():
    with pytest.raises(ConfigError, match="encodes nothing"):
        encoders_of(EncodeConfig(model=""))


def test_pictures_alone_can_be_encoded(tmp_path):
    shop = Dataset.load("toy_shop", items=40, shoppers=2, image_folder=tmp_path / "pictures")
    tower = vision_folder("vit", tmp_path / "vit")
    config = EncodeConfig(model="", image=MediaEncoderConfig(str(tower)))
    told = []
    found = encode_modalities(
        config, shop.catalog, cache=tmp_path / "c", progress=lambda d, t: told.append((d, t))
    )
    assert list(found) == ["image"]
    assert found["image"].mask.all()
    assert told[-1] == (40, 40)
