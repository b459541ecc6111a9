"""Prepacked copies never outlive the weights that they were made of."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from genrec.llm.prepacked import PrepackedWeights, not_prepacked
from genrec.training.fit import FitConfig, fit
from tests.decoding.test_beam import adapted, backbone_of
from tests.llm.packed_models import IDS, packed_states, plain_states, two_layers

pytestmark = pytest.mark.usefixtures("small_matrices")


def step(linear):
    with torch.no_grad():
        linear.weight[-1].mul_(2)


def other_storage(linear):
    linear.weight.data = linear.weight.data * 2


def behind_autograd(linear):
    linear.weight.data += 1


def other_parameter(linear):
    linear.weight = nn.Parameter(linear.weight.detach() + 1)


@pytest.mark.parametrize("change", [step, other_storage, behind_autograd, other_parameter])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_change_of_weights_is_noticed(change, layer):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode(), weights.used():
        before = model(inputs)
    change(model[layer])
    expected = model(inputs).detach()
    with torch.inference_mode(), weights.used():
        after = model(inputs)
    torch.testing.assert_close(after, expected)
    assert not torch.allclose(before, after)


def test_an_adapter_that_is_merged_and_taken_out_again_is_noticed():
    backbone = adapted(backbone_of("llama"))
    own = packed_states(backbone)
    backbone.model.merge_adapter()
    torch.testing.assert_close(packed_states(backbone), plain_states(backbone))
    backbone.model.unmerge_adapter()
    torch.testing.assert_close(packed_states(backbone), own, atol=1e-5, rtol=1e-4)


def test_weights_are_packed_once(monkeypatch):
    packed = []
    real = torch.ops.mkldnn._reorder_linear_weight

    def counted(weight, rows):
        packed.append(tuple(weight.shape))
        return real(weight, rows)

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", counted)
    backbone = backbone_of("llama")
    for _ in range(3):
        packed_states(backbone)
    assert len(packed) == 14


def test_training_goes_without(products):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with weights.used():
        model(inputs).sum().backward()
    assert model[0].weight.grad is not None
    model.train()
    with torch.no_grad(), weights.used():
        model(inputs)
    assert products == []
    model.eval()
    with torch.no_grad(), weights.used():
        model(inputs)
    assert products == [(3, 8), (3, 16)]


def test_gradients_within_a_block_end_it(products):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode(), weights.used():
        with torch.enable_grad(), weights.used():
            model(inputs)
        model(inputs)
    assert products == []


def test_training_frees_the_copies_and_inference_makes_them_again():
    backbone = backbone_of("llama")
    expected = packed_states(backbone)
    copies = [one for one in backbone.modules() if getattr(one, "packed", None) is not None]
    assert len(copies) == 14
    backbone.train()
    backbone.hidden_states(input_ids=IDS)
    assert all(one.packed is one.sample is one.sampled is None for one in copies)
    torch.testing.assert_close(packed_states(backbone.eval()), expected)
    assert all(one.packed is not None for one in copies)


def test_a_fused_optimisers_step_on_one_row_is_noticed():
    model = two_layers(bias=False)
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode(), weights.used():
        model(inputs)
    gradient = torch.zeros_like(model[0].weight)
    gradient[5] = 1
    model[0].weight.grad = gradient
    torch.optim.AdamW([model[0].weight], lr=0.5, fused=True, weight_decay=0).step()
    expected = model(inputs).detach()
    with torch.inference_mode(), weights.used():
        torch.testing.assert_close(model(inputs), expected)


def test_where_weights_change_copies_are_not_made(products):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode():
        with not_prepacked(), weights.used():
            model(inputs)
        assert products == []
        with weights.used():
            model(inputs)
    assert len(products) == 2


def test_validation_in_training_goes_without(products, tmp_path):
    model = two_layers()
    weights, seen = PrepackedWeights(model), []

    def validate():
        with weights.used():
            seen.append(float(model(torch.ones(1, 8)).sum()))
        return seen[-1]

    config = FitConfig(steps=4, batch_size=1, validate_every=2, log_every=1)
    fit(
        model,
        [torch.ones(8)] * 4,
        collate=lambda rows: {"inputs": torch.stack(rows)},
        loss=lambda network, batch: network(batch["inputs"]).sum(),
        config=config,
        folder=tmp_path,
        validate=validate,
    )
    assert len(set(seen)) > 1
    assert products == []


def test_many_threads_pack_once(monkeypatch):
    packed, real = [], torch.ops.mkldnn._reorder_linear_weight

    def slow(weight, rows):
        packed.append(1)
        time.sleep(0.02)
        return real(weight, rows)

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", slow)
    backbone = backbone_of("llama")
    expected = plain_states(backbone)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: packed_states(backbone), range(6)))
    assert len(packed) == 14
    for states in found:
        torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-4)


def test_the_copy_of_a_used_model_has_the_classes_of_transformers():
    backbone = backbone_of("llama")
    expected = packed_states(backbone)
    weights = backbone._prepacked
    twin, model = copy.deepcopy((weights, backbone.model))
    assert type(twin) is PrepackedWeights
    assert type(model.model.layers[0].mlp).__name__ == "LlamaMLP"
    backbone.model = model
    torch.testing.assert_close(plain_states(backbone), expected, atol=1e-5, rtol=1e-4)


def test_one_layer_that_changes_its_type_goes_without(products):
    model = two_layers(bias=False)
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode(), weights.used():
        model(inputs)
    model[1].double()
    products.clear()
    with torch.inference_mode(), weights.used():
        model[1](model[0](inputs).double())
    assert products == [(3, 8)]


def test_bfloat16_and_a_change_of_type(products):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode(), weights.used():
        model(inputs)
    model, inputs = model.to(torch.bfloat16), inputs.to(torch.bfloat16)
    expected = model(inputs).detach()
    with torch.inference_mode(), weights.used():
        found = model(inputs)
    torch.testing.assert_close(found, expected)
    supported = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert len(products) == (4 if supported else 2)


def test_copies_of_the_model_and_its_file_are_as_without(products):
    backbone = backbone_of("llama")
    names, expected = list(backbone.state_dict()), packed_states(backbone)
    assert list(backbone.state_dict()) == names
    twin = copy.deepcopy(backbone)
    assert not [one for one in twin.modules() if getattr(one, "packed", None) is not None]
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.zero_()
    products.clear()
    torch.testing.assert_close(packed_states(twin), expected)
    assert len(products) == 14
