import pytest

from genrec.creatives.reward import RewardModel
from genrec.creatives.reward_options import RewardConfig
from genrec.creatives.reward_training import train_reward
from genrec.data.dataset import Dataset
from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.llm.text import Message
from genrec.llm.text_transformers import TransformersText
from genrec.recipe import Recipe
from genrec.stages.finetune import run_finetuning
from genrec.workspace import Workspace
from tests.creatives import small_clicks
from tests.creatives.small_clicks import LetterEncoder
from tests.small_chat import write_chat_model


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reward") / "model"
    tests = small_clicks.clicks(200)
    train_reward(tests, LetterEncoder(), RewardConfig(words=20)).save(folder)
    return folder


@pytest.fixture
def letters(monkeypatch):
    """The click model of the tests has an encoder of its own."""
    opened = RewardModel.open
    monkeypatch.setattr(
        RewardModel, "open", staticmethod(lambda folder: opened(folder, LetterEncoder()))
    )


def recipe_of(chat, clicks, **changed):
    options = {
        "clicks": str(clicks),
        "llm": chat,
        "lora_rank": 2,
        "group": 2,
        "held_out": 3,
        "answer_tokens": 6,
    }
    return Recipe.parse(
        {
            "name": "tiny",
            "data": {"source": "toy_shop", "options": {"items": 40, "shoppers": 10}},
            "finetune": {"copy_clicks": options | changed},
            "train": {"steps": 2, "batch_size": 4, "learning_rate": 0.01, "checkpoint_every": 0},
        }
    )


@pytest.mark.slow
def test_an_adapter_and_its_report_are_left_and_used_again(clicks, letters, tmp_path):
    chat = write_chat_model(tmp_path / "chat")
    recipe, workspace = recipe_of(chat, clicks), Workspace(tmp_path / "run")
    judgement = run_finetuning(recipe, workspace)
    rows = judgement.values["rows"]
    assert [row["written by"] for row in rows] == ["base", "adapter"]
    assert workspace.about("copywriter")["items"] == 37
    assert "whether people click more is not known" in judgement.values["headline"]
    writer = TransformersText(chat, device="cpu", adapter=str(workspace.open("copywriter")))
    assert writer.generate([Message("user", "Hi")], max_tokens=2)
    seals = workspace.run["artefacts"]
    assert set(seals) >= {"copywriter", "report"}
    run_finetuning(recipe, workspace)
    assert workspace.run["artefacts"] == seals
    # Another click model is another training.
    later = recipe_of(chat, clicks, restraint=0.5)
    run_finetuning(later, workspace)
    assert workspace.run["artefacts"]["copywriter"] != seals["copywriter"]


def test_what_does_not_fit_is_told_before_anything_is_written(clicks, letters, tmp_path):
    chat, workspace = write_chat_model(tmp_path / "chat"), Workspace(tmp_path / "run")
    with pytest.raises(ConfigError, match="train.batch_size is 4, and texts come in groups of 3"):
        run_finetuning(recipe_of(chat, clicks, group=3), workspace)
    with pytest.raises(ArtefactError, match="absent"):
        run_finetuning(recipe_of(chat, tmp_path / "absent"), workspace)
    with pytest.raises(InputError, match="40 items have 2 facts or more, and 40 are to be held"):
        run_finetuning(recipe_of(chat, clicks, held_out=40), workspace)
    with pytest.raises(ConfigError) as error:
        recipe_of(chat, clicks, group=1, restraint=-1, temperature=0)
    assert all(name in str(error.value) for name in ("group", "restraint", "temperature"))


def test_both_kinds_of_copy_at_once_are_refused(clicks):
    with pytest.raises(ConfigError, match="exactly one of"):
        Recipe.parse(
            {
                "name": "x",
                "data": {"source": "toy_shop"},
                "finetune": {"copywriter": {}, "copy_clicks": {}},
            }
        )


def test_a_dataset_of_items_without_facts_says_so(clicks, letters, tmp_path):
    from genrec.stages.finetune_copy_clicks import _parts
    from genrec.training.finetune_options import CopyClicksConfig

    shop = Dataset.load("toy_shop", items=40, shoppers=5)
    with pytest.raises(InputError, match="are to be held out"):
        _parts(shop, CopyClicksConfig(held_out=40))
    learned, held = _parts(shop, CopyClicksConfig(held_out=5))
    assert (len(learned), len(held)) == (35, 5)
    assert not {one.item.id for one in learned} & {one.item.id for one in held}
