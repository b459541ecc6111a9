"""An image adapter that several processes train is the one that a single process would."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

pytest.importorskip("diffusers", reason="needs the extra 'diffusion'")

from PIL import Image

from genrec.errors import ConfigError
from genrec.recipe import Recipe
from genrec.stages.finetune import run_finetuning
from genrec.stages.run import Observer
from genrec.training.company import Company
from genrec.workspace import Workspace
from tests.small_diffusion import tiny_folder
from tests.training.in_company import together


class Stopped(Exception):
    pass


class StopsAt(Observer):
    """Ends the training after a step."""

    def __init__(self, step):
        self.step = step

    def progressed(self, stage, done, total, note=""):
        if stage == "Train adapter" and done == self.step:
            raise Stopped


def trained(folder, name, observer=None):
    """What a run told, if this is the main process."""
    options = {
        "pretrained_model_name_or_path": str(folder / "model"),
        "instance_data_dir": str(folder / "photos"),
        "instance_prompt": "a zkw mug",
        "resolution": 32,
        "rank": 2,
        # Weighed otherwise than the class's, so that the parts of a batch are not alike.
        "with_prior_preservation": True,
        "prior_loss_weight": 0.3,
        "class_prompt": "a mug",
        "num_class_images": 3,
        "train_batch_size": 4,
        "max_train_steps": 4,
        "checkpointing_steps": 2,
        "learning_rate": 1e-2,
    }
    recipe = Recipe.parse(
        {
            "name": "lora",
            "data": {"source": "toy_shop", "options": {"items": 40, "shoppers": 2}},
            "finetune": {"image_lora": options},
        }
    )
    return run_finetuning(recipe, Workspace(folder / name), observer)


def in_two(folder, name):
    main = Company.of_environment().main
    judged = trained(folder, name)
    assert (judged is not None) == main
    if judged is not None:
        (folder / "told.json").write_text(json.dumps(judged.values["losses"]))


def fresh(folder):
    in_two(folder, "two")


def begun(folder):
    in_two(folder, "begun")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, photos, a run of one process, and one that was stopped half-way."""
    folder = tmp_path_factory.mktemp("company")
    tiny_folder(folder / "model")
    (folder / "photos").mkdir()
    for number, colour in enumerate(("red", "blue", "green")):
        size = (40, 40) if number else (30, 60)
        Image.new("RGB", size, colour).save(folder / "photos" / f"{number}.png")
    trained(folder, "one")
    with pytest.raises(Stopped):
        trained(folder, "begun", StopsAt(3))
    return folder


@pytest.mark.parametrize(("name", "work"), [("two", fresh), ("begun", begun)])
def test_two_processes_make_the_adapter_of_one(name, work, folder):
    one, other = folder / "one" / "image_lora", folder / name / "image_lora"
    losses = together(folder, does=work)
    alone = json.loads((folder / "one" / "report" / "report.json").read_text())["losses"]
    np.testing.assert_allclose(losses, alone, atol=1e-4)
    file = "pytorch_lora_weights.safetensors"
    ours, theirs = load_file(one / file), load_file(other / file)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        np.testing.assert_allclose(theirs[key], value, atol=1e-3)


def test_what_cannot_be_shared_out_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    values = {"WORLD_SIZE": 3, "RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ConfigError, match=r"image_lora\.train_batch_size is 4 .* by 3 processes"):
        trained(tmp_path, "three")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    with pytest.raises(ConfigError, match=r"launch image_lora by ddp\.yaml"):
        trained(tmp_path, "sharded")
