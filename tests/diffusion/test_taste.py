import numpy as np
import pytest

from genrec.diffusion.taste import taste_vector
from genrec.encoders.base import ItemVectors
from genrec.errors import InputError


@pytest.fixture
def vectors():
    rows = np.array([[3, 0], [0, 0.5], [0, 0]], np.float32)
    return ItemVectors(("mug", "lamp", "bag"), rows, np.array([True, True, False]), "x")


def test_each_item_counts_alike_whatever_its_length(vectors):
    taste = taste_vector(vectors, ["mug", "lamp"])
    np.testing.assert_allclose(taste, [0.5, 0.5])
    assert taste.dtype == np.float32


def test_items_count_as_often_as_chosen_and_as_much_as_weighed(vectors):
    np.testing.assert_allclose(taste_vector(vectors, ["mug", "mug", "mug", "lamp"]), [0.75, 0.25])
    weighed = taste_vector(vectors, ["mug", "lamp"], weights=[1, 3])
    np.testing.assert_allclose(weighed, [0.25, 0.75])


def test_items_without_a_picture_count_nothing(vectors):
    np.testing.assert_allclose(taste_vector(vectors, ["mug", "bag"]), [1, 0])
    assert taste_vector(vectors, ["bag"]) is None
    assert taste_vector(vectors, []) is None


def test_all_faults_are_told_at_once(vectors):
    with pytest.raises(InputError) as error:
        taste_vector(vectors, ["mugg", "lampe"], weights=[-1.0])
    assert len(error.value.problems) == 4
