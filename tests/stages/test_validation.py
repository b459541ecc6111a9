"""Which validation cases choose, and that every stage means the same ones."""

import pytest

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages.prefer import users_of_the_gate
from genrec.stages.validation import ValidationUsers
from genrec.training.preference_options import PreferenceConfig
from tests.small import small_dataset


def drawn(wanted: int, seed: int = 0) -> ValidationUsers:
    content = {"data": {"source": "toy_shop"}, "evaluate": {"validation_users": wanted}}
    recipe = Recipe.parse({"name": "mini", **content, "train": {"seed": seed}})
    return ValidationUsers.drawn(recipe, small_dataset(60).split("last-out")[1])


def names(cases) -> list[str]:
    return [str(user) for user in cases.histories.users]


@pytest.mark.parametrize(
    ("wanted", "training", "watched"), [(20, 20, 20), (0, 60, 30), (50, 50, 30)]
)
def test_none_asks_for_all_in_training_and_for_as_many_as_can_be_in_preference(
    wanted, training, watched
):
    users = drawn(wanted)
    look, asked = users_of_the_gate(users, PreferenceConfig())
    assert (len(users.choosing()), len(look), len(asked)) == (training, watched, 60 - watched)
    assert set(names(look)) <= set(names(users.choosing()))
    assert not set(names(look)) & set(names(asked))


def test_the_draw_is_of_the_seed_and_the_first_of_it_choose():
    users = drawn(7)
    assert sorted(names(users.in_order)[:7]) == sorted(names(users.choosing()))
    assert sorted(names(users.in_order)) == sorted(names(users.cases))
    assert names(drawn(7).in_order) == names(users.in_order)
    assert names(drawn(7, seed=1).in_order) != names(users.in_order)


def test_fewer_than_none_is_refused():
    with pytest.raises(ConfigError, match="validation_users is -1"):
        drawn(-1)
