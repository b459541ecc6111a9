import pytest

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.training.preference_options import (
    DpoConfig,
    GateConfig,
    GrpoConfig,
    PreferenceConfig,
    PreferenceFitConfig,
)

MINIMAL = {"name": "x", "data": {"source": "toy_shop"}}


def test_all_that_does_not_fit_is_told_at_once():
    with pytest.raises(ConfigError) as error:
        PreferenceConfig(
            method="dop",
            dpo=DpoConfig(beta=0, rejected_from="beam"),
            grpo=GrpoConfig(group=1, rewards={"hits": 1.0}, held_out="ndgc"),
            fit=PreferenceFitConfig(steps=0, learning_rate=0, schedule="cosin"),
            gate=GateConfig(margin=2, level=0.4),
            windows=-1,
        )
    told = str(error.value).splitlines()
    assert len(told) == 12
    for part in ("'dpo'", "'beams'", "'hit'", "'ndcg'", "'cosine'", "gate.margin is 2"):
        assert part in str(error.value)


def test_a_recipe_tells_them_beside_the_problems_of_other_sections():
    section = {"method": "grpo", "grpo": {"group": 1, "clip": 0}, "gate": {"users": 0}}
    with pytest.raises(ConfigError) as error:
        Recipe.parse({**MINIMAL, "train": {"steps": 0}, "preference": section})
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == 4
    assert sum("preference: " in line for line in lines) == 3


def test_an_unknown_key_of_a_part_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        Recipe.parse({**MINIMAL, "preference": {"grpo": {"temprature": 1.0}}})


@pytest.mark.parametrize(
    ("method", "rejected", "count"), [("dpo", 0, 1), ("sdpo", 0, 3), ("sdpo", 5, 5), ("dpo", 1, 1)]
)
def test_the_method_says_how_many_are_rejected(method, rejected, count):
    config = PreferenceConfig(method=method, dpo=DpoConfig(rejected=rejected))
    assert config.dpo.count(method) == count


@pytest.mark.parametrize(("method", "rejected"), [("dpo", 2), ("sdpo", 1)])
def test_a_number_that_belongs_to_the_other_method_is_refused(method, rejected):
    with pytest.raises(ConfigError, match=f"rejected is {rejected}"):
        PreferenceConfig(method=method, dpo=DpoConfig(rejected=rejected))


def test_what_is_optimised_cannot_be_held_out():
    with pytest.raises(ConfigError, match="hold out what is not"):
        PreferenceConfig(method="grpo", grpo=GrpoConfig(held_out="hit"))
    assert (
        PreferenceConfig(
            method="grpo", grpo=GrpoConfig(rewards={"value": 1.0}, held_out="hit")
        ).grpo.held_out
        == "hit"
    )


@pytest.mark.parametrize(
    ("rewards", "said"),
    [
        ({"hit": -1.0, "diversity": 1.0}, "hit is -1, which teaches to miss"),
        ({"rank": -0.5, "hit": 1.0}, "rank is -0.5, which teaches to miss"),
        ({"value": float("nan")}, "value is nan; it must be a number"),
        ({"hit": float("inf")}, "hit is inf; it must be a number"),
    ],
)
def test_weights_that_teach_the_wrong_thing_are_refused(rewards, said):
    with pytest.raises(ConfigError, match=said):
        PreferenceConfig(method="grpo", grpo=GrpoConfig(rewards=rewards))


def test_cheaper_items_may_be_worth_more_than_dear_ones():
    rewards = {"hit": 1.0, "value": -0.1}
    assert PreferenceConfig(method="grpo", grpo=GrpoConfig(rewards=rewards)).grpo.rewards == rewards


def test_a_checkpoint_never_stands_between_two_updates_with_the_same_draws():
    with pytest.raises(ConfigError, match="multiple"):
        PreferenceConfig(method="grpo", grpo=GrpoConfig(updates=3))


@pytest.mark.parametrize("other", [{"one_pass": {}}, {"finetune": {"copywriter": {}}}])
def test_sections_that_rule_it_out_are_named(other):
    with pytest.raises(ConfigError) as error:
        Recipe.parse({**MINIMAL, **other, "preference": {}})
    assert next(iter(other)) in str(error.value)


@pytest.mark.parametrize("name", ["finetune/beauty-dpo", "finetune/beauty-grpo"])
def test_what_goes_on_from_the_run_of_another_recipe_says_the_same_up_to_there(name):
    ours, theirs = (Recipe.load(one).model_dump() for one in (name, "beauty"))
    assert ours.pop("preference") is not None
    for told in (ours, theirs):
        del told["name"], told["tune"]
    theirs.pop("preference")
    assert ours == theirs


def test_its_fit_takes_small_steps_where_nothing_is_said():
    fit = Recipe.parse({**MINIMAL, "preference": {"fit": {"steps": 9}}}).preference.fit
    assert (fit.steps, fit.learning_rate, fit.validate_every) == (9, 1e-4, 50)
    assert fit.plain.steps == 9
