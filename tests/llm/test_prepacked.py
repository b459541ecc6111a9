"""Prepacked weights change no result, and never outlive the weights that they were made of."""

import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import LlamaConfig, LlamaModel

from genrec.llm import prepacked
from genrec.llm.backbone import Backbone
from genrec.llm.prepacked import PrepackedWeights, not_prepacked
from genrec.training.fit import FitConfig, fit
from tests.decoding.test_beam import FAMILIES, SIZE, backbone_of

IDS = torch.tensor([[1, 5, 9, 30], [1, 7, 20, 40]])


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch):
    """Those of these tests' LLMs are packed too."""
    monkeypatch.setattr(prepacked, "LEAST_SIDE", 1)


@pytest.fixture
def products(monkeypatch):
    """What was multiplied with packed copies: the shape of each input."""
    taken = []
    real = torch.ops.mkldnn._linear_pointwise

    def watched(inputs, *rest):
        taken.append(tuple(inputs.shape))
        return real(inputs, *rest)

    def watched_product(inputs, *rest):
        taken.append(tuple(inputs.shape))
        return real.binary(inputs, *rest)

    watched.binary = watched_product
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", watched)
    return taken


def plain_states(backbone, ids=IDS):
    """The decoder's states without any copy."""
    with torch.no_grad():
        return backbone.model.get_decoder()(input_ids=ids).last_hidden_state


def packed_states(backbone, ids=IDS):
    with torch.inference_mode():
        return backbone.hidden_states(input_ids=ids).last_hidden_state


def two_layers(bias=True, width=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 16, bias=bias), nn.Linear(16, width, bias=bias)).eval()


def adapted(backbone, **options):
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False, **options)
    return Backbone(
        get_peft_model(backbone.model, config),
        backbone.text_tokenizer,
        backbone.settings,
        backbone.token_names,
        backbone.codebook_sizes,
    ).eval()


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


def test_a_used_model_can_be_pickled():
    backbone = backbone_of("llama")
    expected = packed_states(backbone)
    weights = backbone._prepacked
    twin, model = pickle.loads(pickle.dumps((weights, backbone.model)))  # noqa: S301
    assert type(twin) is PrepackedWeights
    assert type(model.model.layers[0].mlp).__name__ == "LlamaMLP"
    backbone.model = model
    torch.testing.assert_close(plain_states(backbone), expected, atol=1e-5, rtol=1e-4)


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


def test_a_model_made_in_inference_mode():
    with torch.inference_mode():
        model, inputs = two_layers(), torch.randn(3, 8)
        expected = model(inputs)
        with PrepackedWeights(model).used():
            torch.testing.assert_close(model(inputs), expected)


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
