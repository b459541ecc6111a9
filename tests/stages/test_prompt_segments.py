import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genrec.data.sequences import History
from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.recommenders.generative import GenerativeRecommender
from genrec.stages.pipeline import run_recipe
from genrec.stages.prepare import stored_data
from genrec.stages.profile import forget_user
from genrec.stages.prompt_segments import with_segments
from genrec.stages.run import Observer, Run
from genrec.workspace import Workspace
from tests.profiles.shop import catalog, crowd_rows, visits_of

FANS = 8


class Watching(Observer):
    def __init__(self):
        self.notes, self.reused = {}, {}

    def finished(self, stage, note, seconds, *, reused):
        self.notes[stage], self.reused[stage] = note, reused


def recipe(folder, **changes):
    """Eight who love tea, eight who love soap, and a crowd without taste."""
    rows = crowd_rows(30, 12, np.random.default_rng(0))
    for number in range(FANS):
        rows += visits_of(f"tea{number}", [["Te0", "Te1"]] * 12)
        rows += visits_of(f"soap{number}", [["So0", "So1"]] * 12)
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "time", "basket_id"], orient="row")
    table.write_parquet(folder / "events.parquet")
    catalog().table.write_parquet(folder / "items.parquet")
    content = {
        "name": "shop",
        "data": {
            "source": "tables",
            "options": {
                "interactions": str(folder / "events.parquet"),
                "items": str(folder / "items.parquet"),
            },
        },
        "semantic_ids": {"levels": 2, "codebook_size": 8},
        "llm": {"name": "tiny", "adapt": "prompt"},
        "prompt": {"group_by": "profile_segments", "soft_tokens": 2, "history": 5},
        "packing": {"row_tokens": 128},
        "train": {"steps": 2, "batch_size": 2, "validate_every": 1, "checkpoint_every": 1},
        "evaluate": {"split": "last-basket", "against": ["popular"], "refit": True},
        "segments": {"floor": 5, "segments": 3},
    }
    return Recipe.parse({**content, **changes})


def test_each_segment_of_profiles_has_a_prefix_of_its_own(tmp_path):
    chosen, workspace, watching = recipe(tmp_path), Workspace(tmp_path / "run"), Watching()
    outcome = run_recipe(chosen, workspace, watching)
    assert outcome is not None and "popular" in outcome.report.text
    assert "segments, " in watching.notes["Find segments"]
    groups = json.loads((workspace.open("recommender") / "groups.json").read_text())
    of = {kind: {groups["by_user"][f"{kind}{n}"] for n in range(FANS)} for kind in ("tea", "soap")}
    assert all(len(numbers) == 1 for numbers in of.values()) and of["tea"] != of["soap"]
    tea = groups["names"][of["tea"].pop()]
    assert "tea" in tea
    dataset = stored_data(Run(chosen, workspace))
    recommender = GenerativeRecommender.load(workspace.open("recommender"), dataset.catalog)
    text_tokenizer = recommender.backbone.text_tokenizer
    known, nobody = (
        text_tokenizer.decode(recommender.prompt.tokens(History(np.array([0, 1]), user=user)))
        for user in ("tea0", "stranger")
    )
    assert f"<soft_{tea}_1>" in known and "<soft_tea" not in nobody
    again = Watching()
    run_recipe(chosen, workspace, again)
    assert again.reused["Train tiny"]
    # Other segments are other groups to train.
    other = recipe(tmp_path, segments={"floor": 5, "segments": 1})
    run_recipe(other, workspace, again, until="train")
    assert not again.reused["Train tiny"]


def test_segments_are_found_in_what_is_trained_on_alone_and_without_the_forgotten(tmp_path):
    chosen, workspace = recipe(tmp_path), Workspace(tmp_path / "run")
    run_recipe(chosen, workspace, until="load_data")
    run = Run(chosen, workspace)
    dataset = stored_data(run)
    fans = {f"tea{n}" for n in range(FANS)}
    table = with_segments(run, dataset.without_users({"tea0"})).user_table
    assert set(table["user_id"]) & fans == fans - {"tea0"}
    # What somebody else said of the users stays beside it, and older segments give way.
    told = pl.DataFrame(
        {"user_id": ["tea1", "c0"], "profile_segments": ["old", "old"], "age": [3, 4]}
    )
    table = with_segments(run, replace(dataset, user_table=told)).user_table
    rows = {row["user_id"]: row for row in table.to_dicts()}
    assert rows["tea1"]["age"] == 3 and "Tea" in rows["tea1"]["profile_segments"]
    assert rows["tea2"]["age"] is None and rows["c0"]["profile_segments"] != "old"
    forget_user(run, "tea3")
    assert "tea3" not in set(with_segments(run, dataset).user_table["user_id"])


def test_users_without_segments_are_told_before_anything_is_encoded(tmp_path):
    chosen = recipe(tmp_path, segments={"floor": 40})
    workspace = Workspace(tmp_path / "run")
    with pytest.raises(ConfigError, match="no 40 users of .* share a like .*segments.floor"):
        run_recipe(chosen, workspace)
    assert not workspace.path("item_vectors").exists()
    misspelt = recipe(tmp_path, prompt={"group_by": "profile_segment"})
    with pytest.raises(ConfigError, match="did you mean 'profile_segments'"):
        run_recipe(misspelt, workspace)
