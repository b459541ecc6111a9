import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from genrec.errors import ArtefactError, ConfigError
from genrec.llm.backbone import Backbone, base
from genrec.llm.options import BackboneConfig
from genrec.llm.presets import byte_tokenizer

NAMES, SIZES = ["<a_0>", "<a_1>", "<b_0>", "<b_1>", "<b_2>"], (2, 3)


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request, tmp_path_factory):
    """A pretrained LLM as a hub would give it, with sampling defaults that would harm."""
    path = tmp_path_factory.mktemp("llm")
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        tie_word_embeddings=request.param,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.update(do_sample=True, top_k=5, repetition_penalty=1.1)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


def created(folder, **options) -> Backbone:
    config = BackboneConfig(name=folder, dtype="float32", **options)
    return Backbone.create(config, NAMES, SIZES)


def change_what_trains(backbone: Backbone) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)


def full_logits(backbone: Backbone, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return backbone.model(input_ids=ids).logits[..., backbone.token_ids]


IDS = torch.tensor([[1, 4, 200, 7]])


@pytest.mark.parametrize("adapt", ["lora", "full"])
def test_level_logits_equal_the_full_heads_rows(folder, adapt):
    backbone = created(folder, adapt=adapt).eval()
    change_what_trains(backbone)
    hidden = backbone.hidden_states(input_ids=IDS).last_hidden_state
    ours = torch.cat([backbone.level_logits(hidden, level) for level in range(2)], dim=-1)
    torch.testing.assert_close(ours, full_logits(backbone, IDS), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("adapt", ["lora", "full"])
def test_what_was_saved_computes_as_before(folder, adapt, tmp_path):
    backbone = created(folder, adapt=adapt).eval()
    change_what_trains(backbone)
    backbone.write(tmp_path)
    loaded = Backbone.read(tmp_path)
    torch.testing.assert_close(full_logits(loaded, IDS), full_logits(backbone, IDS))


def test_an_adapter_folder_is_peft_s_and_holds_no_base_weights(folder, tmp_path):
    backbone = created(folder, adapt="lora")
    backbone.write(tmp_path)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert not (tmp_path / "model").exists()
    assert backbone.trained_parameters < sum(p.numel() for p in backbone.parameters()) / 2


def test_a_merged_export_is_a_plain_model_with_the_same_logits(folder, tmp_path):
    backbone = created(folder, adapt="lora").eval()
    change_what_trains(backbone)
    backbone.export_merged(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    rows = AutoTokenizer.from_pretrained(tmp_path).convert_tokens_to_ids(NAMES)
    with torch.no_grad():
        logits = plain(input_ids=IDS).logits[..., rows]
    torch.testing.assert_close(logits, full_logits(backbone, IDS), atol=1e-5, rtol=1e-4)


def test_only_the_adapter_and_the_new_rows_train(folder):
    backbone = created(folder, adapt="lora")
    names = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in name or "trainable_tokens" in name for name in names)
    frozen = created(folder, adapt="frozen")
    names = [name for name, p in frozen.named_parameters() if p.requires_grad]
    assert names
    assert all("trainable_tokens" in name for name in names)


def test_sampling_defaults_of_the_base_are_gone(folder):
    generation = base(created(folder).model).generation_config
    assert not generation.do_sample
    assert generation.top_k is None
    assert generation.repetition_penalty is None


def test_new_rows_start_near_the_words_that_they_stand_for(folder):
    words = [["abc"], ["xyz"], [], [], []]
    config = BackboneConfig(name=folder, adapt="full")
    backbone = Backbone.create(config, NAMES, SIZES, words=words)
    table = base(backbone.model).get_input_embeddings().weight
    rows = backbone.text_tokenizer.convert_tokens_to_ids(NAMES)
    meant = [table[backbone.text_tokenizer(w)["input_ids"]].mean(0) for w in ("abc", "xyz")]
    near = torch.cosine_similarity(table[rows[0]], meant[0], dim=0)
    assert near > torch.cosine_similarity(table[rows[0]], meant[1], dim=0) + 0.3


def test_the_text_tokenizer_speaks_any_language_and_the_new_tokens():
    backbone = Backbone.create(BackboneConfig(name="tiny", adapt="full"), NAMES, SIZES)
    tokenizer = backbone.text_tokenizer
    assert tokenizer.decode(tokenizer("crème 茶")["input_ids"]) == "crème 茶"
    assert len(tokenizer("<a_1><b_2>")["input_ids"]) == 2


def test_the_same_seed_gives_the_same_scratch_weights():
    first, second = (
        Backbone.create(BackboneConfig(name="tiny", adapt="full", seed=4), NAMES, SIZES)
        for _ in range(2)
    )
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_an_llm_that_cannot_be_found_says_what_there_is():
    with pytest.raises(ConfigError, match="smollm2-135m"):
        created("no/such-model")


def test_a_folder_without_backbone_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match="no backbone"):
        Backbone.read(tmp_path)


@pytest.mark.parametrize("options", [{"adapt": "lore"}, {"dtype": "int3"}])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ConfigError):
        BackboneConfig(**options)
