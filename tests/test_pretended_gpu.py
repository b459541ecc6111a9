"""Training and search where a GPU is pretended: nothing of theirs lies on two devices."""

import os
import subprocess
import sys

import pytest
import torch

from tests.own_process import REPOSITORY
from tests.pretended_gpu import ELSEWHERE, Away, Calling, Computing

TESTS = [
    "tests/decoding/test_static.py::test_captured_passes_find_the_same",
    "tests/recommenders/test_sasrec.py",
    "tests/recommenders/test_hybrid.py::test_a_rule_of_the_histories_is_learned_by_both_heads",
    "tests/recommenders/test_hybrid.py::TestHybrid",
]


@pytest.fixture
def elsewhere():
    with Calling(), Computing():
        yield ELSEWHERE


def test_what_is_made_or_brought_elsewhere_is_computed_there(elsewhere):
    made = torch.arange(4, device=elsewhere) + torch.tensor([1, 2, 3, 4], device=elsewhere)
    brought = torch.ones(4).to(elsewhere)
    product = made * brought * 2
    assert isinstance(product, Away)
    assert product.device == elsewhere
    assert product.cpu().tolist() == [2.0, 6.0, 10.0, 14.0]
    assert product[[0, 3]].tolist() == [2.0, 14.0]
    product[1:] = 0
    assert product.sum().item() == 2.0


def test_gradients_come_to_parameters_elsewhere(elsewhere):
    weight = torch.nn.Parameter(torch.tensor([2.0, 3.0], device=elsewhere))
    (weight * weight).sum().backward()
    assert isinstance(weight.grad, Away)
    assert weight.grad.tolist() == [4.0, 6.0]


def test_tensors_of_two_devices_and_numpy_are_refused(elsewhere):
    there = torch.ones(3, device=elsewhere)
    with pytest.raises(RuntimeError, match="two devices"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="two devices"):
        torch.ones(3)[torch.tensor([0], device=elsewhere)]
    with pytest.raises(TypeError, match="NumPy"):
        there.numpy()
    assert (there + torch.tensor(1.0)).tolist() == [2.0] * 3


@pytest.mark.slow
def test_recommenders_train_and_search_as_on_a_gpu():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.pretended_gpu", *TESTS]
    alone = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    told = subprocess.run(
        [*command, "-m", "", "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        env=alone | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
    assert "skipped" not in told.stdout
