"""DeepSpeed: what is refused, and two processes beside one where the package is installed."""

import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from genrec.errors import ConfigError
from genrec.training.fit import fit
from genrec.training.options import FitConfig
from genrec.training.together import Learner
from genrec.training.zero import shared_out, wants_zero
from tests.training import in_company
from tests.training.in_company import STEPS, main_by_deepspeed, stop, told, train

INSTALLED = find_spec("deepspeed") is not None


@pytest.fixture
def launched(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    return monkeypatch


def test_without_a_word_of_deepspeed_nothing_is_asked_of_it():
    assert not wants_zero(1.0)


@pytest.mark.skipif(INSTALLED, reason="deepspeed is installed")
def test_a_launch_with_deepspeed_says_that_the_package_is_missing(launched):
    with pytest.raises(ConfigError, match="pip install deepspeed; or launch with ddp.yaml"):
        wants_zero(1.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ACCELERATE_DEEPSPEED_ZERO_STAGE", "1", "zero_stage must be 2 or 3"),
        ("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "cpu", "offload_param_device must be none"),
        ("ACCELERATE_DEEPSPEED_CONFIG_FILE", "my.json", "deepspeed_config_file must be none"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "gradient_accumulation_steps must be 1"),
        ("ACCELERATE_MIXED_PRECISION", "bf16", "mixed_precision must be no"),
        ("ACCELERATE_GRADIENT_CLIPPING", "1.0", "train.max_grad_norm 0.5: leave the first away"),
    ],
)
def test_what_deepspeed_is_not_to_do_here_is_refused_all_at_once(launched, name, value, message):
    launched.setenv(name, value)
    launched.setenv("ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "nvme")
    with pytest.raises(ConfigError) as error:
        wants_zero(0.5)
    assert message in str(error.value)
    assert "offload_optimizer_device must be none" in str(error.value)
    assert "deepspeed-zero2.yaml" in str(error.value)


def test_one_process_that_was_launched_so_trains_as_without(launched, tmp_path):
    model = nn.Linear(1, 1)
    fitted = fit(
        model,
        [torch.ones(1)] * 8,
        collate=lambda rows: {"x": torch.stack(rows)},
        loss=lambda model, batch: model(batch["x"]).mean(),
        config=FitConfig(steps=2, batch_size=4),
        folder=tmp_path,
    )
    assert fitted.steps == 2


class Two(nn.Module):
    """Of two layers, one is asked."""

    def __init__(self):
        super().__init__()
        self.asked, self.left = nn.Linear(3, 2), nn.Linear(3, 2)


def test_what_a_part_of_a_batch_does_not_use_has_a_gradient_of_zero():
    model = Two()
    learner = shared_out(Learner(model, lambda found, batch: found.asked(batch["x"]).sum()))
    learner({"x": torch.ones(4, 3)}).backward()
    assert learner.model is not model
    assert learner.model.asked.weight.grad.tolist() == [[4.0] * 3] * 2
    assert learner.model.left.weight.grad.tolist() == [[0.0] * 3] * 2


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    stop(folder / "stopped")
    return folder / "stopped", told(train(folder / "one"))


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="deepspeed is not installed: pip install deepspeed")
@pytest.mark.parametrize("stage", ["2", "3"])
def test_two_processes_of_deepspeed_learn_what_one_does(alone, tmp_path, stage):
    stopped, one = alone
    shutil.copytree(stopped, tmp_path / "one-then-two")
    found = in_company.together(tmp_path, stage, does=main_by_deepspeed)
    # Rounding to bfloat16 is not the same for other parts of a batch.
    in_bf16 = told(train(tmp_path / "one-in-bf16", bf16=True))["losses"]
    np.testing.assert_allclose(found.pop("in-bf16")["losses"], in_bf16, rtol=3e-3)
    begun = tmp_path / "two-then-one"
    assert [path.name for path in begun.glob("checkpoint-*")] == ["checkpoint-2"]
    found["two-then-one"] = told(train(begun))
    for two in found.values():
        assert two["steps"] == STEPS
        np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-4)
        np.testing.assert_allclose(two["metrics"], one["metrics"], atol=1e-4)
        np.testing.assert_allclose(two["scores"], one["scores"], atol=1e-3)
    kept = {file.suffix for file in (tmp_path / "two" / "checkpoint-4").rglob("*")}
    assert kept == {".json", ".safetensors"}
