"""Sharded weights, by one process that holds the only share."""

import pytest
import torch
from torch import distributed, nn

from genrec.training.sharding import sharded, whole


@pytest.fixture
def alone(tmp_path):
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'met'}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


class Two(nn.Module):
    """Of two layers, one is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.left = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.asked(x).sum()


def test_what_a_part_of_a_batch_does_not_use_has_a_gradient_of_zero(alone):
    # Other processes may use it, and add up gradients of all that trains.
    learner = sharded(Two(), torch.device("cpu"), 1)
    learner(torch.ones(4, 3)).backward()
    assert whole(learner.asked.weight.grad).tolist() == [[4.0] * 3] * 2
    assert whole(learner.left.weight.grad).tolist() == [[0.0] * 3] * 2
