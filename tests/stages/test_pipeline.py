"""The whole way on a small shop, through the real command line."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from safetensors.numpy import load_file

from tests import own_process
from tests.command_line import Done, genrec
from tests.small import ITEMS, next_item

RECIPE = {
    "name": "mini",
    "data": {"source": "tables", "options": {"interactions": "events.csv", "items": "items.csv"}},
    "semantic_ids": {"levels": 2, "codebook_size": 16},
    "llm": {"name": "tiny", "adapt": "full"},
    "prompt": {"history": 10},
    "packing": {"row_tokens": 128},
    "train": {"steps": 30, "batch_size": 4, "learning_rate": 0.003, "checkpoint_every": 5},
    "evaluate": {"split": "last-out", "against": ["popular", "cooccurrence"]},
}


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    generator = np.random.default_rng(0)
    events = []
    for user in range(80):
        item = int(generator.integers(ITEMS))
        for day in range(1, int(generator.integers(5, 9))):
            events.append((f"u{user}", f"i{item}", f"2024-05-{day:02d}"))
            item = next_item(item)
    pl.DataFrame(events, schema=["user_id", "item_id", "time"], orient="row").write_csv(
        folder / "events.csv"
    )
    items = {
        "item_id": [f"i{n}" for n in range(ITEMS)],
        "title": [f"Thing {n}" for n in range(ITEMS)],
    }
    pl.DataFrame(items).write_csv(folder / "items.csv")
    (folder / "mini.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


@pytest.fixture(scope="module")
def first(shop_folder) -> Done:
    return genrec(shop_folder, "run", "mini.yaml", "--json")


def test_a_run_ends_with_figures_and_recommendations(first, shop_folder):
    assert first.returncode == 0, first.stderr
    values = json.loads(first.stdout)
    assert set(values["report"]["recommenders"]) == {"genrec", "popular", "cooccurrence"}
    assert values["report"]["recommenders"]["genrec"]["invalid_generations"] == 0
    assert len(values["shown"]["recommendations"]) == 10
    page = (shop_folder / "runs" / "mini" / "report" / "report.html").read_text()
    assert "<svg" in page and "<h1>mini, on events</h1>" in page


def test_a_second_run_reuses_everything_and_says_so(first, shop_folder):
    second = genrec(shop_folder, "run", "mini.yaml", "--json")
    assert second.stderr.count("reused") == 5, second.stderr
    assert json.loads(second.stdout) == json.loads(first.stdout)


def test_the_same_seed_gives_the_same_table_elsewhere(first, shop_folder):
    again = genrec(shop_folder, "run", "mini.yaml", "--json", "--into", "runs/again")
    ours, theirs = (json.loads(run.stdout)["report"] for run in (first, again))
    for report in (ours, theirs):
        for recommender in report["recommenders"].values():
            recommender.pop("seconds")
    assert ours == theirs


def test_another_option_redoes_only_what_depends_on_it(first, shop_folder):
    changed = genrec(shop_folder, "run", "mini.yaml", "decode.beams=15")
    lines = [line for line in changed.stderr.splitlines() if "✓" in line]
    assert ["reused" in line for line in lines] == [True, True, True, True, False]
    trained = genrec(shop_folder, "run", "mini.yaml", "train.steps=7", "--into", "runs/mini7")
    assert "reused" not in trained.stderr


def test_a_model_is_not_judged_on_data_that_it_was_not_trained_on(first, shop_folder):
    run = shop_folder / "runs" / "swapped"
    genrec(shop_folder, "run", "mini.yaml", "--into", str(run), "train.steps=5")
    older = "data.options.interactions=older.csv"
    events = pl.read_csv(shop_folder / "events.csv")
    events.filter(pl.col("time") < "2024-05-05").write_csv(shop_folder / "older.csv")
    genrec(shop_folder, "run", "mini.yaml", "--into", str(run), "--until", "load_data", older)
    for command in (("evaluate", str(run)), ("recommend", str(run), "--user", "u3")):
        refused = genrec(shop_folder, *command)
        assert (refused.returncode, "trained on other data" in refused.stderr) == (2, True)


def test_names_are_checked_before_anything_is_done(shop_folder):
    refused = genrec(
        shop_folder, "run", "mini.yaml", "evaluate.against=[populr]", "--until", "encode"
    )
    assert (refused.returncode, "did you mean 'popular'" in refused.stderr) == (2, True)
    refused = genrec(shop_folder, "run", "mini.yaml", "llm.name=tinyy", "--into", "runs/tinyy")
    assert (refused.returncode, "did you mean 'tiny'" in refused.stderr) == (2, True)


def test_a_filter_that_allows_nothing_is_said(first, shop_folder):
    where = '{"title": "Thing 400"}'
    refused = genrec(shop_folder, "recommend", "runs/mini", "--user", "u3", "--where", where)
    assert refused.returncode == 2
    assert "No item passes" in refused.stderr
    assert "did you mean 'Thing 40'" in refused.stderr


def test_recommendations_for_a_user_and_for_a_history(first, shop_folder):
    by_user = genrec(shop_folder, "recommend", "runs/mini", "--user", "u3", "-n", "4", "--json")
    assert len(json.loads(by_user.stdout)["recommendations"]) == 4
    words = ("recommend", "runs/mini", "--history", "-", "-n", "3", "--new", "--why", "--json")
    by_hand = genrec(shop_folder, *words, text="i4 i31\ni40")
    found = [one["item_id"] for one in json.loads(by_hand.stdout)["recommendations"]]
    assert len(found) == 3
    assert not {"i4", "i31", "i40"} & set(found)


def test_a_run_is_judged_again_from_anywhere_and_keeps_its_recipe(first, shop_folder, tmp_path):
    run = shop_folder / "runs" / "judged"
    genrec(shop_folder, "run", "mini.yaml", "--into", str(run), "train.steps=5")
    words = ("evaluate", str(run), "--against", "popular,personal", "--json")
    judged = json.loads(genrec(tmp_path, *words).stdout)
    assert set(judged["report"]["recommenders"]) == {"genrec", "popular", "personal"}
    stored = json.loads((run / "run.json").read_text())["recipe"]["evaluate"]["against"]
    assert stored == ["popular", "cooccurrence"]


def test_the_first_line_of_a_report_says_who_wins(first, shop_folder):
    again = genrec(shop_folder, "run", "mini.yaml", "--quiet")
    assert "NDCG@10" in again.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["recommend", "runs/mini", "--user", "nobody"], 2, "no user 'nobody'"),
        (["recommend", "runs/mini", "--history", "i4,zzz,yyy"], 2, "unknown item 'yyy'"),
        (["recommend", "runs/mini"], 2, "either --user"),
        (["recommend", "runs/none", "--user", "u3"], 3, "genrec run"),
        (["run", "absent.yaml"], 2, "no file absent.yaml"),
        (["run", "quickstrat"], 2, "did you mean 'quickstart'"),
        (["run", "mini.yaml", "train.stepz=4"], 2, "did you mean 'steps'"),
        (["run", "mini.yaml", "train.steps=none"], 2, "train.steps"),
        (["run", "mini.yaml", "--until", "trian"], 2, "did you mean 'train'"),
        (["run", "mini.yaml", "nonsense"], 2, "train.steps=2000"),
        (["show", "nothing"], 2, "A run is named by its folder"),
        (["ls", "recipe"], 2, "did you mean 'recipes'"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(first, shop_folder, words, code, message):
    done = genrec(shop_folder, *words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tampered_artefact_is_refused_and_made_again(first, shop_folder):
    genrec(shop_folder, "run", "mini.yaml", "--into", "runs/harmed", "train.steps=5")
    codes = shop_folder / "runs" / "harmed" / "recommender" / "codes.parquet"
    codes.write_bytes(codes.read_bytes()[:-20])
    refused = genrec(shop_folder, "recommend", "runs/harmed", "--user", "u3")
    assert refused.returncode == 3
    assert "codes.parquet (changed or truncated: " in refused.stderr
    again = genrec(shop_folder, "run", "mini.yaml", "--into", "runs/harmed", "train.steps=5")
    assert again.returncode == 0
    assert genrec(shop_folder, "recommend", "runs/harmed", "--user", "u3").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("reached", ["dataset", "semantic_ids", "checkpoints/fit/checkpoint-15"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_stopped_anywhere_goes_on_to_the_same_table(first, shop_folder, reached, how):
    into = f"runs/stopped-{Path(reached).name}-{how.value}"
    with own_process.genrec(shop_folder, "run", "mini.yaml", "--into", into) as process:
        while not (shop_folder / into / reached).exists():
            assert process.poll() is None, process.stderr
            time.sleep(0.002)
        process.send_signal(how)
        assert process.wait() == (130 if how == signal.SIGINT else -how)
        errors = process.stderr
    assert "Traceback" not in errors
    assert ("goes on from here" in errors) == (how == signal.SIGINT)
    assert not (shop_folder / into / "report").exists()
    done = genrec(shop_folder, "run", "mini.yaml", "--into", into, "--json")
    assert done.returncode == 0, done.stderr
    ours, theirs = (json.loads(run.stdout)["report"] for run in (first, done))
    assert ours["recommenders"]["genrec"]["figures"] == theirs["recommenders"]["genrec"]["figures"]


def test_another_shop_s_run_starts_from_the_llm_and_the_codebooks_of_the_first(first, shop_folder):
    other = shop_folder / "other"
    other.mkdir(exist_ok=True)
    # Other things, of which some have the titles, and so the codes, of the first shop's.
    items = {
        "item_id": [f"o{n}" for n in range(40)],
        "title": [f"Thing {n}" for n in range(10, 50)],
    }
    pl.DataFrame(items).write_csv(other / "items.csv")
    events = [
        (f"u{user}", f"o{(user * 3 + day) % 40}", f"2024-06-{day:02d}")
        for user in range(30)
        for day in range(1, 6)
    ]
    columns = ["user_id", "item_id", "time"]
    pl.DataFrame(events, schema=columns, orient="row").write_csv(other / "events.csv")
    sources = {"interactions": "other/events.csv", "items": "other/items.csv"}
    recipe = {
        **RECIPE,
        "name": "other",
        "data": {"source": "tables", "options": sources},
        "llm": {"start_from": "runs/mini", "adapt": "lora", "lora_rows": False},
        "evaluate": {"split": "last-out", "against": ["popular"]},
    }
    (shop_folder / "other.yaml").write_text(yaml.safe_dump(recipe))
    done = genrec(shop_folder, "run", "other.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"]["recommenders"]["genrec"]["invalid_generations"] == 0
    books = [
        load_file(shop_folder / "runs" / name / "semantic_ids" / "codebooks.safetensors")
        for name in ("mini", "other")
    ]
    assert all(np.array_equal(books[0][level], books[1][level]) for level in books[0])
    again = genrec(shop_folder, "run", "other.yaml")
    assert again.stderr.count("reused") == 5
    recipe["encode"] = {"fields": ["title", "price"]}
    (shop_folder / "unlike.yaml").write_text(yaml.safe_dump({**recipe, "name": "unlike"}))
    refused = genrec(shop_folder, "run", "unlike.yaml")
    assert refused.returncode == 2
    assert "section 'encode'" in refused.stderr


def test_an_instruction_is_searched_for_and_kept(first, shop_folder):
    words = ("search-prompt", "runs/mini", "--start", "Choose", "--histories", "4")
    done = genrec(shop_folder, *words, "--evaluations", "12", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["loss"]["found"] <= found["loss"]["start"]
    kept = (shop_folder / "runs" / "mini" / "instruction" / "instruction.txt").read_text()
    assert kept == found["text"] + "\n"
    shown = genrec(shop_folder, *words, "--evaluations", "5")
    assert "prompt.instruction: " in shown.stdout
