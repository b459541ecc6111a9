"""Alignment of modalities: worked out by hand, and blind to what is absent."""

from __future__ import annotations

import math

import pytest
import torch

from genrec.errors import ConfigError
from genrec.training.alignment import alignment_loss

PAIR = [(0, 1)]


def parts(*columns: list[list[float]]) -> torch.Tensor:
    return torch.stack([torch.tensor(column) for column in columns], dim=1)


def all_present(items: int, modalities: int = 2) -> torch.Tensor:
    return torch.ones(items, modalities, dtype=torch.bool)


@pytest.mark.parametrize("kind", ["cosine", "mse"])
def test_aligned_items_cost_nothing(kind) -> None:
    same = parts([[1.0, 2.0], [0.0, 3.0]], [[2.0, 4.0], [0.0, 1.0]])
    assert alignment_loss(same, all_present(2), PAIR, kind=kind).item() == pytest.approx(
        0, abs=1e-6
    )


def test_each_loss_equals_its_formula() -> None:
    crossed = parts([[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert alignment_loss(crossed, all_present(2), PAIR, kind="cosine").item() == pytest.approx(1)
    assert alignment_loss(crossed, all_present(2), PAIR, kind="mse").item() == pytest.approx(1)
    contrast = alignment_loss(crossed, all_present(2), PAIR, kind="info-nce", temperature=0.5)
    assert contrast.item() == pytest.approx(math.log(1 + math.exp(2)), abs=1e-5)


@pytest.mark.parametrize("kind", ["info-nce", "cosine", "mse"])
def test_items_that_lack_one_of_the_pair_take_no_part(kind) -> None:
    torch.manual_seed(0)
    values = torch.randn(5, 2, 3)
    present = torch.tensor([[True, True]] * 3 + [[True, False], [False, True]])
    whole = alignment_loss(values, present, PAIR, kind=kind)
    few = alignment_loss(values[:3], present[:3], PAIR, kind=kind)
    assert whole.item() == pytest.approx(few.item())


def test_nothing_in_common_costs_nothing_and_still_has_a_gradient() -> None:
    values = torch.randn(2, 2, 3, requires_grad=True)
    present = torch.tensor([[True, False], [False, True]])
    loss = alignment_loss(values, present, PAIR)
    loss.backward()
    assert loss.item() == 0
    assert values.grad is not None


def test_an_unknown_alignment_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cosine'"):
        alignment_loss(torch.zeros(1, 2, 3), all_present(1), PAIR, kind="cosin")
