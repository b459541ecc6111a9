"""What is called idle changes nothing in a training, and what is not called so does."""

import numpy as np
import pytest

from genrec.cli.run import tell_idle
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.one_pass import OnePassRecommender
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.shipped import RECIPES, shipped_names
from genrec.stages.idle_options import idle_options
from tests.small import small_catalog, small_dataset, small_index, small_vectors
from tests.small_hybrid import vectors_of

SMALL = [
    "llm.name=tiny", "llm.adapt=full", "train.steps=2", "train.batch_size=4",
    "packing.row_tokens=256", "train.learning_rate=3.0e-3", "semantic_ids.codebook_size=8",
]  # fmt: skip


def recipe(*overrides: str) -> Recipe:
    content = {"name": "small", "data": {"source": "toy_shop"}}
    return Recipe.parse(content, overrides=[*SMALL, *overrides])


@pytest.mark.parametrize("name", shipped_names(RECIPES))
def test_no_shipped_recipe_says_what_has_no_effect(name):
    assert idle_options(Recipe.load(name)) == []


def lists(chosen: Recipe, folder) -> tuple[np.ndarray, np.ndarray]:
    """Items and scores of a recommender that is trained by the recipe, weighed where it asks."""
    dataset = small_dataset(40)
    if chosen.one_pass is not None:
        trained = OnePassRecommender.train(
            chosen.llm,
            dataset,
            small_index(),
            one_pass=chosen.one_pass,
            config=chosen.generative,
            folder=folder,
        )
    else:
        trained = GenerativeRecommender.train(
            chosen.llm,
            dataset,
            small_index(),
            config=chosen.generative,
            vectors=vectors_of(dataset),
            folder=folder,
        )
    cases = dataset.split("last-out")[1]
    if chosen.hybrid is not None and chosen.hybrid.tune:
        trained.tune(cases)
    ranking = trained.rank(cases.histories.take(np.arange(8)), 5)
    return ranking.items, ranking.scores


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "option", "told"),
    [
        ("llm.adapt=full", "llm.lora_rank=2", True),
        ("llm.adapt=full", "llm.lora_rows=false", True),
        ("llm.adapt=lora", "llm.lora_rank=2", False),
        ("llm.adapt=lora", "llm.gate=learned", True),
        ("llm.adapt=lora", "prompt.soft_tokens=2", True),
        ("llm.adapt=prompt", "prompt.soft_tokens=2", False),
        ("llm.name=tiny", "llm.hidden_dropout=0.5", False),
        ("one_pass={}", "packing.generate_weight=0.3", True),
        ("one_pass={}", "packing.negatives=3", True),
        ("one_pass={}", "packing.label_smoothing=0.3", False),
        ("hybrid.table=null", "packing.spelled=0.2", True),
        ("hybrid.table=null", "packing.dense_weight=0.2", True),
        ("hybrid={}", "packing.spelled=0.2", False),
        ("hybrid={}", "packing.negatives=3", False),
        ("llm.pictures=0", "packing.picture_dropout=0.9", True),
        ("prompt.features=[]", "packing.feature_dropout=0.9", True),
        ("prompt.features=[gap]", "packing.feature_dropout=0.9", False),
        ("tasks.next_item=1", "packing.text_weight=9", True),
        ("tasks.next_item=1", "tasks.task_words=9", True),
        ("tasks.id_to_title=1", "packing.text_weight=9", False),
        ("decode.strategy=best", "decode.diversity=9", True),
        ("decode.strategy=diverse", "decode.diversity=9", False),
        ("decode.strategy=best", "decode.seed=9", True),
        ("decode.strategy=diverse", "decode.temperature=9", True),
        ("decode.strategy=sample", "decode.seed=9", False),
        ("decode.exact=true", "decode.beams=5", True),
        ("decode.exact=false", "decode.beams=1", False),
        ("hybrid={}", "hybrid.generate=0.9", True),
        ("hybrid.tune=false", "hybrid.generate=0.9", False),
        ("hybrid.tune=false", "hybrid.new_item_cost=0.5", True),
        ("hybrid.transitions=false", "hybrid.decay=0.1", True),
        ("hybrid.tune=false", "hybrid.decay=0.1", False),
        ("train.validate_every=0", "train.patience=1", True),
    ],
)
def test_what_is_told_changes_nothing_and_the_rest_something(choice, option, told, tmp_path):
    without, given = recipe(choice), recipe(choice, option)
    path = option.partition("=")[0]
    assert any(line.startswith(f"{path}: ") for line in idle_options(given)) is told
    assert not any(line.startswith(f"{path}: ") for line in idle_options(without))
    before, after = lists(without, tmp_path / "without"), lists(given, tmp_path / "given")
    same = all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert same is told


@pytest.mark.parametrize(
    ("quantizer", "option", "told"),
    [
        ("residual-kmeans", "rqvae={latent: 4, epochs: 12}", True),
        ("rq-vae", "rqvae={latent: 4, epochs: 12}", False),
        ("residual-kmeans", "rotation=false", True),
        ("opq", "rotation=false", False),
    ],
)
def test_options_of_another_quantiser_are_idle(quantizer, option, told):
    chosen = "semantic_ids.quantizer=" + quantizer
    without, given = recipe(chosen), recipe(chosen, f"semantic_ids.{option}")
    assert (idle_options(given) != []) is told
    before, after = (
        SemanticIdTokenizer(one.semantic_ids).fit(small_catalog(), small_vectors()).codes
        for one in (without, given)
    )
    assert np.array_equal(before, after) is told


def test_the_reason_stands_beside_the_value():
    told = idle_options(
        recipe(
            "llm.lora_rank=2",
            "evaluate.validation_users=9",
            "semantic_ids.rqvae.latent=8",
            "llm.start_from=runs/other",
        )
    )
    assert told == [
        "llm.lora_rank: 2 (llm.adapt is full, which has no LoRA)",
        "evaluate.validation_users: 9 (nothing is chosen on validation cases)",
        "semantic_ids.codebook_size: 8 (llm.start_from brings the semantic IDs of its run)",
        "semantic_ids.rqvae: {latent: 8} (llm.start_from brings the semantic IDs of its run)",
    ]


def test_a_search_over_what_is_idle_is_told_unless_the_choice_is_searched_too():
    ranges = "tune={llm.lora_rank: [2, 4], semantic_ids.rqvae.latent: [8, 16]}"
    told = [line.partition(" (")[0] for line in idle_options(recipe(ranges))]
    assert told == ["tune.llm.lora_rank", "tune.semantic_ids.rqvae.latent"]
    both = "tune={llm.lora_rank: [2, 4], llm.adapt: [lora, full]}"
    assert idle_options(recipe(both, "llm.lora_rank=8")) == []


def test_other_trainings_have_rules_of_their_own():
    assert idle_options(Recipe.load("finetune/copywriter", ["decode.seed=3"])) == []


def test_it_is_said_on_stderr_unless_quiet(capsys):
    idle = recipe("decode.seed=3")
    tell_idle(idle, quiet=True)
    tell_idle(recipe(), quiet=False)
    assert capsys.readouterr().err == ""
    tell_idle(idle, quiet=False)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "Without effect in this recipe:\n  - decode.seed: 3 (decode.strategy is best, not sample)\n"
    )
