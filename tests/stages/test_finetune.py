import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.llm.text import Message
from genrec.llm.text_transformers import TransformersText
from genrec.recipe import Recipe
from genrec.stages.finetune_copywriter import ARTEFACT, finetune
from genrec.stages.run import Run
from genrec.workspace import Workspace
from tests.small_chat import write_chat_model


@pytest.fixture
def described() -> Dataset:
    colours = ["red", "blue", "green", "black", "white", "brown"]
    rows = [
        {
            "item_id": f"i{number}",
            "title": f"Pen {number}",
            "colour": colour,
            "text": f"This pen writes in {colour} and lies well in the hand.",
        }
        for number, colour in enumerate(colours)
    ]
    rows.append({"item_id": "i9", "title": "Pen 9", "colour": "red", "text": "Too short."})
    events = pl.DataFrame({"user_id": ["ann"], "item_id": ["i0"]})
    return Dataset.from_tables(Catalog(pl.DataFrame(rows)), events)


def test_an_adapter_and_its_report_are_left_and_used_again(tmp_path, described):
    chat = write_chat_model(tmp_path / "chat")
    recipe = Recipe.parse(
        {
            "name": "tiny",
            "data": {"source": "toy_shop"},
            "finetune": {
                "copywriter": {
                    "llm": chat,
                    "lora_rank": 2,
                    "row_tokens": 400,
                    "held_out": 2,
                    "answer_tokens": 8,
                }
            },
            "train": {"steps": 2, "batch_size": 2},
        }
    )
    workspace = Workspace(tmp_path / "run")
    run = Run(recipe, workspace)
    judgement = finetune(run, described, recipe.finetune.copywriter)
    assert [row["written by"] for row in judgement.values["rows"]] == ["base", "adapter"]
    assert workspace.about(ARTEFACT)["rows"] == 4
    writer = TransformersText(chat, device="cpu", adapter=str(workspace.open(ARTEFACT)))
    assert writer.generate([Message("user", "Hi")], max_tokens=2)
    seals = workspace.run["artefacts"]
    finetune(run, described, recipe.finetune.copywriter)
    assert workspace.run["artefacts"] == seals
