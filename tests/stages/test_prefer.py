import json
import shutil

import numpy as np
import pytest

from genrec.data.dataset import Dataset
from genrec.encoders.base import ItemVectors
from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.stages import pipeline
from genrec.stages.prefer import prefer, users_of_the_gate
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Observer, Run
from genrec.stages.train import train
from genrec.stages.validation import ValidationUsers
from genrec.workspace import Workspace
from tests.small import ITEMS, small_dataset, small_index, small_vectors

RECIPE = {
    "name": "mini",
    "data": {"source": "toy_shop"},
    "llm": {"name": "tiny", "adapt": "full"},
    "packing": {"row_tokens": 128},
    "train": {"steps": 6, "batch_size": 4, "learning_rate": 0.003, "validate_every": 6},
    "evaluate": {"validation_users": 20},
}
FIT = {"steps": 4, "batch_size": 8, "validate_every": 2, "checkpoint_every": 2, "warmup_steps": 0}
LEARNS = {
    "method": "dpo",
    # Held to what was chosen so strongly that it is mostly learning more.
    "dpo": {"anchor": 5.0, "rejected_from": "batch"},
    "fit": {**FIT, "steps": 12, "batch_size": 16, "learning_rate": 0.003, "validate_every": 6},
    "gate": {"margin": 0.9},
}
# One step this long leaves nothing of what was learned.
SPOILT = {
    "method": "sdpo",
    "fit": {**FIT, "learning_rate": 0.3, "steps": 2},
    "gate": {"margin": 0.9},
}


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return small_dataset(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


def gone_through(shop, folder, preference=None, **sections) -> tuple[Run, GenerativeRecommender]:
    """Training and, where the recipe says so, preference; what is up to date is used again."""
    content = {**RECIPE, **sections}
    if preference is not None:
        content["preference"] = preference
    run = Run(Recipe.parse(content), Workspace(folder))
    run.keys |= {"dataset": "data", "semantic_ids": "ids", "item_vectors": "vectors"}
    run.workspace.record("artefacts", {"dataset": {"key": "data"}})
    vectors = ItemVectors(tuple(shop.catalog.ids), small_vectors(), np.ones(ITEMS, bool), "drawn")
    training, _ = shop.split("last-out")
    recommender = train(run, training, small_index(), vectors)
    if preference is not None:
        recommender = prefer(run, recommender, training)
    return run, recommender


def decision(run: Run) -> dict:
    return json.loads((run.path("preference") / "decision.json").read_text())


def lists(recommender, shop) -> np.ndarray:
    return recommender.rank(shop.sequences.take(np.arange(12)), 10).items


def stored(run: Run, name: str, shop) -> np.ndarray:
    return lists(GenerativeRecommender.load(run.path(name), shop.catalog), shop)


@pytest.fixture(scope="module")
def plain(shop, folder):
    return gone_through(shop, folder)


@pytest.fixture(scope="module")
def refused(plain, shop, folder):
    return gone_through(shop, folder, SPOILT)


@pytest.fixture(scope="module")
def went_on(refused, folder, tmp_path_factory):
    """A copy: what was refused is looked at in whatever order tests run."""
    place = tmp_path_factory.mktemp("went-on") / "run"
    shutil.copytree(folder, place)
    return place


@pytest.fixture(scope="module")
def promoted(went_on, shop):
    return gone_through(shop, went_on, LEARNS)


def test_a_spoilt_model_is_refused_and_kept_under_another_name(plain, refused, shop):
    run, recommender = refused
    gate = decision(run)["gate"]
    assert gate["promoted"] is False
    assert gate["new"] < gate["old"]
    assert gate["users"] == 40
    before = lists(plain[1], shop)
    assert np.array_equal(lists(recommender, shop), before)
    assert np.array_equal(stored(run, "recommender", shop), before)
    assert not np.array_equal(stored(run, "refused", shop), before)
    assert run.keys["recommender"] == plain[0].keys["recommender"]


def test_a_better_model_is_promoted_and_the_trained_one_kept(plain, promoted, shop):
    run, recommender = promoted
    told = decision(run)
    assert told["gate"]["promoted"] is True
    assert told["gate"]["new"] > told["gate"]["old"]
    assert told["invalid_draws"] == 0
    assert [one["step"] for one in told["course"]["measured"]] == [0, 6, 12]
    assert np.array_equal(stored(run, "sft", shop), lists(plain[1], shop))
    assert np.array_equal(stored(run, "recommender", shop), lists(recommender, shop))
    assert run.keys["recommender"] != plain[0].keys["recommender"]
    assert run.workspace.run["artefacts"]["recommender"]["key"] == run.keys["recommender"]


def test_a_second_run_uses_the_decision_again(promoted, shop, went_on):
    run, recommender = promoted
    written = (run.path("preference") / "decision.json").stat().st_mtime_ns
    again, kept = gone_through(shop, went_on, LEARNS)
    assert (again.path("preference") / "decision.json").stat().st_mtime_ns == written
    assert np.array_equal(lists(kept, shop), lists(recommender, shop))
    assert again.keys["recommender"] == run.keys["recommender"]


def test_what_is_promoted_is_what_other_commands_open(promoted, shop, went_on, monkeypatch):
    run, recommender = promoted
    monkeypatch.setattr("genrec.stages.recommend.stored_data", lambda _run: shop)
    _, opened = open_recommender(run)
    assert np.array_equal(lists(opened, shop), lists(recommender, shop))


def test_the_pipeline_learns_between_training_and_evaluation(promoted, shop, went_on, monkeypatch):
    run, _ = promoted
    seen, notes = [], []

    class Watch(Observer):
        def finished(self, stage, note, seconds, *, reused):
            seen.append((stage, reused))
            notes.append(note)

    def load_data(run):
        run.keys |= {"dataset": "data", "semantic_ids": "ids", "item_vectors": "vectors"}
        return shop

    monkeypatch.setattr(pipeline, "load_data", load_data)
    monkeypatch.setattr(pipeline, "encode", lambda _run, _data: None)
    monkeypatch.setattr(pipeline, "build_ids", lambda *_: small_index())
    monkeypatch.setattr(pipeline, "vectors_of_ids", lambda *_: None)
    assert pipeline.run_recipe(run.recipe, Workspace(went_on), Watch(), until="prefer") is None
    assert seen == [("Train tiny", True), ("Learn by dpo", True)]
    assert notes[1].startswith("promoted: NDCG@10 of ") and ", not worse: +" in notes[1]
    assert "step 12: optimised 0.5000 to " in notes[1] or "step 6: optimised 0.5000 to " in notes[1]
    seen.clear()
    pipeline.run_recipe(run.recipe, Workspace(went_on), Watch(), until="train")
    assert seen == [("Train tiny", True)]


def test_rewards_of_columns_that_are_not_there_are_refused_before_training(
    shop, tmp_path, monkeypatch
):
    monkeypatch.setattr(pipeline, "load_data", lambda _run: shop)
    wrong = {"method": "grpo", "grpo": {"rewards": {"value": 1.0}, "value_of": "margin"}}
    recipe = Recipe.parse({**RECIPE, "preference": wrong})
    with pytest.raises(ConfigError, match=r"grpo\.value_of: the catalogue has no 'margin'"):
        pipeline.run_recipe(recipe, Workspace(tmp_path), until="load_data")


def test_a_group_of_more_than_all_items_is_refused_before_training(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "load_data", lambda _run: shop)
    wrong = {"method": "grpo", "grpo": {"group": len(shop.catalog) + 1}}
    recipe = Recipe.parse({**RECIPE, "preference": wrong})
    with pytest.raises(ConfigError, match=r"grpo\.group is .*, and there are .* items"):
        pipeline.run_recipe(recipe, Workspace(tmp_path), until="load_data")


def test_a_run_killed_before_the_decision_was_written_comes_to_the_same_one(
    promoted, shop, went_on
):
    run, recommender = promoted
    told = decision(run)
    (run.path("preference") / "artefact.json").unlink()
    again, kept = gone_through(shop, went_on, LEARNS)
    assert decision(again) == told
    assert np.array_equal(lists(kept, shop), lists(recommender, shop))


def test_without_the_section_the_trained_model_takes_its_place_again(
    promoted, plain, shop, tmp_path
):
    import shutil

    shutil.copytree(promoted[0].workspace.folder, tmp_path / "copy")
    run, recommender = gone_through(shop, tmp_path / "copy")
    assert np.array_equal(stored(run, "recommender", shop), lists(plain[1], shop))
    assert np.array_equal(lists(recommender, shop), lists(plain[1], shop))
    assert run.keys["recommender"] == plain[0].keys["recommender"]


def test_a_hybrid_s_generating_half_learns_too_by_its_adapter(shop, tmp_path):
    short = {**FIT, "steps": 1, "validate_every": 1, "checkpoint_every": 0}
    run, recommender = gone_through(
        shop,
        tmp_path,
        {"method": "dpo", "fit": short, "gate": {"margin": 0.9}},
        hybrid={"tune": False},
        llm={"name": "tiny", "adapt": "lora"},
        train={"steps": 2, "batch_size": 4, "validate_every": 2},
    )
    place = "recommender" if decision(run)["gate"]["promoted"] else "refused"
    taught = GenerativeRecommender.load(run.path(place), shop.catalog)
    start = run.path("sft" if place == "recommender" else "recommender")
    before = GenerativeRecommender.load(start, shop.catalog)
    histories = shop.sequences.take(np.arange(6))
    prompts = [taught.prompt.tokens(history) for history in histories]
    rules = recommender.trie

    def scores(one):
        one.backbone.eval()
        return one.search(prompts, rules, beams=ITEMS).scores

    assert taught.hybrid is not None
    assert not np.allclose(scores(taught), scores(before), atol=1e-6)


@pytest.mark.parametrize("refit", [False, True])
def test_a_hybrid_is_weighed_anew_on_the_same_users_unless_it_knows_them(shop, tmp_path, refit):
    run, _ = gone_through(
        shop,
        tmp_path,
        SPOILT,
        hybrid={"transitions": False},
        evaluate={**RECIPE["evaluate"], "refit": refit},
    )
    assert not decision(run)["gate"]["promoted"]
    trained, taught = (
        GenerativeRecommender.load(run.path(name), shop.catalog)
        for name in ("recommender", "refused")
    )
    kept = taught.hybrid.weights
    assert decision(run)["weights"] == list(kept)
    assert (kept == trained.hybrid.weights) == refit
    _, validation = shop.split("last-out")[0].split("last-out")
    taught.tune(ValidationUsers.drawn(run.recipe, validation).in_order)
    assert (kept == taught.hybrid.weights) != refit


def test_the_gate_asks_others_than_those_that_are_watched(shop):
    _, validation = shop.split("last-out")
    recipe = Recipe.parse({**RECIPE, "preference": {"gate": {"users": 30}}})
    users = ValidationUsers.drawn(recipe, validation)
    watched, asked = users_of_the_gate(users, recipe.preference)
    assert (len(watched), len(asked)) == (20, 30)
    assert not set(watched.histories.users) & set(asked.histories.users)
    with pytest.raises(InputError, match="1 validation cases"):
        alone = ValidationUsers.drawn(recipe, validation.take(np.arange(1)))
        users_of_the_gate(alone, recipe.preference)
