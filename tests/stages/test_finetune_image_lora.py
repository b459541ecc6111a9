import json
import math
import shutil

import pytest
from PIL import Image

from genrec.errors import InputError, StorageError
from genrec.recipe import Recipe
from genrec.stages import finetune_image_lora
from genrec.stages.finetune import run_finetuning
from genrec.workspace import Workspace
from tests.small_diffusion import tiny_folder


def recipe(tmp_path, **changed):
    options = {
        "pretrained_model_name_or_path": str(tmp_path / "model"),
        "instance_data_dir": str(tmp_path / "photos"),
        "instance_prompt": "a zkw mug",
        "resolution": 32,
        "rank": 2,
        "train_batch_size": 2,
        "max_train_steps": 2,
        "with_prior_preservation": True,
        "class_prompt": "a mug",
        "num_class_images": 2,
    }
    return Recipe.parse(
        {
            "name": "lora",
            "data": {"source": "toy_shop", "options": {"items": 40, "shoppers": 2}},
            "finetune": {"image_lora": options | changed},
        }
    )


def photos(folder):
    folder.mkdir()
    Image.new("RGB", (40, 40), "red").save(folder / "one.png")
    Image.new("CMYK", (30, 60)).save(folder / "two.jpg")
    (folder / "broken.png").write_bytes(b"\x89PNG")


def test_a_folder_of_photos_becomes_an_adapter_and_bad_ones_are_listed(tmp_path):
    tiny_folder(tmp_path / "model")
    photos(tmp_path / "photos")
    run_finetuning(recipe(tmp_path), Workspace(tmp_path / "run"))
    made = tmp_path / "run" / "image_lora"
    assert (made / "pytorch_lora_weights.safetensors").exists()
    assert "broken.png" in (made / "left_out.csv").read_text()
    assert json.loads((made / "artefact.json").read_text())["about"]["pictures"] == 2


@pytest.mark.parametrize("steps", [1, 3, 11])
def test_a_short_run_tells_its_losses_and_so_does_one_resumed_at_its_end(tmp_path, steps):
    tiny_folder(tmp_path / "model")
    photos(tmp_path / "photos")
    asked = recipe(tmp_path, max_train_steps=steps, checkpointing_steps=1)
    first = run_finetuning(asked, Workspace(tmp_path / "run")).values["losses"]
    shutil.rmtree(tmp_path / "run" / "image_lora")
    # Its checkpoints are left: the training finds that it was over.
    again = run_finetuning(asked, Workspace(tmp_path / "run"))
    assert first and all(map(math.isfinite, first))
    assert again.values["losses"] == first
    assert "nan" not in again.text


def test_a_folder_without_a_usable_picture_is_refused(tmp_path):
    tiny_folder(tmp_path / "model")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="can be trained on"):
        run_finetuning(recipe(tmp_path), Workspace(tmp_path / "run"))


def test_a_full_disk_leaves_no_half_written_adapter(tmp_path, monkeypatch):
    tiny_folder(tmp_path / "model")
    photos(tmp_path / "photos")

    def full(_pipe, folder):
        (folder / "pytorch_lora_weights.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(finetune_image_lora, "write_image_lora", full)
    with pytest.raises(StorageError, match="No space left"):
        run_finetuning(recipe(tmp_path), Workspace(tmp_path / "run"))
    left = [path.name for path in (tmp_path / "run").rglob("*lora_weights*")]
    assert left == [] and not (tmp_path / "run" / "image_lora").exists()
