import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.search_space import Choice, Interval, SearchSpace

MINIMAL = {"name": "x", "data": {"source": "tables"}}


def test_lists_and_mappings_are_ranges():
    space = SearchSpace.parse(
        {
            "train.learning_rate": {"low": "1e-4", "high": 0.01, "log": True},
            "llm.lora_rank": [8, 16, 32],
            "prompt.history": {"low": 10, "high": 50, "step": 10},
        }
    )
    assert space.ranges["train.learning_rate"] == Interval(1e-4, 0.01, whole=False, log=True)
    assert space.ranges["llm.lora_rank"] == Choice((8, 16, 32))
    history = space.ranges["prompt.history"]
    assert 20 in history and 25 not in history and 60 not in history and True not in history


def test_a_choice_tells_numbers_from_truth_values():
    assert 1 not in Choice((True, False)) and True in Choice((True, False))


def test_all_wrong_ranges_are_named_at_once():
    written = {
        "a.a": [1],
        "a.b": [1, 1],
        "a.c": 7,
        "a.d": {"low": 1},
        "a.e": {"low": 2, "high": 1},
        "a.f": {"low": 0, "high": 1, "log": True},
        "a.g": {"low": 1, "high": 9, "log": True, "step": 2},
        "a.h": {"low": 1, "high": 9, "step": 20},
        "a.i": {"low": "few", "high": 9},
        "a.j": {"low": 1, "hihg": 9},
        "a.k": {"low": 1, "high": 2, "log": "no"},
    }
    with pytest.raises(ConfigError) as caught:
        SearchSpace.parse(written)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == list(written)
    assert "did you mean 'high'" in str(caught.value)


keys = st.sampled_from(["low", "high", "log", "step"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=6,
)


@given(values)
def test_anything_is_a_range_or_a_config_error(value):
    try:
        space = SearchSpace.parse({"train.steps": value})
    except ConfigError as error:
        assert "train.steps" in str(error)
    else:
        assert all(
            one in space.ranges["train.steps"] for one in space.ranges["train.steps"].samples
        )


def test_a_recipe_names_every_range_that_does_not_fit_it():
    tune = {
        "train.learning_rat": {"low": 0.1, "high": 1},
        "train.learning_rate": {"low": -1, "high": 0.1},
        "train.schedule": ["cosine", "cosin"],
        "trian.steps": [1, 2],
        "train.seed": [1, 2],
        "data.core": [3, 5],
        "evaluate.split": ["last-out", "last-basket"],
        "semantic_ids.levels": [2, "three"],
    }
    with pytest.raises(ConfigError) as caught:
        Recipe.parse({**MINIMAL, "tune": tune})
    message = str(caught.value)
    assert len(message.splitlines()) == 1 + len(tune)
    assert "did you mean 'learning_rate'" in message and "did you mean 'train'" in message
    assert "learning_rate is -1" in message and "'cosin'" in message
    assert "data cannot be searched" in message and "train.seed cannot be searched" in message
    assert "'three' does not fit" in message


def test_a_recipe_without_ranges_says_how_to_declare_them():
    with pytest.raises(ConfigError, match=r"tune: \{train.learning_rate"):
        _ = Recipe.parse(MINIMAL).search_space


def test_a_recipe_knows_its_ranges_and_its_own_values():
    recipe = Recipe.parse({**MINIMAL, "tune": {"train.steps": {"low": 10, "high": 2000}}})
    assert recipe.option("train.steps") in recipe.search_space.ranges["train.steps"]
