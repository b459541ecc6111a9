"""Beam search against brute force: every item scored alone by plain causal forward passes."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from genrec.data.allowed import AllowedItems
from genrec.decoding import batches, beam
from genrec.decoding.beam import Prefilled, beam_search, last_states, left_padded
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from genrec.llm.presets import byte_tokenizer
from tests.small import small_index

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"tie_word_embeddings": False}),
    "smollm3": (SmolLM3ForCausalLM, SmolLM3Config, {}),
    "gemma": (GemmaForCausalLM, GemmaConfig, {}),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config, {"final_logit_softcapping": 2.0}),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig, {}),
    # Windows shorter than the longest prompt: beams must not see what the model would not.
    "gemma2 window": (Gemma2ForCausalLM, Gemma2Config, {"sliding_window": 4}),
    "gemma3 window": (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "mistral window": (MistralForCausalLM, MistralConfig, {"sliding_window": 3}),
}
PROMPTS = [[1, 5, 9], [1, 7], [1, 20, 30, 40, 50, 60, 70]]


def backbone_of(family: str, attention: str = "sdpa", levels: int = 3) -> Backbone:
    model_class, config_class, extra = FAMILIES[family]
    index = small_index(levels)
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens([*index.token_names, "<basket>"], special_tokens=True)
    torch.manual_seed(0)
    config = config_class(vocab_size=len(tokenizer), **SIZE, **extra)
    config._attn_implementation = attention
    model = model_class(config).eval()
    # Larger weights than at the start of training, so that scores differ clearly.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4)
    settings = BackboneConfig(name="random", adapt="full")
    return Backbone(model, tokenizer, settings, index.token_names, index.codebook_sizes).eval()


def adapted(backbone: Backbone, **options) -> Backbone:
    """The same LLM with a LoRA adapter of random weights."""
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False, **options)
    return Backbone(
        get_peft_model(backbone.model, config),
        backbone.text_tokenizer,
        backbone.settings,
        backbone.token_names,
        backbone.codebook_sizes,
    ).eval()


@torch.no_grad()
def brute_force(backbone: Backbone, prompt: list[int], numbers: np.ndarray, codes) -> np.ndarray:
    """Log-probability of every item's codes, each item in a forward pass of its own row."""
    ids = torch.tensor([prompt + backbone.token_ids[torch.tensor(n)].tolist() for n in numbers])
    logits = backbone.model(input_ids=ids, use_cache=False).logits
    total = torch.zeros(len(numbers))
    for level, size in enumerate(backbone.codebook_sizes):
        start = sum(backbone.codebook_sizes[:level])
        rows = backbone.token_ids[start : start + size]
        here = torch.log_softmax(logits[:, len(prompt) - 1 + level, rows].float(), dim=-1)
        total += here[torch.arange(len(numbers)), torch.tensor(codes[:, level]).long()]
    return total.numpy()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_scores_and_order_equal_brute_force(family, attention):
    backbone, index = backbone_of(family, attention), small_index()
    trie = Trie.build(index.codes)
    found = beam_search(backbone, PROMPTS, trie, beams=len(index))
    for row, prompt in enumerate(PROMPTS):
        exact = brute_force(backbone, prompt, index.token_numbers, index.codes)
        assert sorted(found.items[row].tolist()) == list(range(len(index)))
        np.testing.assert_allclose(found.scores[row], exact[found.items[row]], atol=2e-5)
        np.testing.assert_allclose(found.scores[row], np.sort(exact)[::-1], atol=2e-5)


@pytest.mark.parametrize("family", ["llama", "gemma2 window"])
@pytest.mark.parametrize("strategy", ["best", "diverse", "sample"])
def test_a_batch_of_32_equals_one_by_one(family, strategy):
    backbone, trie = backbone_of(family), Trie.build(small_index().codes)
    generator = np.random.default_rng(0)
    prompts = [generator.integers(1, 90, size=length).tolist() for length in range(1, 33)]
    config = DecodeConfig(strategy=strategy)
    together = beam_search(backbone, prompts, trie, beams=10, config=config)
    for row, prompt in enumerate(prompts):
        alone = beam_search(backbone, [prompt], trie, beams=10, config=config)
        assert alone.items[0].tolist() == together.items[row].tolist()
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=2e-5)


@pytest.mark.parametrize("strategy", ["best", "sample"])
def test_another_default_type_changes_nothing(strategy):
    """Loading a model in half precision changes torch's default for every thread, for a while."""
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    config = DecodeConfig(strategy=strategy)
    before = beam_search(backbone, PROMPTS, trie, beams=10, config=config)
    torch.set_default_dtype(torch.bfloat16)
    try:
        meanwhile = beam_search(backbone, PROMPTS, trie, beams=10, config=config)
    finally:
        torch.set_default_dtype(torch.float32)
    assert meanwhile.items.tolist() == before.items.tolist()
    assert meanwhile.scores.dtype == torch.float32
    assert torch.equal(meanwhile.scores, before.scores)


def test_in_bfloat16_scores_stay_near():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    full = beam_search(backbone, PROMPTS, trie, beams=60)
    backbone.to(torch.bfloat16)
    half = beam_search(backbone, PROMPTS, trie, beams=60)
    for row in range(len(PROMPTS)):
        exact = torch.empty(60).scatter_(0, full.items[row], full.scores[row])
        assert (exact[half.items[row]] - half.scores[row]).abs().max() < 0.35


@pytest.mark.parametrize("family", ["llama", "gemma3 window"])
def test_many_beams_in_several_passes_score_as_in_one(family, monkeypatch):
    backbone, trie = backbone_of(family), Trie.build(small_index().codes)
    whole = beam_search(backbone, PROMPTS, trie, beams=60)
    monkeypatch.setattr(beam, "QUERIES", 3)
    parts = beam_search(backbone, PROMPTS, trie, beams=60)
    assert parts.items.tolist() == whole.items.tolist()
    np.testing.assert_allclose(parts.scores, whole.scores, atol=2e-5)


def test_exact_scoring_finds_what_a_narrow_beam_may_lose():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    every = beam_search(backbone, PROMPTS, trie, beams=60)
    exact = beam_search(backbone, PROMPTS, trie, beams=4, config=DecodeConfig(exact=True))
    assert exact.items.tolist() == every.items[:, :4].tolist()


def test_a_few_items_off_for_each_user_are_left_out():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    every = beam_search(backbone, PROMPTS, trie, beams=60)
    off = [every.items[row, :7].numpy() for row in range(3)]
    rules = AllowedItems(60, [], [], np.full(3, -1), off)
    found = beam_search(backbone, PROMPTS, trie, beams=60, allowed=rules)
    for row in range(3):
        assert found.items[row, :53].tolist() == every.items[row, 7:].tolist()
        assert (found.items[row, 53:] == -1).all()


def test_only_allowed_items_come_back_and_all_of_them_when_there_are_few():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    allowed = torch.zeros(3, 60, dtype=torch.bool)
    allowed[0, [3, 30, 59]] = True
    allowed[1, 10:40] = True
    found = beam_search(backbone, PROMPTS, trie, beams=8, allowed=allowed)
    assert set(found.items[0].tolist()) == {3, 30, 59, -1}
    assert torch.isinf(found.scores[0, 3:]).all()
    assert len(set(found.items[1].tolist()) & set(range(10, 40))) == 8
    assert found.items[2].tolist() == [-1] * 8


def test_one_row_of_allowed_items_holds_for_everybody():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    allowed = np.arange(60) % 3 == 0
    one = beam_search(backbone, PROMPTS, trie, beams=8, allowed=allowed)
    each = beam_search(backbone, PROMPTS, trie, beams=8, allowed=np.tile(allowed, (3, 1)))
    assert one.items.tolist() == each.items.tolist()
    assert (one.items % 3 == 0).all()


def test_a_narrow_beam_still_gives_as_many_items_as_beams():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    found = beam_search(backbone, PROMPTS, trie, beams=5)
    assert (found.items >= 0).all()
    assert all(len(set(row)) == 5 for row in found.items.tolist())


def test_more_beams_than_items_are_filled_up():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    found = beam_search(backbone, PROMPTS[:1], trie, beams=100)
    assert (found.items[0] >= 0).sum() == 60
    assert found.items.shape == (1, 100)


@pytest.mark.parametrize(("beams", "passes"), [(7, [3, 3, 1]), (6, [3, 3]), (3, [3])])
def test_no_pass_takes_more_beams_than_it_may(beams, passes, monkeypatch):
    backbone, index = backbone_of("llama"), small_index()
    calls, forward = [], backbone.hidden_states
    monkeypatch.setattr(beam, "QUERIES", 3)
    monkeypatch.setattr(
        backbone,
        "hidden_states",
        lambda **given: calls.append(given["input_ids"].shape[1]) or forward(**given),
    )
    beam_search(backbone, [PROMPTS[0]], Trie.build(index.codes), beams=beams)
    # The prompt, a first level of as many beams as it has codes, and whole levels after it.
    levels = index.codes.shape[1]
    first = min(beams, len(np.unique(index.codes[:, 0])))
    opened = [min(3, first - start) for start in range(0, first, 3)]
    assert calls[0] == len(PROMPTS[0])
    assert calls[1 : 1 + len(opened)] == opened
    assert calls[1 + len(opened) :] == passes * (levels - 2)


def test_only_the_last_beams_are_known_to_be_the_last(monkeypatch):
    backbone, index = backbone_of("llama"), small_index()
    told, grow = [], Prefilled.grow

    def noted(self, tokens, parents, *, last, ahead):
        told.append(last)
        grow(self, tokens, parents, last=last, ahead=ahead)

    monkeypatch.setattr(Prefilled, "grow", noted)
    monkeypatch.setattr(beam, "PASS_CPU", 0)
    beam_search(backbone, PROMPTS, Trie.build(index.codes), beams=5)
    # Nothing is computed after the last code.
    assert told == [False] * (index.codes.shape[1] - 2) + [True]


def test_the_cache_holds_nothing_of_the_last_beams_when_they_go_in_parts(monkeypatch):
    backbone = backbone_of("llama")
    monkeypatch.setattr(beam, "QUERIES", 2)
    tree = Prefilled(backbone, PROMPTS)
    longest = max(map(len, PROMPTS))
    tokens = backbone.token_ids[torch.arange(5)].expand(3, -1)
    tree.grow(tokens, torch.zeros(3, 5, dtype=torch.long), last=False)
    assert tree.cache.get_seq_length() == longest + 5
    assert tree.visible.shape == (3, 5, 5)
    tree.grow(tokens, torch.arange(5).expand(3, -1), last=True)
    # The last part alone is still there: nothing grows from it.
    assert tree.cache.get_seq_length() == longest + 5 + 1
    assert tree.hidden.shape[:2] == (3, 5)
    assert tree.depth == 2
    assert tree.column_depths.tolist() == [0] * 5 + [1] * 5


def test_progress_counts_prompts_and_like_lengths_go_together():
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    told, together = [], []
    forward = backbone.hidden_states

    def noted(**given):
        if given["position_ids"].shape[1] > 1 and given["attention_mask"].dim() == 2:
            together.append(given["attention_mask"].sum(dim=1).tolist())
        return forward(**given)

    backbone.hidden_states = noted
    prompts = [[1] * length for length in (5, 1, 4, 2, 3)]
    beam_search(
        backbone,
        prompts,
        trie,
        beams=2,
        batch_size=2,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert together == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(("queries", "users"), [(3, [1, 1, 1]), (4, [3])])
def test_prompts_go_one_at_a_time_where_there_are_more_beams_than_a_pass_takes(
    queries, users, monkeypatch
):
    seen, frontier = [], batches.Frontier
    monkeypatch.setattr(
        batches,
        "Frontier",
        lambda folded, users, width, **given: (
            seen.append(users) or frontier(folded, users, width, **given)
        ),
    )
    monkeypatch.setattr(beam, "QUERIES", queries)
    backbone, trie = backbone_of("llama"), Trie.build(small_index().codes)
    beam_search(backbone, PROMPTS, trie, beams=4, batch_size=3)
    assert seen == users


ALIKE = [[1, 5, 9, 8], [1, 5, 9], [1, 5, 9, 30, 40, 50, 60, 70]]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_all_prompts_begin_with_is_computed_once(family, monkeypatch):
    monkeypatch.setattr(beam, "PASS_CPU", 3)
    backbone, trie = backbone_of(family), Trie.build(small_index().codes)
    forward, seen = backbone.hidden_states, []

    def counted(**inputs):
        seen.append(tuple(inputs["input_ids"].shape))
        return forward(**inputs)

    monkeypatch.setattr(backbone, "hidden_states", counted)
    together = beam_search(backbone, ALIKE, trie, beams=6)
    # Two tokens of three prompts, since the second ends with the third token.
    whole = backbone.sliding_window is not None
    assert seen[:2] == ([(3, 8), (3, 6)] if whole else [(1, 2), (3, 6)])
    for row, prompt in enumerate(ALIKE):
        alone = beam_search(backbone, [prompt], trie, beams=6)
        assert together.items[row].tolist() == alone.items[0].tolist()
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=2e-5)


@pytest.mark.parametrize(
    ("prompts", "start"),
    [
        (ALIKE, 2),
        ([[1, 2, 3]] * 2, 2),
        ([[7], [7, 8]], 0),
        ([[1, 2, 3, 4], [1, 9, 3, 4]], 1),
        ([[4, 5, 6]], 2),
    ],
)
def test_the_common_start_leaves_each_prompt_a_token(prompts, start):
    assert beam.common_start(prompts) == start


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_search_tells_the_state_after_each_prompt(family, exact):
    backbone, trie = backbone_of(family), Trie.build(small_index().codes)
    found = beam_search(backbone, PROMPTS, trie, beams=4, config=DecodeConfig(exact=exact))
    np.testing.assert_allclose(found.states, last_states(backbone, PROMPTS), atol=2e-5)
    assert beam_search(backbone, [], trie, beams=4).states is None


def test_left_padding_keeps_tokens_and_positions():
    ids, real, positions = left_padded([[7, 8, 9], [5]], torch.device("cpu"))
    assert ids.tolist() == [[7, 8, 9], [0, 0, 5]]
    assert real.tolist() == [[True] * 3, [False, False, True]]
    assert positions.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_the_last_states_are_those_of_each_prompt_alone():
    backbone = backbone_of("llama")
    states = last_states(backbone, PROMPTS, batch_size=2)
    assert states.dtype == torch.float32
    for row, prompt in enumerate(PROMPTS):
        hidden = backbone.hidden_states(input_ids=torch.tensor([prompt])).last_hidden_state
        np.testing.assert_allclose(states[row], hidden[0, -1].detach(), atol=2e-5)
