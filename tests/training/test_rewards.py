import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.errors import ConfigError
from genrec.training.preference_options import GrpoConfig
from genrec.training.rewards import (
    ItemFacts,
    Lists,
    diversity,
    hit,
    item_facts,
    rank,
    total_reward,
    value,
)

CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]])
FACTS = ItemFacts(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), CODES[:, 0])
LISTS = Lists(
    np.array([[0, 1, 2], [3, 4, -1]]),
    np.array([[False, True, False], [False, False, False]]),
    np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]),
)


def catalog() -> Catalog:
    return Catalog(
        pl.DataFrame(
            {
                "item_id": [*"abcde"],
                "title": [*"abcde"],
                "price": [2.0, None, 6.0, 4.0, 10.0],
                "brand": ["x", "y", "x", "y", "z"],
            }
        )
    )


def test_a_hit_earns_one():
    assert hit(LISTS, FACTS).tolist() == [[0, 1, 0], [0, 0, 0]]


def test_misses_that_the_model_puts_high_cost_most_and_lists_without_a_hit_nothing():
    first, third = 1 / np.log2(2), 1 / np.log2(4)
    expected = [-first / (first + third), 0.0, -third / (first + third)]
    found = rank(LISTS, FACTS)
    assert found[0].tolist() == pytest.approx(expected)
    assert found[0].sum() == pytest.approx(-1)
    assert not found[1].any()


def test_diversity_is_the_share_of_others_of_another_kind():
    found = diversity(LISTS, FACTS)
    assert found.tolist() == [[0.5, 0.5, 1.0], [1.0, 1.0, 0.0]]


def test_rewards_add_up_with_their_weights():
    found = total_reward(LISTS, FACTS, {"hit": 2.0, "value": -1.0, "rank": 0.0})
    assert np.allclose(found, 2 * hit(LISTS, FACTS) - value(LISTS, FACTS))


def test_worth_is_scaled_between_the_catalogue_s_least_and_most_and_unknown_is_nothing():
    facts = item_facts(catalog(), CODES, GrpoConfig(rewards={"value": 1.0}))
    assert facts.worth.tolist() == [0.0, 0.0, 0.5, 0.25, 1.0]


def test_kinds_are_first_codes_or_a_column():
    own = item_facts(catalog(), CODES, GrpoConfig(rewards={"diversity": 1.0}))
    assert own.kinds.tolist() == [0, 0, 1, 1, 2]
    config = GrpoConfig(rewards={"diversity": 1.0}, diversity_by="brand")
    assert item_facts(catalog(), CODES, config).kinds.tolist() == [0, 1, 0, 1, 2]


def test_columns_that_do_not_fit_are_told_at_once():
    config = GrpoConfig(
        rewards={"value": 1.0, "diversity": 1.0}, value_of="brand", diversity_by="brnd"
    )
    with pytest.raises(ConfigError) as error:
        item_facts(catalog(), CODES, config)
    assert "'brand' holds no numbers" in str(error.value)
    assert "did you mean 'brand'" in str(error.value)


def test_columns_of_rewards_without_weight_are_not_asked_for():
    facts = item_facts(catalog(), CODES, GrpoConfig(value_of="margin"))
    assert not facts.worth.any()
