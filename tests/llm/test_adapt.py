import copy
import json
import shutil

import numpy as np
import pytest
import torch
from peft import PeftModel

from genrec.errors import ArtefactError, ConfigError
from genrec.llm import adapt
from genrec.llm.backbone import Backbone
from genrec.llm.loading import read_weights
from genrec.llm.options import BackboneConfig
from genrec.recommenders.generative import GenerativeRecommender
from genrec.versions import Versions
from genrec.workspace import Workspace
from tests.contracts.adaptation import (
    INNER,
    LAYERS,
    LORA_OF_LAYER,
    RANK,
    ROWS,
    WIDTH,
    AdaptationContract,
    asked,
    load_base,
    pretrained,
    trained,
)

LAYER = 4 * WIDTH * WIDTH + 3 * WIDTH * INNER + 2 * WIDTH
BYTES = 259
# DoRA has a magnitude for each output of each matrix.
MAGNITUDES = 4 * WIDTH + 2 * INNER + WIDTH


class TestFrozen(AdaptationContract):
    options = {"adapt": "frozen"}
    expected = ROWS * WIDTH


class TestFrozenUntied(AdaptationContract):
    options = {"adapt": "frozen"}
    expected = 2 * ROWS * WIDTH

    @pytest.fixture(scope="class")
    @classmethod
    def llm(cls, tmp_path_factory):
        return pretrained(tmp_path_factory.mktemp("llm"), tied=False)


class TestFull(AdaptationContract):
    options = {"adapt": "full"}
    expected = (BYTES + ROWS) * WIDTH + LAYERS * LAYER + WIDTH
    full = True


class TestLora(AdaptationContract):
    options = {"adapt": "lora"}
    expected = ROWS * WIDTH + LAYERS * LORA_OF_LAYER


class TestLoraUntied(TestLora):
    expected = 2 * ROWS * WIDTH + LAYERS * LORA_OF_LAYER

    @pytest.fixture(scope="class")
    @classmethod
    def llm(cls, tmp_path_factory):
        return pretrained(tmp_path_factory.mktemp("llm"), tied=False)


class TestLoraOfSomeLayers(AdaptationContract):
    options = {"adapt": "lora", "lora_layers": "last-1:8"}
    expected = ROWS * WIDTH + LORA_OF_LAYER * 8 // RANK


class TestLoraIn8Bits(AdaptationContract):
    options = {"adapt": "lora", "quantize": "8bit"}
    expected = ROWS * WIDTH + LAYERS * LORA_OF_LAYER
    # The 8-bit product rounds its inputs too, which the export does not.
    tolerance = 0.05


class TestDora(AdaptationContract):
    options = {"adapt": "dora"}
    expected = ROWS * WIDTH + LAYERS * (LORA_OF_LAYER + MAGNITUDES)


class TestDoraIn4Bits(AdaptationContract):
    options = {"adapt": "dora", "quantize": "4bit"}
    expected = ROWS * WIDTH + LAYERS * (LORA_OF_LAYER + MAGNITUDES)


class TestQlora(AdaptationContract):
    options = {"adapt": "qlora"}
    expected = ROWS * WIDTH + LAYERS * LORA_OF_LAYER


class TestPrompt(AdaptationContract):
    options = {"adapt": "prompt", "soft_tokens": 5}
    expected = (ROWS + 5) * WIDTH


class TestPromptOfSegments(AdaptationContract):
    options = {"adapt": "prompt", "soft_tokens": 5, "group_by": "kind", "quantize": "4bit"}
    expected = (ROWS + 3 * 5) * WIDTH


class TestMixture(AdaptationContract):
    options = {"adapt": "mixture", "group_by": "kind"}
    expected = ROWS * WIDTH + 3 * LAYERS * LORA_OF_LAYER

    def read_by_peft(self, backbone: Backbone, folder):
        # The adapters of domains first: peft wants rows of tokens of all that come after the first.
        model, _ = load_base(backbone.settings, [*backbone.token_names, "<basket>"])
        for name in map(adapt.adapter_name, backbone.mixture.names):
            alone = PeftModel.from_pretrained(copy.deepcopy(model), str(folder / name))
            ours = dict(backbone.model.named_parameters())
            theirs = [(n, p) for n, p in alone.named_parameters() if "lora_" in n]
            assert len(theirs) == 2 * LAYERS * 7
            for parameter, values in theirs:
                assert torch.equal(values, ours[parameter.replace("default", name)])
        return PeftModel.from_pretrained(model, str(folder))


class TestMixtureWithALearnedGate(TestMixture):
    options = {"adapt": "mixture", "group_by": "kind", "gate": "learned"}
    expected = ROWS * WIDTH + 3 * LAYERS * LORA_OF_LAYER + 2 * 2


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return pretrained(tmp_path_factory.mktemp("llm"))


def test_layers_and_ranks_are_written_in_a_line():
    config = BackboneConfig(lora_rank=16, lora_layers="0-2,last-2:4, 2:8")
    assert config.layer_ranks(6) == {0: 16, 1: 16, 2: 8, 4: 4, 5: 4}
    assert BackboneConfig(lora_layers="first-2").layer_ranks(6) == {0: 16, 1: 16}
    assert BackboneConfig().layer_ranks(2) == {0: 16, 1: 16}


@pytest.mark.parametrize("layers", ["4-9", "last-9", "last-0", "first-0", "9", "3-1"])
def test_layers_that_the_llm_does_not_have_are_refused(layers):
    with pytest.raises(ConfigError, match="0 to 5"):
        BackboneConfig(lora_layers=layers).layer_ranks(6)


def test_a_mixture_may_have_a_rank_for_every_layer():
    config = BackboneConfig(name="tiny", adapt="mixture", lora_layers="first-1:4,last-2:2")
    backbone = Backbone.create(config, ["<a_0>"], (1,), domains=["x", "y"])
    ranks = {
        (name.split("layers.")[1][0], adapter): module.r[adapter]
        for name, module in backbone.model.named_modules()
        if name.endswith("q_proj") and hasattr(module, "r")
        for adapter in ("default", "for-x", "for-y")
    }
    assert ranks == {
        (layer, adapter): rank
        for layer, rank in (("0", 4), ("1", 2), ("2", 2))
        for adapter in ("default", "for-x", "for-y")
    }


def test_a_layer_s_rank_keeps_the_adapter_s_scale(llm):
    backbone = trained(llm, steps=1, lora_layers="first-1:2,last-1").backbone
    found = {
        name.split("layers.")[1][0]: (module.r["default"], module.scaling["default"])
        for name, module in backbone.model.named_modules()
        if name.endswith("q_proj") and hasattr(module, "scaling")
    }
    assert found == {"0": (2, 2.0), "1": (RANK, 2.0)}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"adapt": "full", "quantize": "4bit"}, "cannot be trained"),
        ({"adapt": "qlora", "quantize": "8bit"}, "qlora is 4 bits"),
        ({"quantize": "3bit"}, "8bit, 4bit"),
        ({"adapt": "frozen", "lora_layers": "last-2"}, "says nothing"),
        ({"lora_layers": "lats-2"}, "lats-2"),
        ({"gate": "open"}, "domain or learned"),
        ({"lora_rank": 0}, "at least 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, what):
    with pytest.raises(ConfigError, match=what):
        BackboneConfig(**options)


def test_all_problems_of_the_options_are_told_at_once():
    with pytest.raises(ConfigError, match="(?s)3bit.*open"):
        BackboneConfig(quantize="3bit", gate="open")


def test_random_weights_are_not_put_into_few_bits():
    with pytest.raises(ConfigError, match="random weights"):
        trained("tiny", quantize="4bit", adapt="lora", steps=1)


def test_four_bits_hold_matrices_in_half_a_byte_a_number(llm):
    plain, few = (
        Backbone.create(
            BackboneConfig(name=llm, quantize=bits, dtype="float32"), ["<a_0>", "<b_0>"], (1, 1)
        )
        for bits in ("none", "4bit")
    )

    def held(backbone):
        return sum(
            p.numel() * p.element_size()
            for name, p in backbone.named_parameters()
            if "base_layer" in name and "embed" not in name
        )

    assert held(few) == held(plain) / 8


def test_weights_saved_in_four_bits_are_read_as_they_are_and_train(llm, tmp_path):
    packed = read_weights(llm, BackboneConfig(name=llm, quantize="4bit", dtype="float32"))
    packed.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(f"{llm}/{name}", tmp_path)
    kept, fresh = (
        trained(where, adapt="lora", quantize=bits, dtype="float32", steps=2)
        for where, bits in ((str(tmp_path), "none"), (llm, "4bit"))
    )
    np.testing.assert_allclose(
        kept.rank(asked(), 10).scores, fresh.rank(asked(), 10).scores, atol=1e-5
    )


def test_a_bfloat16_base_trains_its_rows_in_float32(llm):
    backbone = trained(llm, dtype="bfloat16", bf16=True, steps=1).backbone
    kinds = {p.dtype for p in backbone.parameters() if p.requires_grad}
    assert kinds == {torch.float32}


def test_rows_can_stay_as_they_are(llm):
    backbone = trained(llm, lora_rows=False, steps=1).backbone
    assert backbone.trained_parameters == LAYERS * LORA_OF_LAYER


def test_an_adapter_folder_says_what_it_is(llm, tmp_path):
    trained(llm, adapt="dora", steps=1).save(tmp_path / "r")
    config = json.loads((tmp_path / "r" / "adapter" / "adapter_config.json").read_text())
    assert config["use_dora"] is True
    assert config["r"] == RANK


@pytest.fixture(scope="module")
def earlier(llm, tmp_path_factory):
    """A run with a trained recommender."""
    run = tmp_path_factory.mktemp("run")
    recommender = trained(llm, adapt="lora")
    recommender.save(run / "recommender")
    return run, recommender


def test_an_llm_started_from_an_earlier_run_ranks_at_first_as_that_did(earlier):
    run, before = earlier
    untrained = trained("", start_from=str(run), steps=1, learning_rate=1e-12)
    np.testing.assert_allclose(
        untrained.rank(asked(), 10).scores, before.rank(asked(), 10).scores, atol=1e-4
    )


@pytest.mark.parametrize("adapt_by", ["lora", "frozen", "full", "dora"])
def test_what_was_started_from_an_earlier_run_is_read_on_top_of_it(earlier, tmp_path, adapt_by):
    run, before = earlier
    later = trained("", start_from=str(run), adapt=adapt_by, steps=3)
    later.save(tmp_path / "later")
    loaded = GenerativeRecommender.load(tmp_path / "later", later.catalog)
    found, again = later.rank(asked(), 10), loaded.rank(asked(), 10)
    np.testing.assert_array_equal(again.items, found.items)
    assert not np.allclose(found.scores, before.rank(asked(), 10).scores, atol=1e-3)


def test_an_adapter_is_not_read_on_top_of_another_llm(earlier, llm, tmp_path):
    shutil.copytree(earlier[0], tmp_path / "run")
    later = trained("", start_from=str(tmp_path / "run"), steps=1)
    later.save(tmp_path / "later")
    shutil.rmtree(tmp_path / "run" / "recommender")
    trained(llm, adapt="lora", steps=2).save(tmp_path / "run" / "recommender")
    with pytest.raises(ArtefactError, match="has changed since"):
        GenerativeRecommender.load(tmp_path / "later", later.catalog)


def test_of_a_run_with_versions_the_one_in_use_is_started_from_and_stayed_on(
    earlier, llm, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(earlier[0], run)
    versions = Versions.read(run).with_promoted("0001")
    updated = trained(llm, adapt="lora", steps=2)
    updated.save(versions.place("0001") / "recommender")
    Workspace(run).point_to(versions)
    later = trained("", start_from=str(run), steps=1, learning_rate=1e-12)
    ranked = later.rank(asked(), 10).scores
    np.testing.assert_allclose(ranked, updated.rank(asked(), 10).scores, atol=1e-4)
    later.save(tmp_path / "later")
    Workspace(run).point_to(versions.rolled_back())
    again = GenerativeRecommender.load(tmp_path / "later", later.catalog)
    np.testing.assert_array_equal(again.rank(asked(), 10).scores, ranked)


def test_a_run_that_is_not_there_is_named():
    with pytest.raises(ArtefactError, match="runs/nowhere"):
        trained("", start_from="runs/nowhere", steps=1)


def test_a_merged_llm_is_not_put_into_few_bits(earlier):
    with pytest.raises(ConfigError, match="export_merged"):
        trained("", start_from=str(earlier[0]), quantize="4bit", steps=1)


def test_a_folder_written_before_there_were_prefixes_is_read(llm, tmp_path):
    recommender = trained(llm, steps=1)
    recommender.backbone.write(tmp_path)
    about = json.loads((tmp_path / "backbone.json").read_text())
    for name in ("extra_tokens", "soft", "domains"):
        del about[name]
    (tmp_path / "backbone.json").write_text(json.dumps(about))
    assert Backbone.read(tmp_path).token_ids.equal(recommender.backbone.token_ids)
