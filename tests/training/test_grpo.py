import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genrec.training.grpo import advantages, clipped_loss, divergence, invalid_places

ALL = np.ones((1, 4), bool)


def test_advantages_are_distances_from_the_group_in_its_deviations():
    found = advantages(np.array([[1.0, 0.0, 0.0, 0.0]]), ALL, divide_by_std=True)
    # Mean .25, deviation sqrt(3)/4.
    assert found[0].tolist() == pytest.approx([math.sqrt(3), *[-1 / math.sqrt(3)] * 3])


def test_without_the_deviation_they_are_plain_distances():
    found = advantages(np.array([[1.0, 0.0, 0.0, 0.0]]), ALL, divide_by_std=False)
    assert found[0].tolist() == [0.75, -0.25, -0.25, -0.25]


def test_a_group_that_earns_the_same_teaches_nothing():
    assert not advantages(np.full((1, 4), 0.3), ALL, divide_by_std=True).any()


def test_places_without_an_item_take_no_part():
    known = np.array([[True, True, False, False]])
    found = advantages(np.array([[1.0, 0.0, 7.0, 7.0]]), known, divide_by_std=True)
    assert found[0].tolist() == pytest.approx([1.0, -1.0, 0.0, 0.0])


@given(arrays(np.float64, (3, 5), elements=st.floats(-3, 3)), st.booleans())
def test_the_advantages_of_a_group_cancel_out(rewards, divide_by_std):
    found = advantages(rewards, np.ones((3, 5), bool), divide_by_std=divide_by_std)
    assert np.abs(found.sum(axis=1)).max() < 1e-6


def test_at_the_first_pass_the_gradient_is_minus_the_advantage():
    policy = torch.tensor([[[-1.0, -2.0]]], requires_grad=True)
    gain = torch.tensor([[[0.5]]])
    loss = clipped_loss(policy, policy.detach(), gain, clip=0.2)
    assert loss.tolist() == [[[-0.5, -0.5]]]
    loss.sum().backward()
    assert policy.grad.tolist() == [[[-0.5, -0.5]]]


@pytest.mark.parametrize(("gain", "moved"), [(1.0, 0.5), (-1.0, -0.5)])
def test_what_has_moved_far_enough_has_no_gradient(gain, moved):
    policy = torch.tensor([[[moved]]], requires_grad=True)
    clipped_loss(
        policy, torch.zeros(1, 1, 1), torch.full((1, 1, 1), gain), clip=0.2
    ).sum().backward()
    assert policy.grad.item() == 0.0


@pytest.mark.parametrize(("gain", "moved"), [(1.0, -0.5), (-1.0, 0.5)])
def test_what_has_moved_the_wrong_way_still_has_one(gain, moved):
    policy = torch.tensor([[[moved]]], requires_grad=True)
    clipped_loss(
        policy, torch.zeros(1, 1, 1), torch.full((1, 1, 1), gain), clip=0.2
    ).sum().backward()
    assert policy.grad.item() == pytest.approx(-gain * math.exp(moved))


def test_the_divergence_is_the_third_estimator():
    found = divergence(torch.tensor(-1.0), torch.tensor(-1.5))
    assert found.item() == pytest.approx(math.exp(-0.5) + 0.5 - 1)
    assert divergence(torch.tensor(-1.0), torch.tensor(-1.0)).item() == 0.0


def test_places_that_hold_no_item_or_one_twice_are_counted():
    assert invalid_places(np.array([[0, 1, 2], [3, 3, 1], [9, -1, -1]]), 5) == 2
    assert invalid_places(np.array([[0, 1, 4], [2, -1, -1]]), 5) == 0
