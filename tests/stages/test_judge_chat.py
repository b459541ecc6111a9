"""A run as a shop that talks: its generative recommender under the chat's filters; its judges."""

import json
from dataclasses import replace

import polars as pl
import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.data.catalog import Catalog
from genrec.data.storage import write_dataset
from genrec.errors import ArtefactError, ConfigError
from genrec.profiles.storage import bury
from genrec.recipe import Recipe
from genrec.serving.conversation import Cards, ChatState, Message
from genrec.serving.conversation.conversation import Conversation
from genrec.stages.shop import open_shop
from genrec.workspace import Workspace
from tests.small import ITEMS, small_dataset, small_recommender

THINGS = ("mug", "lamp", "vase")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("talking")
    workspace = Workspace(folder)
    plain = small_dataset(40)
    table = plain.catalog.table.with_columns(
        pl.Series("title", [f"Model {THINGS[n % 3]}" for n in range(ITEMS)]),
        pl.Series("price", [float(n + 1) for n in range(ITEMS)]),
        pl.Series("colour", [("red", "blue")[n // 3 % 2] for n in range(ITEMS)]),
    )
    recipe = Recipe.parse({"name": "mini", "data": {"source": "tables"}})
    workspace.record("recipe", recipe.model_dump(mode="json"))
    with workspace.write("dataset", "a walk") as place:
        write_dataset(replace(plain, catalog=Catalog(table)), place)
    with workspace.write("recommender", "trained") as place:
        small_recommender(folder / "fit").write(place)
    return folder


def cards(shop, state, text):
    events = list(Conversation(shop).turn(state, Message(text)))
    shown = [card.item for event in events if isinstance(event, Cards) for card in event.cards]
    return [shop.item(one) for one in shown], events[-1].state


def test_the_generative_recommender_ranks_under_the_constraints_that_were_said(run):
    shop = open_shop(run)
    user = str(shop.dataset.users[0])
    shown, state = cards(shop, ChatState(user=user), "a blue lamp")
    assert shown and {(i.title, i.attributes["colour"]) for i in shown} == {("Model lamp", "blue")}
    gone = shown[0].id
    _, state = cards(shop, state, "hide the first")
    again, _ = cards(shop, state, "something else")
    assert gone not in {item.id for item in again}


def test_a_user_who_was_forgotten_has_no_history_in_the_shop(run):
    user = str(open_shop(run, vectors=False).dataset.users[1])
    assert len(open_shop(run, vectors=False).history(user)) > 0
    workspace = Workspace(run)
    with workspace.lock():
        bury(workspace, user)
    shop = open_shop(run, vectors=False)
    assert len(shop.history(user)) == 0 and shop.profile(user) is None


def test_evaluate_chat_prints_the_chat_beside_its_controls(run):
    done = CliRunner().invoke(
        app, ["evaluate", str(run), "--chat", "--shoppers", "6", "--json", "--quiet"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert list(found) == ["chat", "retrieval only", "popular only"]
    assert found["chat"]["real_items"] == 1.0 and found["chat"]["rejected_repeats"] == 0
    assert found["chat"]["conversations"] == 6


def test_controls_of_the_recommender_have_no_part_in_judging_a_chat(run):
    done = CliRunner().invoke(app, ["evaluate", str(run), "--chat", "--against", "popular"])
    assert isinstance(done.exception, ConfigError)


def test_a_folder_without_a_run_is_no_shop(tmp_path):
    with pytest.raises(ArtefactError, match="is no run"):
        open_shop(tmp_path)
