"""A search with real, small trainings on the toy shop."""

import json
import signal
import time

import polars as pl
import pytest
import yaml

from genrec.data.dataset import Dataset
from genrec.errors import ArtefactError, ConfigError
from genrec.recipe import Recipe
from genrec.stages.run import Observer, Run
from genrec.stages.tune import Search, _identity, tune
from genrec.stages.tune_results import write_results
from genrec.stages.tune_study import Ended, Study
from genrec.workspace import Workspace, write_artefact
from tests import own_process
from tests.command_line import genrec
from tests.small import small_dataset

CONTENT = {
    "name": "toy",
    "data": {"source": "toy_shop", "options": {"items": 60, "shoppers": 40}},
    "encode": {"model": "minilm"},
    "semantic_ids": {"levels": 2, "codebook_size": 32},
    "llm": {"name": "tiny", "adapt": "full"},
    "prompt": {"history": 10},
    "packing": {"row_tokens": 64},
    "train": {
        "steps": 6, "batch_size": 4, "learning_rate": 0.003, "validate_every": 2,
        "checkpoint_every": 2,
    },
    "evaluate": {"validation_users": 20, "against": ["popular"]},
    "tune": {
        "train.learning_rate": {"low": 0.0003, "high": 0.01, "log": True},
        "packing.embedding_dropout": [0.0, 0.3],
    },
}  # fmt: skip


class Interrupt(Observer):
    """Presses Ctrl-C at the n-th training step that it sees."""

    def __init__(self, at):
        self.left = at

    def progressed(self, stage, done, total, note=""):
        if stage.startswith("Trial"):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, tune(CONTENT, Workspace(folder), Search(trials=4, pruner="none"))


def shown(outcome):
    return [(one.state, one.values, one.figures) for one in outcome.trials]


def test_the_first_trial_is_the_recipe_and_all_lie_in_the_ranges(whole):
    _, outcome = whole
    assert outcome.trials[0].values == {
        "train.learning_rate": 0.003,
        "packing.embedding_dropout": 0.0,
    }
    ranges = Recipe.parse(CONTENT).search_space.ranges
    assert all(one.values[path] in ranges[path] for one in outcome.trials for path in ranges)
    assert len({str(one.values) for one in outcome.trials}) == 4
    assert all(list(one.figures) == [2, 4, 6] for one in outcome.trials)


def test_every_figure_is_in_the_tables_and_the_plot_is_there(whole):
    folder, outcome = whole
    table = pl.read_parquet(outcome.table)
    assert table.height == 4 and set(table["state"]) == {"complete"}
    assert table["ndcg@10"].max() == outcome.best.best
    assert table["seconds"].min() > 0 and table["trained_numbers"].min() > 1000
    assert pl.read_csv(folder / "trials.csv").height == 4
    assert pl.read_parquet(folder / "validations.parquet").height == 12
    assert "<svg" in (folder / "trials.svg").read_text()
    assert not any((folder / "trials").iterdir())


def test_the_best_is_a_recipe_that_runs(whole):
    _, outcome = whole
    text = outcome.recipe.read_text()
    assert all(
        word in text for word in ("# Data:", "# Cost:", "# Expect:", "# Command: genrec run")
    )
    best = Recipe.load(outcome.recipe)
    assert (best.name, best.tune) == ("toy-tuned", None)
    assert best.option("train.learning_rate") == outcome.best.values["train.learning_rate"]
    assert best.data == Recipe.parse(CONTENT).data


def test_a_search_that_was_stopped_goes_on_to_the_same_figures(whole, tmp_path):
    _, outcome = whole
    with pytest.raises(KeyboardInterrupt):
        # In the third trial, after a checkpoint and one validation.
        tune(CONTENT, Workspace(tmp_path), Search(4, pruner="none"), Interrupt(6 + 6 + 4))
    assert (tmp_path / "trials" / "0002" / "checkpoints" / "fit" / "checkpoint-2").is_dir()
    again = tune(CONTENT, Workspace(tmp_path), Search(4, pruner="none"))
    assert shown(again) == shown(outcome)


def test_more_trials_add_to_those_that_are_there(whole):
    folder, outcome = whole
    more = tune(CONTENT, Workspace(folder), Search(5, pruner="none"))
    assert shown(more)[:4] == shown(outcome) and len(more.trials) == 5


def test_another_recipe_does_not_go_on_in_the_same_folder(whole):
    folder, _ = whole
    other = {**CONTENT, "prompt": {"history": 9}}
    with pytest.raises(ConfigError, match="another recipe, other ranges or other data"):
        tune(other, Workspace(folder), Search(6))


@pytest.mark.parametrize("what", ["an LLM in a folder", "an earlier run", "profiles"])
def test_a_search_knows_what_its_trials_are_made_from(tmp_path, what):
    training = small_dataset(5)

    def identity(written):
        content = dict(CONTENT)
        if what == "profiles":
            content |= {"tasks": {"preference_summary": 0.1}, "profiles": {"visits": written}}
        elif what == "an earlier run":
            with write_artefact(tmp_path / "earlier" / "recommender", "recommender") as folder:
                (folder / "weights").write_text(str(written))
            content |= {"llm": {"start_from": str(tmp_path / "earlier")}}
        else:
            (tmp_path / "llm").mkdir(exist_ok=True)
            (tmp_path / "llm" / "config.json").write_text(str(written))
            content |= {"llm": {"name": str(tmp_path / "llm")}}
        return _identity(Run(Recipe.parse(content), Workspace(tmp_path / "search")), training)

    assert identity(4) == identity(4)
    assert identity(4) != identity(5)


def test_the_test_cases_change_no_figure(tmp_path):
    shop = Dataset.load("toy_shop", **CONTENT["data"]["options"])

    def saved(name, events):
        users = pl.Series(shop.users.tolist())
        ids = pl.Series(shop.catalog.ids)
        table = events.select(
            users.gather(events["user"]).alias("user_id"),
            ids.gather(events["item"]).alias("item_id"),
            "time",
        )
        table.write_parquet(tmp_path / f"{name}.parquet")
        catalog = shop.catalog.table.select("item_id", "title")
        catalog.write_parquet(tmp_path / "items.parquet")
        files = {"interactions": str(tmp_path / f"{name}.parquet")}
        options = {**files, "items": str(tmp_path / "items.parquet"), "name": "same"}
        content = {**CONTENT, "data": {"source": "tables", "options": options}}
        return tune(content, Workspace(tmp_path / name), Search(1, pruner="none"))

    last = pl.int_range(pl.len()).over("user") == pl.len().over("user") - 1
    other = (pl.col("item") + 7) % len(shop.catalog)
    changed = shop.events.with_columns(
        pl.when(last).then(other).otherwise("item").cast(pl.UInt32).alias("item")
    )
    assert changed["item"].to_list() != shop.events["item"].to_list()
    assert shown(saved("as_it_is", shop.events)) == shown(saved("other_tests", changed))


def test_a_trial_below_the_median_of_the_others_is_hopeless(tmp_path):
    space = Recipe.parse(CONTENT).search_space
    study = Study(tmp_path, space, identity="x", seed=0, pruner="median", steps=(6, 2))
    first = {"train.learning_rate": 0.003, "packing.embedding_dropout": 0.0}
    for figure in (0.1, 0.2, 0.3, 0.4):
        trial = study.begin(first)
        assert not trial.is_hopeless(2, figure)
        trial.end("complete")
    trial = study.begin(first)
    assert not trial.is_hopeless(2, 0.26)
    trial.end("complete")
    trial = study.begin(first)
    assert trial.is_hopeless(2, 0.05)
    trial.end("pruned")
    assert [one.state for one in study.ended()] == ["complete"] * 5 + ["pruned"]
    patient = Study(tmp_path, space, identity="x", seed=0, pruner="none", steps=(6, 2))
    assert not patient.begin(first).is_hopeless(2, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_trials_that_lag_behind_are_given_up(tmp_path, pruner):
    content = {**CONTENT, "tune": {"train.learning_rate": [0.003, 0.002, 0.004, 0.001, 1e-9]}}
    content["train"] = {**CONTENT["train"], "steps": 12}
    outcome = tune(content, Workspace(tmp_path), Search(trials=10, pruner=pruner))
    pruned = [one for one in outcome.trials if one.state == "pruned"]
    assert pruned and all(len(one.figures) < 6 for one in pruned)
    assert outcome.best.state == "complete"
    assert set(pl.read_parquet(outcome.table)["state"]) == {"complete", "pruned"}


def test_values_that_do_not_fit_together_fail_and_the_search_goes_on(tmp_path):
    content = {**CONTENT, "tune": {"packing.row_tokens": [8, 64]}}
    outcome = tune(content, Workspace(tmp_path), Search(trials=5, pruner="none"))
    failed = [one for one in outcome.trials if one.state == "failed"]
    assert failed and all("row_tokens" in one.problem for one in failed)
    assert {one.values["packing.row_tokens"] for one in failed} == {8}
    table = pl.read_parquet(outcome.table)
    assert table.filter(pl.col("state") == "failed")["problem"].str.contains("row_tokens").all()
    only = {**CONTENT, "packing": {"row_tokens": 8}, "tune": {"packing.row_tokens": [8, 9]}}
    with pytest.raises(ConfigError, match="None of 2 trials has a figure"):
        tune(only, Workspace(tmp_path / "none"), Search(trials=2))


@pytest.mark.slow
def test_ids_and_vectors_may_be_searched_too(tmp_path):
    content = {
        **CONTENT,
        "tune": {"encode.fields": [["title"], ["title", "text"]], "semantic_ids.levels": [2, 3]},
        "encode": {"model": "minilm", "fields": ["title"]},
    }
    outcome = tune(content, Workspace(tmp_path), Search(trials=2, pruner="none"))
    assert [one.state for one in outcome.trials] == ["complete"] * 2
    assert outcome.trials[0].values == {"encode.fields": ["title"], "semantic_ids.levels": 2}
    assert Recipe.load(outcome.recipe).encode.fields == outcome.best.values["encode.fields"]


def test_no_training_goes_on_after_the_time_is_up(tmp_path):
    late = tune(CONTENT, Workspace(tmp_path), Search(trials=5, minutes=1e-9))
    assert (late.trials, late.best, late.recipe) == ([], None, None)
    assert tune(CONTENT, Workspace(tmp_path), Search(trials=1)).best is not None


def test_what_cannot_be_searched_is_said(tmp_path):
    without = {key: value for key, value in CONTENT.items() if key != "tune"}
    with pytest.raises(ConfigError, match="declares no ranges"):
        tune(without, Workspace(tmp_path), Search())
    blind = {**CONTENT, "train": {**CONTENT["train"], "validate_every": 0}}
    with pytest.raises(ConfigError, match="validate_every is 0"):
        tune(blind, Workspace(tmp_path), Search())
    with pytest.raises(ConfigError, match="did you mean 'median'"):
        # Before anything is encoded.
        Search(pruner="meddian")
    with pytest.raises(ConfigError, match="trials is 0"):
        Search(trials=0)
    (tmp_path / "study.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ArtefactError, match="no search that can be read"):
        tune(CONTENT, Workspace(tmp_path), Search())


def test_a_trial_left_behind_twice_is_taken_up_once_each_time(tmp_path):
    space = Recipe.parse(CONTENT).search_space
    first = {"train.learning_rate": 0.003, "packing.embedding_dropout": 0.0}

    def opened():
        return Study(tmp_path, space, identity="x", seed=0, pruner="none", steps=(6, 2))

    begun = opened().begin(first)
    begun.is_hopeless(2, 0.5)
    taken = opened().begin(first)
    assert (taken.number, taken.folder, taken.values) == (0, begun.folder, begun.values)
    taken.is_hopeless(2, 0.5)
    taken.is_hopeless(4, 0.25)
    once_more = opened().begin(first)
    once_more.end("complete")
    (ended,) = opened().ended()
    assert ended.figures == {2: 0.5, 4: 0.25} and ended.best == 0.5


@pytest.mark.slow
def test_the_command_searches_and_goes_on_after_a_kill(tmp_path):
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(CONTENT))
    words = ("tune", "toy.yaml", "--trials", "3", "--pruner", "none", "--into", "search", "--json")
    with own_process.genrec(tmp_path, *words) as process:
        begun = tmp_path / "search" / "trials" / "0001"
        while not begun.exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    done = genrec(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    unbroken = genrec(tmp_path, *words[:-2], "unbroken", "--json")
    assert values["trials"] == json.loads(unbroken.stdout)["trials"]
    assert len(values["trials"]) == 3
    ran = genrec(tmp_path, "run", values["recipe"], "--into", "best", "--until", "train")
    assert ran.returncode == 0, ran.stderr


def test_the_command_reports_all_wrong_ranges_at_once(tmp_path):
    wrong = {**CONTENT, "tune": {"train.stepz": [1, 2], "llm.lora_rank": {"low": 0, "high": 8}}}
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(wrong))
    done = genrec(tmp_path, "tune", "toy.yaml")
    assert done.returncode == 2
    assert "did you mean 'steps'" in done.stderr and "llm.lora_rank: 0 does not fit" in done.stderr


def test_small_rates_stay_numbers_in_the_recipe_that_is_written(tmp_path):
    values = {"train.learning_rate": 1e-05, "prompt.history": 20}
    ended = Ended(0, "complete", values, {2: 0.5}, {"seconds": 1.0})
    _, path = write_results(tmp_path, CONTENT, [ended])
    written = yaml.safe_load(path.read_text())
    assert written["train"]["learning_rate"] == 1e-05 and written["prompt"]["history"] == 20
    assert CONTENT["train"]["learning_rate"] == 0.003
