import numpy as np
import pytest
import torch

from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.painter import Painter
from genrec.diffusion.picture import PictureJob
from genrec.errors import ConfigError
from genrec.training.image_lora import LoraPictures, train_image_lora, write_image_lora
from genrec.training.image_lora_options import ImageLoraConfig
from tests.small_diffusion import pictures, tiny_folder


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tiny_folder(tmp_path_factory.mktemp("model") / "tiny"))


def options(**changed):
    given = {
        "instance_prompt": "a zkw mug",
        "items": ["one"],
        "resolution": 32,
        "rank": 2,
        "train_batch_size": 2,
        "max_train_steps": 4,
        "checkpointing_steps": 2,
        "learning_rate": 1e-2,
    }
    return ImageLoraConfig(**(given | changed))


def trained(model, folder, *, progress=None):
    painter = Painter.load(DiffusionOptions(name=model, steps=2, dtype="float32"))
    shown = [
        LoraPictures([pictures(2), pictures(2, width=16, seed=3)], ["a zkw mug"] * 4),
        LoraPictures([pictures(2, seed=1)], ["a mug"] * 2, 0.5),
    ]
    result = train_image_lora(
        painter.pipe, painter.prefix, shown, options=options(), folder=folder, progress=progress
    )
    return painter, result


def adapter_of(painter):
    state = painter.pipe.unet.state_dict()
    return {name: value for name, value in state.items() if "lora_" in name}


def test_only_the_adapter_changes_and_diffusers_loads_it(model, tmp_path):
    painter, result = trained(model, tmp_path / "run")
    write_image_lora(painter.pipe, tmp_path / "adapter")
    assert result.steps == 4
    plain = Painter.load(DiffusionOptions(name=model, steps=2, dtype="float32"))
    before = {k.replace(".base_layer", ""): v for k, v in painter.pipe.unet.state_dict().items()}
    assert all(
        torch.equal(value, before[name]) for name, value in plain.pipe.unet.state_dict().items()
    )
    both = Painter.load(
        DiffusionOptions(
            name=model, steps=2, dtype="float32", adapters={"mug": str(tmp_path / "adapter")}
        )
    )
    without, with_it = both.paint(
        [PictureJob("a mug", seed=1), PictureJob("a mug", seed=1, adapter="mug")]
    )
    assert np.abs(without.pixels.astype(int) - with_it.pixels).max() > 0
    assert next((tmp_path / "adapter").iterdir()).suffix == ".safetensors"


def test_a_killed_run_goes_on_as_the_whole_one_would_have(model, tmp_path):
    def kill(step, steps, loss):
        if step == 3:
            raise Killed

    whole, _ = trained(model, tmp_path / "whole")
    with pytest.raises(Killed):
        trained(model, tmp_path / "killed", progress=kill)
    resumed, _ = trained(model, tmp_path / "killed")
    ours, theirs = adapter_of(whole), adapter_of(resumed)
    assert ours and all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


def test_all_problems_of_the_options_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        options(rank=0, items=[], with_prior_preservation=True, lr_scheduler="wavy")
    said = str(caught.value)
    assert all(word in said for word in ("rank", "instance_data_dir", "class_prompt", "wavy"))
