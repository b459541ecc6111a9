"""From a recipe to semantic IDs and a one-pass recommender, through the command line."""

import io
import json
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import yaml

from genrec.cli.main import main
from genrec.encoders.base import ItemVectors
from genrec.recipe import Recipe
from genrec.semantic_ids.tokenizer import SemanticIdTokenizer
from genrec.stages.collaborate import FUSION, known_events, vectors_of_ids
from genrec.stages.prepare import build_ids
from genrec.stages.recommend import open_recommender
from genrec.stages.run import Run
from genrec.workspace import Workspace
from tests.small import ITEMS, next_item, small_catalog, small_dataset, small_vectors

RECIPE = {
    "name": "long",
    "data": {"source": "tables", "options": {"interactions": "events.csv", "items": "items.csv"}},
    "semantic_ids": {
        "quantizer": "opq",
        "levels": 6,
        "codebook_size": 8,
        "collaborative": {"weight": 0.4, "dimensions": 8},
    },
    "llm": {"name": "tiny", "adapt": "full"},
    "one_pass": {"temperature": 0.1, "dropout": 0.1},
    "prompt": {"history": 10},
    "packing": {"row_tokens": 128},
    "train": {"steps": 20, "batch_size": 4, "learning_rate": 0.003, "validate_every": 10},
    "evaluate": {"split": "last-out", "against": ["popular"], "refit": True},
}


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    draw, events = np.random.default_rng(0), []
    for user in range(60):
        item = int(draw.integers(ITEMS))
        for day in range(1, int(draw.integers(5, 9))):
            events.append((f"u{user}", f"i{item}", f"2024-05-{day:02d}"))
            item = next_item(item)
    schema = ["user_id", "item_id", "time"]
    pl.DataFrame(events, schema=schema, orient="row").write_csv(folder / "events.csv")
    items = {"item_id": [f"i{n}" for n in range(ITEMS)]}
    items["title"] = [f"Thing {n}" for n in range(ITEMS)]
    items["category"] = [f"kind {n % 4}" for n in range(ITEMS)]
    pl.DataFrame(items).write_csv(folder / "items.csv")
    (folder / "long.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


def genrec(folder, *words):
    """The command line in this process, since each start of its own takes seconds."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before = sys.argv
    sys.argv = ["genrec", *words]
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="module")
def built(shop_folder):
    return genrec(shop_folder, "run", "long.yaml", "--until", "build_ids")


def test_building_ids_prints_how_good_they_are(built):
    assert built.returncode == 0, built.stderr
    for word in ("neighbours kept", "bought next", "purity by category", "6, unordered"):
        assert word in built.stdout


def test_several_runs_stand_side_by_side(built, shop_folder):
    words = ["semantic_ids.quantizer=residual-kmeans", "semantic_ids.levels=2"]
    words += ["semantic_ids.codebook_size=16", "--into", "runs/short"]
    made = genrec(shop_folder, "run", "long.yaml", *words, "--until", "build_ids", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["runs/short"]["quantizer"] == "residual-kmeans"
    table = genrec(shop_folder, "ids", "runs/long", "runs/short")
    assert table.returncode == 0, table.stderr
    assert "residual-kmeans" in table.stdout
    assert "opq" in table.stdout


def test_a_folder_without_ids_is_told(shop_folder):
    found = genrec(shop_folder, "ids", "nowhere")
    assert found.returncode == 3
    assert "nowhere" in found.stderr


def test_a_recipe_with_one_pass_runs_from_tables_to_recommendations(built, shop_folder):
    found = genrec(shop_folder, "run", "long.yaml", "--json")
    assert found.returncode == 0, found.stderr
    values = json.loads(found.stdout)
    assert set(values["report"]["recommenders"]) == {"one-pass", "popular"}
    assert values["report"]["recommenders"]["one-pass"]["invalid_generations"] == 0
    assert len(values["shown"]["recommendations"]) == 10
    again = genrec(shop_folder, "run", "long.yaml")
    assert again.stderr.count("reused") >= 5
    told = genrec(shop_folder, "recommend", "runs/long", "--user", "u3", "-n", "3", "--json")
    assert told.returncode == 0, told.stderr
    assert len(json.loads(told.stdout)["recommendations"]) == 3
    refused = genrec(shop_folder, "search-prompt", "runs/long")
    assert refused.returncode == 2
    assert "one pass" in refused.stderr


def test_what_one_pass_cannot_do_is_refused_before_any_work(shop_folder):
    words = ("run", "long.yaml", "packing.normalise=legal", "--into", "runs/refused")
    refused = genrec(shop_folder, *words)
    assert refused.returncode == 2
    assert "packing.normalise is legal" in refused.stderr
    assert "take level" in refused.stderr
    assert not (shop_folder / "runs" / "refused" / "dataset").exists()


def test_the_workspace_gives_a_one_pass_recommender(built, shop_folder, monkeypatch):
    from genrec.recommenders.one_pass import OnePassRecommender

    genrec(shop_folder, "run", "long.yaml", "--until", "train")
    workspace = Workspace(shop_folder / "runs" / "long")
    run = Run(Recipe.parse(workspace.run["recipe"]), workspace)
    _, recommender = open_recommender(run)
    assert isinstance(recommender, OnePassRecommender)
    assert len(recommender.recommend(["i1", "i10"], 4, where={"category": ["kind 1"]})) == 4


def recipe(**options):
    content = {
        "name": "x",
        "data": {"source": "tables"},
        "semantic_ids": {"levels": 3, "codebook_size": 8, "collaborative": {"dimensions": 8}},
        "train": {"validate_every": 10},
    }
    return Recipe.parse({**content, **options})


def made_ids(folder, dataset, chosen):
    run = Run(chosen, Workspace(folder))
    vectors = ItemVectors(
        tuple(dataset.catalog.ids), small_vectors(), np.ones(ITEMS, bool), fingerprint="test"
    )
    run.key("item_vectors", "test")
    with run.workspace.lock():
        index = build_ids(run, dataset, vectors)
    return run, index


def with_other_ends(dataset, events):
    """The same data set, but each user's last events are of other items."""
    last = pl.int_range(pl.len()).reverse().over("user") < events
    other = ((pl.col("item").cast(pl.Int64) * 13 + 5) % ITEMS).cast(pl.UInt32)
    changed = dataset.events.with_columns(pl.when(last).then(other).otherwise("item").alias("item"))
    return replace(dataset, events=changed)


def test_held_out_events_leave_no_trace_in_the_ids(tmp_path):
    dataset = small_dataset()
    other = with_other_ends(dataset, 2)
    assert other.fingerprint != dataset.fingerprint
    one, first = made_ids(tmp_path / "a", dataset, recipe())
    two, second = made_ids(tmp_path / "b", other, recipe())
    np.testing.assert_array_equal(first.codes, second.codes)
    assert one.keys["semantic_ids"] == two.keys["semantic_ids"]
    fusions = [(run.path("semantic_ids") / FUSION).read_bytes() for run in (one, two)]
    assert fusions[0] == fusions[1]
    fused = [vectors_of_ids(run, None) for run in (one, two)]
    np.testing.assert_array_equal(fused[0].vectors, fused[1].vectors)
    assert fused[0].fingerprint == fused[1].fingerprint


def test_a_hybrid_is_handed_the_vectors_that_the_ids_are_made_of(tmp_path):
    run, _ = made_ids(tmp_path / "a", small_dataset(), recipe())
    given = ItemVectors(
        tuple(small_dataset().catalog.ids), small_vectors(), np.ones(ITEMS, bool), "test"
    )
    fused = vectors_of_ids(run, given)
    assert fused.item_ids == given.item_ids
    assert fused.dimensions > given.dimensions
    assert fused.fingerprint != given.fingerprint
    plain, _ = made_ids(
        tmp_path / "b", small_dataset(), recipe(semantic_ids={"levels": 3, "codebook_size": 8})
    )
    assert vectors_of_ids(plain, given) is given


def test_training_events_do_reach_the_ids(tmp_path):
    dataset = small_dataset()
    _, first = made_ids(tmp_path / "a", dataset, recipe())
    _, second = made_ids(tmp_path / "b", with_other_ends(dataset, 5), recipe())
    assert (first.codes != second.codes).any()


def test_without_validation_only_the_test_events_are_held_out():
    dataset = small_dataset()
    whole = recipe(train={"validate_every": 0})
    assert len(known_events(whole, dataset)) == len(dataset) - len(dataset.users)
    assert len(known_events(recipe(), dataset)) == len(dataset) - 2 * len(dataset.users)


def test_items_of_a_later_catalogue_get_codes_by_what_is_foretold(tmp_path):
    run, index = made_ids(tmp_path / "a", small_dataset(), recipe())
    from genrec.stages.collaborate import fused_as_before

    folder = run.path("semantic_ids")
    new = replace(
        ItemVectors(("n0", "n1"), small_vectors(2, seed=5), np.ones(2, bool), "test"),
    )
    fusion, values = fused_as_before(folder, new)
    assert fusion is not None
    tokenizer, stored = SemanticIdTokenizer.load(folder)
    catalog = small_catalog(2).table.with_columns(item_id=pl.Series(["n0", "n1"]))
    both = tokenizer.add(stored, type(small_catalog())(catalog), values)
    assert len(both) == ITEMS + 2
    np.testing.assert_array_equal(both.codes[:ITEMS], index.codes)


def test_the_item_vectors_of_a_sasrec_serve_as_signal(tmp_path, monkeypatch):
    from genrec.recommenders import sasrec
    from genrec.training.options import FitConfig

    monkeypatch.setattr(sasrec, "FIT", FitConfig(steps=3, batch_size=8))
    content = {"levels": 3, "codebook_size": 8}
    content["collaborative"] = {"signal": "sasrec", "weight": 0.5}
    run, index = made_ids(tmp_path / "a", small_dataset(), recipe(semantic_ids=content))
    assert len(index) == ITEMS
    assert (run.path("semantic_ids") / FUSION).exists()
