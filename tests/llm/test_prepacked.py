"""Prepacked weights change no result, and go where they pay."""

import threading

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel

from genrec.llm import prepacked
from genrec.llm.prepacked import PrepackedWeights
from tests.decoding.test_beam import FAMILIES, SIZE, adapted, backbone_of
from tests.llm.packed_models import IDS, packed_states, plain_states, two_layers

pytestmark = pytest.mark.usefixtures("small_matrices")


@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_those_without_copies(family, products):
    backbone = backbone_of(family)
    expected = plain_states(backbone)
    assert products == []
    torch.testing.assert_close(packed_states(backbone), expected, atol=1e-5, rtol=1e-4)
    # Queries, keys, values, outputs and the three matrices of the MLP, in two layers.
    assert len(products) == 14


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_the_last_state_alone_is_that_among_all(family, products):
    backbone = backbone_of(family)
    expected = plain_states(backbone)[:, -1]
    with torch.inference_mode():
        found = backbone.hidden_states(alone=True, input_ids=IDS).last_hidden_state[:, -1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    # Of the last layer, the output matrix and the MLP have one token of each row.
    assert [shape[1] for shape in products].count(1) == 4


def activations(backbone):
    """How often the MLPs' own activation is called."""
    called = []
    for layer in backbone.model.get_decoder().layers:
        layer.mlp.act_fn.register_forward_hook(lambda *_: called.append(1))
    return called


@pytest.mark.parametrize("family", FAMILIES)
def test_an_activation_that_onednn_applies_is_not_called(family):
    backbone = backbone_of(family)
    called = activations(backbone)
    packed_states(backbone)
    assert len(called) == (2 if "gemma" in family else 0)
    plain_states(backbone)
    assert len(called) == (4 if "gemma" in family else 2)


def test_in_bfloat16_no_rounding_is_left_out():
    backbone = backbone_of("llama").to(torch.bfloat16)
    called = activations(backbone)
    packed_states(backbone)
    assert len(called) == 2


def test_every_known_gated_mlp_is_tried():
    kinds = {type(backbone_of(one).model.get_decoder().layers[0].mlp) for one in FAMILIES}
    assert {kind.__name__ for kind in kinds} >= set(prepacked.GATED)


def test_biases_of_a_gated_mlp_count():
    config = LlamaConfig(**SIZE, vocab_size=40, mlp_bias=True, attention_bias=True)
    model = LlamaModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    expected = model(input_ids=IDS % 40).last_hidden_state
    with torch.inference_mode(), PrepackedWeights(model).used():
        found = model(input_ids=IDS % 40).last_hidden_state
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("part", ["gate_proj", "up_proj", "down_proj"])
def test_hooks_on_the_parts_of_an_mlp_are_called(part):
    backbone = backbone_of("llama")
    expected, seen = plain_states(backbone), []
    for layer in backbone.model.get_decoder().layers:
        getattr(layer.mlp, part).register_forward_hook(lambda *_: seen.append(1))
    torch.testing.assert_close(packed_states(backbone), expected, atol=1e-5, rtol=1e-4)
    assert len(seen) == 2


@pytest.mark.parametrize("options", [{}, {"use_dora": True}])
def test_adapters_act_as_before(options, products):
    backbone = adapted(backbone_of("llama"), **options)
    expected = plain_states(backbone)
    torch.testing.assert_close(packed_states(backbone), expected, atol=1e-5, rtol=1e-4)
    assert products


def test_other_threads_and_what_follows_go_without(products):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode(), weights.used():
        other = threading.Thread(target=lambda: model(inputs))
        other.start()
        other.join()
    with torch.inference_mode():
        model(inputs)
    assert products == []


@pytest.mark.parametrize("part", ["gate_proj", "up_proj"])
def test_a_part_of_an_mlp_whose_forward_was_replaced_keeps_it(part):
    backbone = backbone_of("llama")
    for layer in backbone.model.get_decoder().layers:
        linear = getattr(layer.mlp, part)
        linear.forward = lambda inputs, linear=linear: 2 * type(linear).forward(linear, inputs)
    expected = plain_states(backbone)
    torch.testing.assert_close(packed_states(backbone), expected, atol=1e-5, rtol=1e-4)


def test_weights_that_are_no_plain_parameters_go_without(products):
    class Shard(nn.Parameter):
        pass

    model = two_layers(bias=False)
    model[0].weight = Shard(model[0].weight.detach())
    with torch.inference_mode(), PrepackedWeights(model).used():
        model(torch.randn(3, 8))
    assert products == [(3, 16)]


def test_a_model_without_parameters_goes_without():
    model = nn.Sequential(nn.ReLU()).eval()
    with torch.inference_mode(), PrepackedWeights(model).used():
        assert model(torch.ones(2)).tolist() == [1, 1]


def test_autocast_and_a_switched_off_onednn_go_without(products):
    model = two_layers()
    weights, inputs = PrepackedWeights(model), torch.randn(3, 8)
    with torch.inference_mode():
        with torch.autocast("cpu", dtype=torch.bfloat16), weights.used():
            assert model(inputs).dtype == torch.bfloat16
        with torch.backends.mkldnn.flags(enabled=False), weights.used():
            model(inputs)
    assert products == []


def test_a_processor_that_was_not_tried_goes_without(products, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    model = two_layers()
    with torch.inference_mode(), PrepackedWeights(model).used():
        model(torch.randn(3, 8))
    assert products == []


def test_an_llm_that_would_need_too_much_memory_twice_goes_without(products, monkeypatch):
    model = two_layers(bias=False)
    needed = sum(one.nbytes for one in model.parameters())
    for most, expected in ((needed - 1, 0), (needed, 2)):
        monkeypatch.setattr(prepacked, "MOST_BYTES", most)
        with torch.inference_mode(), PrepackedWeights(model).used():
            model(torch.randn(3, 8))
        assert len(products) == expected


def test_small_matrices_go_without(products, monkeypatch):
    monkeypatch.setattr(prepacked, "LEAST_SIDE", 12)
    model = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 12)).eval()
    with torch.inference_mode(), PrepackedWeights(model).used():
        model(torch.randn(3, 8))
    assert products == [(3, 16)]


def test_other_kinds_of_linear_layers_compute_in_their_own_way(products):
    class Doubled(nn.Linear):
        def forward(self, inputs):
            return 2 * super().forward(inputs)

    model, inputs = nn.Sequential(Doubled(8, 8)).eval(), torch.randn(3, 8)
    expected = model(inputs).detach()
    with torch.inference_mode(), PrepackedWeights(model).used():
        torch.testing.assert_close(model(inputs), expected)
    assert products == []


@pytest.mark.parametrize("rows", [0, 1, 20])
@pytest.mark.parametrize("bias", [False, True])
def test_any_number_of_rows(rows, bias):
    model = two_layers(bias)
    for inputs in (torch.randn(rows, 8), torch.randn(2, rows, 8), torch.randn(8, rows).T):
        expected = model(inputs).detach()
        with torch.inference_mode(), PrepackedWeights(model).used():
            torch.testing.assert_close(model(inputs), expected)


def test_a_model_made_in_inference_mode():
    with torch.inference_mode():
        model, inputs = two_layers(), torch.randn(3, 8)
        expected = model(inputs)
        with PrepackedWeights(model).used():
            torch.testing.assert_close(model(inputs), expected)
