from collections import OrderedDict

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from genrec.llm.adapt import adapter_name, train_all
from genrec.llm.mixture import NO_DOMAIN, Mixture

WIDTH = 6


def adapted(domains, *, layers=1, width=WIDTH):
    """A model of linear layers with an adapter for all and one for each domain, none at nought."""
    torch.manual_seed(0)
    body = nn.Sequential(
        OrderedDict((f"linear{n}", nn.Linear(width, width)) for n in range(layers))
    )
    config = LoraConfig(r=2, lora_alpha=3, target_modules=[f"linear{n}" for n in range(layers)])
    model = get_peft_model(body, config)
    for name in domains:
        model.add_adapter(adapter_name(name), config)
    train_all(model, domains)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    return model


def by_hand(model, x, shares):
    """What one layer with these shares of its adapters computes."""
    layer = model.base_model.model.linear0
    output = layer.base_layer(x)
    for name, share in shares.items():
        change = layer.lora_B[name](layer.lora_A[name](x)) * layer.scaling[name]
        output = output + share * change
    return output


@pytest.mark.parametrize("gradients", [True, False])
def test_each_token_of_a_pack_has_its_own_domain_s_adapter(gradients):
    model = adapted(["a", "b", "c"])
    mixture = Mixture(model, ["a", "b", "c"], learned=False)
    x = torch.randn(1, 4, WIDTH)
    with torch.set_grad_enabled(gradients), mixture.applied(torch.tensor([[0, 1, NO_DOMAIN, 1]])):
        found = model(x)[0]
    owns = [{"for-a": 1}, {"for-b": 1}, {}, {"for-b": 1}]
    for token, own in enumerate(owns):
        wanted = by_hand(model, x[0, token], {"default": 1, **own})
        torch.testing.assert_close(found[token], wanted)
    torch.testing.assert_close(model(x), by_hand(model, x, {"default": 1}))
    with model.disable_adapter(), mixture.applied(torch.tensor([[0]])):
        torch.testing.assert_close(model(x), by_hand(model, x, {}))


def test_every_domain_s_adapter_trains_and_only_a_token_s_own_learns_from_it():
    model = adapted(["a", "b"])
    mixture = Mixture(model, ["a", "b"], learned=False)
    with mixture.applied(torch.tensor([[0]])):
        model(torch.randn(1, 3, WIDTH)).sum().backward()
    layer = model.base_model.model.linear0
    assert layer.base_layer.weight.grad is None
    assert layer.lora_A["default"].weight.grad.abs().sum() > 0
    for half in (layer.lora_A, layer.lora_B):
        assert half["for-a"].weight.grad.abs().sum() > 0
        assert half["for-b"].weight.grad.abs().sum() == 0


def test_a_learned_gate_starts_near_the_own_adapter_and_learns():
    model = adapted(["a", "b"])
    mixture = Mixture(model, ["a", "b"], learned=True)
    started = {"default": 1, "for-a": 0.88, "for-b": 0.12}
    assert mixture.scales(0) == pytest.approx(started, abs=0.01)
    assert mixture.scales(NO_DOMAIN) == {"default": 1, "for-a": 0, "for-b": 0}
    x = torch.randn(1, 1, WIDTH)
    with mixture.applied(torch.tensor([[1]])):
        found = model(x)
    found.sum().backward()
    torch.testing.assert_close(found, by_hand(model, x, mixture.scales(1)))
    assert mixture.gate.grad[1].abs().min() > 0
    assert mixture.gate.grad[0].abs().max() == 0


@pytest.mark.parametrize("gradients", [True, False])
def test_adapters_of_unlike_ranks_act_with_their_own(gradients):
    torch.manual_seed(0)
    ranks = {"default": 2, "for-a": 1, "for-b": 4, "for-c": 3}
    configs = {
        name: LoraConfig(r=rank, lora_alpha=3, target_modules=["linear0"], init_lora_weights=False)
        for name, rank in ranks.items()
    }
    body = nn.Sequential(OrderedDict(linear0=nn.Linear(WIDTH, WIDTH)))
    model = get_peft_model(body, configs["default"])
    for name in ("for-a", "for-b", "for-c"):
        model.add_adapter(name, configs[name])
    mixture = Mixture(model, ["a", "b", "c"], learned=True)
    x = torch.randn(1, 2, WIDTH)
    with torch.set_grad_enabled(gradients), mixture.applied(torch.tensor(2)):
        found = model(x)
    torch.testing.assert_close(found, by_hand(model, x, mixture.scales(2)))


def kept_for_gradients(domains):
    """Numbers that a training step over 512 tokens keeps for its gradients."""
    names = [f"d{number}" for number in range(domains)]
    model = adapted(names, layers=3, width=32)
    mixture = Mixture(model, names, learned=False)
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr(), tensor.shape] = tensor
        return tensor

    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        mixture.applied(torch.zeros(1, 512, dtype=torch.long)),
    ):
        model(torch.randn(1, 512, 32))
    return sum(tensor.numel() for tensor in kept.values())


def test_one_more_domain_costs_its_ranks_alone():
    # For each layer and token: the ranks before and after they are weighed, and their weights.
    assert kept_for_gradients(12) - kept_for_gradients(2) < 3 * 10 * 512 * 2 * 3.5
