"""Only the state after the last token is computed where only it is read, and it is the same."""

import threading

import pytest
import torch
from transformers import DynamicCache

from genrec.llm.adapt import base
from genrec.llm.last_alone import KNOWN, heeds_last_alone, last_alone
from tests.decoding.test_beam import FAMILIES, adapted, backbone_of

IDS = torch.tensor([[1, 5, 9, 30], [1, 7, 20, 40]])


def widths_of(backbone, **inputs):
    """Tokens that the last layer's MLP was given."""
    seen = []
    mlp = backbone.model.get_decoder().layers[-1].mlp
    with mlp.act_fn.register_forward_hook(lambda *given: seen.append(given[2].shape[1])):
        backbone.hidden_states(**inputs)
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_state_after_the_last_token_is_what_it_is_among_all(family):
    backbone = backbone_of(family)
    with torch.inference_mode():
        whole = backbone.hidden_states(input_ids=IDS, use_cache=False).last_hidden_state
        alone = backbone.hidden_states(alone=True, input_ids=IDS, use_cache=False)
    torch.testing.assert_close(alone.last_hidden_state[:, -1], whole[:, -1])
    assert widths_of(backbone, alone=True, input_ids=IDS) == [1]
    assert widths_of(backbone, input_ids=IDS) == [4]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_follows_reads_the_same_cache(family):
    backbone = backbone_of(family)
    states = []
    with torch.inference_mode():
        for alone in (False, True):
            cache = DynamicCache()
            backbone.hidden_states(alone=alone, input_ids=IDS, past_key_values=cache)
            states.append(backbone.hidden_states(input_ids=IDS[:, :2], past_key_values=cache))
    torch.testing.assert_close(states[0].last_hidden_state, states[1].last_hidden_state)


def test_other_threads_compute_all():
    backbone = backbone_of("llama")
    found = []
    with last_alone():
        other = threading.Thread(target=lambda: found.extend(widths_of(backbone, input_ids=IDS)))
        other.start()
        other.join()
    assert found == [4]


def test_family_whose_layers_are_not_known_computes_all():
    class Config:
        model_type = "some_mixer"

    class Decoder:
        config = Config()

    assert not heeds_last_alone(Decoder())


def test_every_known_family_is_tried():
    assert {base(backbone_of(family).model).config.model_type for family in FAMILIES} == set(KNOWN)


@pytest.mark.parametrize("dora", [False, True])
def test_adapters_of_the_last_layer_act_as_before(dora):
    backbone = adapted(backbone_of("llama"), use_dora=dora)
    with torch.inference_mode():
        whole = backbone.hidden_states(input_ids=IDS).last_hidden_state
        alone = backbone.hidden_states(alone=True, input_ids=IDS).last_hidden_state
        merged = backbone.model.merge_and_unload().get_decoder()
        with last_alone():
            after = merged(input_ids=IDS).last_hidden_state
    torch.testing.assert_close(alone[:, -1], whole[:, -1])
    assert not torch.allclose(alone[:, 0], whole[:, 0])
    torch.testing.assert_close(after[:, -1], whole[:, -1], atol=1e-5, rtol=1e-4)
