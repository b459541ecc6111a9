import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.sources import available_sources
from genrec.errors import ConfigError
from genrec.evaluation.controls import CONTROLS
from genrec.recipe import Recipe
from genrec.shipped import RECIPES, shipped_file, shipped_names

MINIMAL = {"name": "x", "data": {"source": "tables"}}
NAMES = shipped_names(RECIPES)


def test_recipes_are_shipped():
    assert len(NAMES) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_loads_and_names_things_that_exist(name):
    recipe = Recipe.load(name)
    assert recipe.data.source in available_sources()
    assert all(control in CONTROLS for control in recipe.evaluate.against)


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_opens_with_what_cost_figure_and_command(name):
    head = [
        line for line in shipped_file(RECIPES, name).read_text().splitlines() if line[:1] == "#"
    ]
    text = "\n".join(head)
    assert all(word in text for word in ("Data:", "Cost:", "Expect:", "Command: genrec"))
    assert head[0].endswith("."), "the first line alone stands in `genrec ls recipes`"


def test_no_two_shipped_recipes_share_a_run_s_folder():
    names = [Recipe.load(name).name for name in NAMES]
    assert sorted(names) == sorted(set(names))


def test_overrides_reach_their_option():
    recipe = Recipe.load("quickstart", ["train.steps=7", "evaluate.against=[popular]"])
    assert recipe.train.steps == 7
    assert recipe.evaluate.against == ["popular"]


@pytest.mark.parametrize("order", [1, -1])
def test_an_option_makes_its_section_whatever_is_said_of_the_section_beside_it(order):
    overrides = ["hybrid.generate=0.3", "hybrid={tune: false}", "preference.gate.margin=0.2"]
    content = {**MINIMAL, "hybrid": None, "preference": {"gate": None}}
    recipe = Recipe.parse(content, overrides=overrides[::order])
    assert (recipe.hybrid.generate, recipe.hybrid.tune) == (0.3, False)
    assert recipe.preference.gate.margin == 0.2


def test_the_generative_options_are_the_recipe_s():
    recipe = Recipe.parse({**MINIMAL, "train": {"steps": 5}, "decode": {"beams": 3}})
    assert (recipe.generative.fit.steps, recipe.generative.decode.beams) == (5, 3)


def test_all_problems_are_named_at_once():
    content = {**MINIMAL, "trian": {}, "llm": {"lora_rnk": 3}, "train": {"steps": "many"}}
    with pytest.raises(ConfigError) as caught:
        Recipe.parse(content)
    message = str(caught.value)
    assert "did you mean 'train'" in message
    assert "did you mean 'lora_rank'" in message
    assert "'many'" in message


def test_what_sections_say_of_themselves_joins_the_other_problems():
    content = {
        "name": "x",
        "data": {"source": "tabels"},
        "train": {"steps": "abc"},
        "decode": {"strategy": "divers"},
        "evaluate": {"against": ["populr"]},
    }
    with pytest.raises(ConfigError) as caught:
        Recipe.parse(content)
    for part in ("'tables'", "'abc'", "'diverse'", "'popular'"):
        assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 5


def test_a_value_that_does_not_fit_its_range_is_named():
    with pytest.raises(ConfigError, match="steps is 0"):
        Recipe.parse({**MINIMAL, "train": {"steps": 0}})


@pytest.mark.parametrize("override", ["steps", "=3", "train..steps=1", "name.x=1", "train.steps={"])
def test_overrides_that_are_none_are_refused(override):
    with pytest.raises(ConfigError):
        Recipe.load("quickstart", [override])


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "", "\x00"])
def test_files_that_are_no_recipe_are_refused(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError):
        Recipe.load(tmp_path / "r.yaml")


def test_a_recipe_of_one_s_own_is_named_by_its_path(tmp_path):
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(MINIMAL))
    assert Recipe.load(tmp_path / "r.yaml").name == "x"
    with pytest.raises(ConfigError, match=r"ending in \.yaml"):
        Recipe.load("r")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(Recipe.model_fields)), values))
def test_any_mapping_is_a_recipe_or_a_config_error(content):
    try:
        assert isinstance(Recipe.parse(content), Recipe)
    except ConfigError as error:
        assert str(error)


def test_a_warm_up_as_long_as_the_training_is_refused():
    with pytest.raises(ConfigError, match="warm_rows_steps is 50 and train.steps 50: the LLM"):
        Recipe.load("toy-shop", ["train.steps=50", "train.warm_rows_steps=50"])
    assert Recipe.load("toy-shop", ["train.steps=51", "train.warm_rows_steps=50"])


@pytest.mark.parametrize("name", ["pretrain/toy-shop", "finetune/copywriter"])
def test_rows_of_new_tokens_are_no_matter_of_other_trainings(name):
    with pytest.raises(ConfigError) as caught:
        Recipe.load(name, ["train.warm_rows_steps=1", "train.rows_learning_rate=1e-2"])
    assert "train.warm_rows_steps is 1" in str(caught.value)
    assert "train.rows_learning_rate is 0.01" in str(caught.value)


def test_options_of_the_recommender_that_do_not_fit_are_told_together():
    with pytest.raises(ConfigError) as caught:
        Recipe.load("toy-shop", ["train.rows_learning_rate=1e-2", "prompt.group_by=kind"])
    for said in ("rows_learning_rate is 0.01", "group_by is 'kind'"):
        assert said in str(caught.value)


def test_names_where_a_list_is_meant_are_answered_by_the_list():
    said = r"evaluate.against: it is 'popular,sasrec' and must be a list: \[popular,sasrec\]"
    with pytest.raises(ConfigError, match=said):
        Recipe.load("toy-shop", ["evaluate.against=popular,sasrec"])


def test_a_range_is_changed_by_the_path_of_its_option():
    words = ["tune.train.learning_rate.low=1e-3", "tune.packing.embedding_dropout=[0.2,0.4]"]
    ranges = Recipe.load("beauty", words).search_space.ranges
    assert ranges["train.learning_rate"].low == 0.001
    assert ranges["train.learning_rate"].high == 0.005
    assert ranges["packing.embedding_dropout"].values == (0.2, 0.4)
    assert "llm.hidden_dropout" in ranges
    alone = Recipe.load("toy-shop", ["tune.train.steps.low=5", "tune.train.steps.high=9"])
    assert alone.search_space.ranges["train.steps"].samples == (5, 9)


def test_an_unknown_quantiser_is_refused_with_the_recipe():
    with pytest.raises(ConfigError, match="no quantizer 'rqvae'; did you mean 'rq-vae'"):
        Recipe.load("toy-shop", ["semantic_ids.quantizer=rqvae"])
