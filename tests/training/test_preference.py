import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.training.preference import dpo_loss
from genrec.training.reference import Reference

ratio = st.floats(-5, 5, width=32)


def known(cases: int, rejected: int) -> torch.Tensor:
    return torch.ones(cases, rejected, dtype=torch.bool)


def test_the_loss_of_a_pair_is_the_one_computed_by_hand():
    # -log sigmoid(.5 * ((.4 - -.2) - 0)) with log-ratios of .4 - -.2 and 0.
    found = dpo_loss(torch.tensor([0.6]), torch.tensor([[0.0]]), beta=0.5, known=known(1, 1))
    assert found.item() == pytest.approx(-math.log(1 / (1 + math.exp(-0.3))), abs=1e-6)


def test_several_rejected_items_are_the_softmax_of_the_paper():
    chosen, rejected = 0.3, [0.1, -0.7, 1.2]
    inner = sum(math.exp(0.2 * (one - chosen)) for one in rejected)
    by_hand = -math.log(1 / (1 + math.exp(math.log(inner))))
    found = dpo_loss(torch.tensor([chosen]), torch.tensor([rejected]), beta=0.2, known=known(1, 3))
    assert found.item() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("rejected", [1, 3, 15])
def test_while_both_agree_the_loss_is_the_logarithm_of_one_and_the_rejected(rejected):
    found = dpo_loss(torch.zeros(2), torch.zeros(2, rejected), beta=0.1, known=known(2, rejected))
    assert found.tolist() == pytest.approx([math.log(1 + rejected)] * 2, abs=1e-6)


@given(ratio, ratio, st.floats(0.01, 2))
def test_with_one_rejected_item_it_is_dpo(chosen, rejected, beta):
    found = dpo_loss(
        torch.tensor([chosen]), torch.tensor([[rejected]]), beta=beta, known=known(1, 1)
    )
    plain = -torch.nn.functional.logsigmoid(torch.tensor(beta * (chosen - rejected)))
    assert found.item() == pytest.approx(plain.item(), abs=1e-5)


def test_places_without_an_item_change_nothing_and_get_no_gradient():
    chosen = torch.tensor([0.2, 0.1], requires_grad=True)
    rejected = torch.tensor([[0.5, 9.0], [1.0, 2.0]], requires_grad=True)
    there = torch.tensor([[True, False], [False, False]])
    losses = dpo_loss(chosen, rejected, beta=1.0, known=there)
    alone = dpo_loss(chosen[:1], rejected[:1, :1], beta=1.0, known=known(1, 1))
    assert losses[0].item() == pytest.approx(alone.item())
    assert losses[1].item() == 0.0
    losses.sum().backward()
    assert rejected.grad[0, 0] > 0
    assert rejected.grad[0, 1] == 0
    assert rejected.grad[1].tolist() == [0.0, 0.0]
    assert chosen.grad[0] < 0
    assert chosen.grad[1] == 0


def test_a_reference_answers_as_the_model_did_and_leaves_it_as_it_is():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    frozen = torch.nn.Linear(3, 2).requires_grad_(requires_grad=False)
    both = torch.nn.ModuleDict({"own": model, "frozen": frozen})
    reference, before = Reference(both), model.weight.detach().clone()
    assert set(reference.kept) == {"own.weight", "own.bias"}
    x = torch.ones(3)
    loss = model(x).sum()
    with torch.no_grad():
        model.weight.add_(1.0)
        moved = model.weight.clone()
        with reference.in_place():
            assert torch.equal(model.weight, before)
        assert torch.equal(model.weight, moved)
    after = (model(x) ** 2).sum()
    with torch.no_grad(), reference.in_place():
        model(x)
    # The graph of the policy is not disturbed by a look at the reference.
    after.backward()
    expected = 2 * (moved @ x + model.bias.detach())
    assert torch.allclose(model.bias.grad, expected)
    assert loss.item() != after.item()
