"""Decoding: shared-prompt beams beside ``generate``, the bare floor and a copied cache.

One model of SmolLM2-135M's shape with random weights in float32, prompts of 200 tokens, semantic
IDs of four codes. ``generate`` computes the prompt once per beam and is held to the same items by
the class that ``prefix_allowed_tokens_fn`` uses; before it, its scores are normalised over the
level's codes, as ours are. It has the weights as transformers loads them; given prepacked ones, as
all others here have, it is timed beside that. The floor is the prompt's forward pass and the three
passes of all beams after it, with nothing searched. ``cache_copied`` computes the prompt once and
then repeats and reorders the cache, the usual way to save the prompt's cost.

The search over a million items runs with a filter and a history of 100 items left out; its share
is the time of everything that is not the model: children, masks, filter, choice of beams.

``python -m benchmarks.decoding gpu`` measures only what a GPU takes.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    PrefixConstrainedLogitsProcessor,
)

from benchmarks.harness import (
    Figures,
    arguments,
    in_child,
    not_measured,
    report,
    side_by_side,
)
from genrec.data.allowed import AllowedItems
from genrec.data.catalog import Catalog
from genrec.data.filters import FilterCompiler
from genrec.decoding.beam import beam_search
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import Frontier
from genrec.decoding.static import StaticSearch
from genrec.decoding.trie import Trie
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig
from genrec.llm.prepacked import PrepackedWeights
from genrec.llm.presets import byte_tokenizer

LEVELS, CODES, ITEMS, PROMPT = 4, 256, 20_000, 200
SHAPE = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152 + LEVELS * CODES + 16,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}
# Qwen3-1.7B's shape, for a GPU.
LARGE_SHAPE = {
    **SHAPE,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
}
# A fifth of it: --quick.
QUICK_SHAPE = {**SHAPE, "num_hidden_layers": 6}


def backbone_of(shape: dict[str, Any]) -> Backbone:
    """A Llama of that shape whose tokenizer has the semantic-ID tokens."""
    names = [f"<{'abcd'[level]}_{code}>" for level in range(LEVELS) for code in range(CODES)]
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens([*names, "<basket>"], special_tokens=True)
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**shape)).eval()
    config = BackboneConfig(name="random", adapt="full")
    return Backbone(model, tokenizer, config, names, [CODES] * LEVELS).eval()


def random_codes(items: int) -> np.ndarray:
    """Distinct codes, skewed as those of real catalogues are, shape (items, levels)."""
    generator = np.random.default_rng(0)
    rows = (generator.beta(1, 2, size=(items * 2, LEVELS)) * CODES).astype(np.int32)
    return np.unique(rows, axis=0)[generator.permutation(items)]


def prompts_of(backbone: Backbone, count: int, length: int = PROMPT) -> list[list[int]]:
    generator = np.random.default_rng(1)
    rows = generator.choice(backbone.token_ids.cpu().numpy(), size=(count, length))
    return [[int(token) for token in row] for row in rows]


class LevelScores(LogitsProcessor):
    """Scores normalised over the codes of the level that is next."""

    def __init__(self, backbone: Backbone, prompt: int) -> None:
        self.tokens, self.prompt = backbone.token_ids.view(LEVELS, CODES), prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        level = input_ids.shape[1] - self.prompt
        return scores - scores[:, self.tokens[level]].logsumexp(1, keepdim=True)


class Generate:
    """``transformers.generate`` under a dictionary of legal continuations."""

    def __init__(self, backbone: Backbone, codes: np.ndarray) -> None:
        self.backbone = backbone
        tokens = backbone.token_ids.view(LEVELS, CODES).numpy()
        rows = np.stack([tokens[level][codes[:, level]] for level in range(LEVELS)], axis=1)
        self.item_of = {tuple(row): item for item, row in enumerate(rows.tolist())}
        legal: dict[tuple[int, ...], set[int]] = {}
        for row in self.item_of:
            for level in range(LEVELS):
                legal.setdefault(row[:level], set()).add(row[level])
        self.legal = {prefix: sorted(tokens) for prefix, tokens in legal.items()}

    @torch.inference_mode()
    def search(self, prompts: list[list[int]], beams: int) -> list[dict[int, float]]:
        """Items and their scores, for prompts of one length."""
        start = len(prompts[0])
        constraint = PrefixConstrainedLogitsProcessor(
            lambda _, ids: self.legal[tuple(ids[start:].tolist())], beams
        )
        out = self.backbone.model.generate(
            torch.tensor(prompts),
            attention_mask=torch.ones(len(prompts), start, dtype=torch.long),
            num_beams=beams,
            num_return_sequences=beams,
            max_new_tokens=LEVELS,
            do_sample=False,
            length_penalty=0.0,
            logits_processor=LogitsProcessorList([LevelScores(self.backbone, start), constraint]),
            return_dict_in_generate=True,
            output_scores=True,
        )
        found = [self.item_of[tuple(row[start:].tolist())] for row in out.sequences]
        scores = out.sequences_scores.tolist()
        return [
            dict(zip(found[row : row + beams], scores[row : row + beams], strict=True))
            for row in range(0, len(found), beams)
        ]


@torch.inference_mode()
def floor(backbone: Backbone, prompt: list[int], beams: int) -> None:
    """The forward passes alone."""
    cache = DynamicCache()
    backbone.hidden_states(input_ids=torch.tensor([prompt]), past_key_values=cache, use_cache=True)
    tokens = backbone.token_ids[torch.zeros(1, beams, dtype=torch.long)]
    for level in range(1, LEVELS):
        columns = len(prompt) + beams * level
        mask = torch.zeros(1, 1, beams, columns)
        position = torch.full((1, beams), len(prompt) + level - 1)
        backbone.hidden_states(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        )


@torch.inference_mode()
def cache_copied(backbone: Backbone, trie: FoldedTrie, prompt: list[int], beams: int) -> Any:
    """The same search with the prompt's cache repeated for each beam and reordered."""
    cache = DynamicCache()
    output = backbone.hidden_states(
        input_ids=torch.tensor([prompt]), past_key_values=cache, use_cache=True
    )
    hidden, head = output.last_hidden_state[:, -1:], backbone.head_rows()
    frontier = Frontier(trie, 1, beams)
    for level in range(LEVELS):
        logits = backbone.level_logits(hidden, level, head)
        frontier.advance(torch.log_softmax(logits, dim=-1))
        if frontier.done:
            break
        if level == 0:
            cache.batch_repeat_interleave(len(frontier.codes[0]))
        else:
            cache.reorder_cache(frontier.parents[0])
        output = backbone.hidden_states(
            input_ids=backbone.token_ids[frontier.codes[0] + level * CODES][:, None],
            past_key_values=cache,
            use_cache=True,
        )
        hidden = output.last_hidden_state[None, :, 0]
    return frontier.finish()


def speed(backbone: Backbone) -> Figures:
    """Ratios against ``generate``, the floor and a copied cache; and whether results agree."""
    codes = random_codes(ITEMS)
    trie, generate = FoldedTrie(Trie.build(codes)), Generate(backbone, codes)
    weights = PrepackedWeights(backbone.model)

    @torch.inference_mode()
    def prepacked(prompt: list[int], beams: int) -> None:
        with weights.used():
            generate.search([prompt], beams)

    found: Figures = {}
    difference, same = 0.0, True
    over_floor = []
    for beams in (20, 50):
        prompt = prompts_of(backbone, 1)[0]
        times = side_by_side(
            {
                "generate": lambda: generate.search([prompt], beams),  # noqa: B023
                "prepacked": lambda: prepacked(prompt, beams),  # noqa: B023
                "ours": lambda: beam_search(backbone, [prompt], trie, beams=beams),  # noqa: B023
                "floor": lambda: floor(backbone, prompt, beams),  # noqa: B023
                "copied": lambda: cache_copied(backbone, trie, prompt, beams),  # noqa: B023
            },
            repeats=5,
        )
        print(f"{beams} beams: {times}", file=sys.stderr)
        found[f"speedup_{beams}_beams"] = round(times["generate"] / times["ours"], 1)
        found[f"speedup_{beams}_beams_over_prepacked_generate"] = round(
            times["prepacked"] / times["ours"], 1
        )
        found[f"over_cache_copied_{beams}_beams"] = round(times["copied"] / times["ours"], 2)
        over_floor.append(times["ours"] / times["floor"])
        for one in prompts_of(backbone, 2):
            (theirs,) = generate.search([one], beams)
            ours = beam_search(backbone, [one], trie, beams=beams)
            mine = dict(zip(ours.items[0].tolist(), ours.scores[0].tolist(), strict=True))
            same &= mine.keys() == theirs.keys()
            difference = max(
                difference, *(abs(mine[i] - theirs[i]) for i in mine.keys() & theirs.keys())
            )
    four = prompts_of(backbone, 4)
    times = side_by_side(
        {
            "generate": lambda: generate.search(four, 20),
            "ours": lambda: beam_search(backbone, four, trie, beams=20),
        },
        repeats=3,
        warm_up=0,
    )
    found["speedup_20_beams_4_users"] = round(times["generate"] / times["ours"], 1)
    found["over_floor"] = round(max(over_floor), 3)
    found["max_score_difference"] = float(f"{difference:.2g}")
    found["same_items"] = same
    return found


def million(backbone: Backbone, *, quick: bool) -> Figures:
    """A trie of a million items: to build, to filter, and its share of a search."""
    items = 1_000_000
    codes = random_codes(items)
    generator = np.random.default_rng(2)
    table = pl.DataFrame(
        {
            "item_id": [str(n) for n in range(items)],
            "title": ["a thing"] * items,
            "category": generator.integers(0, 300, items).astype(str),
            "brand": generator.integers(0, 20_000, items).astype(str),
            "price": generator.lognormal(3, 1, items),
            "in_stock": generator.random(items) < 0.9,
        }
    )
    times = []
    for _ in range(3):
        before = time.perf_counter()
        trie = Trie.build(codes)
        times.append(time.perf_counter() - before)
    folded, compiler = FoldedTrie(trie), FilterCompiler(Catalog(table))
    compiled_ms = []
    for turn in range(12):
        where = {
            "price": {"min": 2 + turn, "max": 60},
            "category": [str(turn), str(turn + 1), "7", "9"],
            "in_stock": True,
            "brand": {"not": str(turn)},
        }
        before = time.perf_counter()
        compiled = compiler.compile(where)
        assert compiled.allowed is not None
        folded.fold(compiled.allowed, compiled.key)
        compiled_ms.append((time.perf_counter() - before) * 1000)
    prompt = prompts_of(backbone, 1)[0]
    seen = generator.choice(items, 100, replace=False)
    assert compiled.allowed is not None
    rules = AllowedItems(
        items, [compiled.allowed], [compiled.key], np.zeros(1, np.int64), [np.sort(seen)]
    )
    logits = torch.randn(1, 50, CODES).log_softmax(-1)

    def choose() -> None:
        frontier = Frontier(folded, 1, 50, rules=rules)
        while not frontier.done:
            frontier.advance(logits[:, : frontier.nodes.shape[1]])

    taken = side_by_side(
        {
            "search": lambda: beam_search(backbone, [prompt], folded, beams=50, allowed=rules),
            "choose": choose,
        },
        repeats=3 if quick else 9,
    )
    print(f"1 M items: {taken}, compile {compiled_ms}", file=sys.stderr)
    return {
        "trie_build_seconds_1m": round(statistics.median(times), 3),
        "trie_mb_1m": round(trie.megabytes, 1),
        # The first filter also reads the columns, once per catalogue.
        "filter_compile_ms_1m": round(statistics.median(compiled_ms[1:]), 2),
        "filter_compile_ms_1m_first": round(compiled_ms[0], 1),
        "mask_share_1m": round(taken["choose"] / taken["search"], 4),
    }


def memory(beams: int, shape: dict[str, Any]) -> None:
    """In a process of its own: the memory that one search adds to the loaded model."""
    backbone = backbone_of(shape)
    trie = FoldedTrie(Trie.build(random_codes(ITEMS)))
    prompt = prompts_of(backbone, 1, 1000)[0]
    beam_search(backbone, [prompt[:8]], trie, beams=beams)
    gc.collect()
    before, most = resident_gb(), 0.0
    with ThreadPoolExecutor(1) as pool:
        search = pool.submit(beam_search, backbone, [prompt], trie, beams=beams)
        while not search.done():
            most = max(most, resident_gb())
            time.sleep(0.002)
        search.result()
    report({"model_gb": round(before, 3), "added_gb": round(most - before, 3)})


def resident_gb() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def on_gpu() -> Figures:
    """Milliseconds of one search with a model of 1.7 B random weights in bfloat16."""
    if not torch.cuda.is_available():
        reason = "no GPU on this machine"
        return not_measured("gpu_p50_ms_1p7b_beam50", reason) | not_measured(
            "gpu_ms_ctx1000_beam256", reason
        )
    backbone = backbone_of(LARGE_SHAPE).to("cuda", torch.bfloat16)
    trie = FoldedTrie(Trie.build(random_codes(ITEMS)))
    trie, static = trie.to(backbone.device), StaticSearch(backbone)
    found: Figures = {}
    for key, length, beams in (
        ("gpu_p50_ms_1p7b_beam50", PROMPT, 50),
        ("gpu_ms_ctx1000_beam256", 1000, 256),
    ):
        prompt = prompts_of(backbone, 1, length)[0]

        def growing(prompt: list[int] = prompt, beams: int = beams) -> None:
            beam_search(backbone, [prompt], trie, beams=beams)
            torch.cuda.synchronize()

        def replayed(prompt: list[int] = prompt, beams: int = beams) -> None:
            static([prompt], trie, beams=beams)
            torch.cuda.synchronize()

        both = {"growing": growing, "replayed": replayed}
        times = side_by_side(both, repeats=30, warm_up=5)
        found[key] = round(times["replayed"] * 1e3, 2)
        found[f"{key}_growing_cache"] = round(times["growing"] * 1e3, 2)
    return found


def main() -> None:
    """Measures everything, or with --quick a model of six layers."""
    if len(sys.argv) > 1 and sys.argv[1] == "memory":
        memory(int(sys.argv[2]), QUICK_SHAPE if sys.argv[3] == "quick" else SHAPE)
        return
    if sys.argv[1:] == ["gpu"]:
        report(on_gpu(), prompt_tokens=PROMPT, levels=LEVELS, codes=CODES, items=ITEMS)
        return
    options = arguments(__doc__ or "")
    size = "quick" if options.quick else "whole"
    backbone = backbone_of(QUICK_SHAPE if options.quick else SHAPE)
    figures = speed(backbone) | million(backbone, quick=options.quick)
    added = {}
    for beams in (1, 50):
        told: Any = in_child("benchmarks.decoding", "memory", str(beams), size)["figures"]
        added[beams] = told["added_gb"]
        figures[f"memory_added_gb_{beams}_beams"] = told["added_gb"]
    figures["memory_50_over_1_beam"] = round(added[50] / added[1], 2)
    figures |= not_measured("vllm_speedup", "see vLLM below: it has an environment of its own")
    figures |= on_gpu()
    report(
        figures,
        prompt_tokens=PROMPT,
        levels=LEVELS,
        codes=CODES,
        items=ITEMS,
        threads=torch.get_num_threads(),
        layers=backbone.model.config.num_hidden_layers,
    )


if __name__ == "__main__":
    main()
