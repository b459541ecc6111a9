"""vLLM: our search over its engine beside its own ``LLM.beam_search``, same model, items and beams.

The engines run in this process and take the same prompts in turn, new ones each time, from an empty
cache. vLLM's search cannot take a trie; it takes a grammar, and that of the same items (one
alternative per item) is what ``vllm_speedup`` compares with, its engine as vLLM sets it up. Beside
it: the same with our engine's options, which differ in the size of a block of the cache; there also
a regular expression of the levels, under which IDs come out that no item has, and no rule at all,
under which any token may come out.

vLLM takes the 2 x beams most probable tokens of the whole vocabulary and strikes out those that
break the grammar, so it loses beams; ``vllm_items_found_by_both`` is the share of our items that it
has.

Without vLLM (``make install-vllm``) the figures are null.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import arguments, not_measured, report, side_by_side
from genrec.decoding.frontier import Beams
from genrec.decoding.trie import Trie
from genrec.decoding.vllm_beam import vllm_beam_search
from genrec.llm.backbone import Backbone
from genrec.llm.options import BackboneConfig

LEVELS, CODES, BEAMS, HISTORY = 4, 256, 20, 50
ENGINE: dict[str, Any] = {
    "enforce_eager": True,
    "dtype": "float32",
    "max_model_len": 512,
    "kv_cache_memory_bytes": 2**29,
    "disable_log_stats": True,
}
SPEEDUP = "vllm_speedup"


def names() -> list[str]:
    return [f"<{'abcd'[level]}_{code}>" for level in range(LEVELS) for code in range(CODES)]


def catalogue(items: int) -> np.ndarray:
    """Distinct codes, shape (items, LEVELS)."""
    numbers = np.random.default_rng(0).choice(CODES**LEVELS, items, replace=False)
    return np.stack(np.unravel_index(numbers, (CODES,) * LEVELS), axis=1)


def batches(backbone: Backbone, codes: np.ndarray, users: int) -> Iterator[list[list[int]]]:
    """Prompts of 20 to 50 items, never the same twice, the same for all who ask."""
    generator = np.random.default_rng(1)
    offsets = np.arange(LEVELS) * CODES
    while True:
        prompts = []
        for _ in range(users):
            rows = generator.integers(len(codes), size=generator.integers(20, HISTORY + 1))
            prompts.append(backbone.token_ids[(codes[rows] + offsets).ravel()].tolist())
        yield prompts


def overlap(backbone: Backbone, codes: np.ndarray, ours: Beams, theirs: list[Any]) -> float:
    """The share of our items that vLLM's search found too."""
    ids = backbone.token_ids.numpy()[codes + np.arange(LEVELS) * CODES]
    item = {tuple(row): number for number, row in enumerate(ids.tolist())}
    shares = []
    for found, output in zip(ours.items.tolist(), theirs, strict=True):
        other = {item.get(tuple(beam.tokens[-LEVELS:])) for beam in output.sequences}
        shares.append(len(set(found) & other) / len(found))
    return float(np.mean(shares))


def measure(folder: Path, *, items: int, users: int, repeats: int) -> None:
    """Prints the figures of this area."""
    from vllm import LLM
    from vllm.sampling_params import BeamSearchParams, StructuredOutputsParams

    from genrec.llm.vllm_engine import VllmEngine

    backbone = Backbone.create(
        BackboneConfig(name="small", adapt="full"), names(), [CODES] * LEVELS
    ).eval()
    backbone.export_merged(folder)
    codes = catalogue(items)
    trie = Trie.build(codes)
    words = np.array(names()).reshape(LEVELS, CODES)
    spelled = ["".join(words[level, code] for level, code in enumerate(row)) for row in codes]
    rules = {
        "items": {"grammar": "root ::= " + " | ".join(f'"{text}"' for text in spelled)},
        "levels": {"regex": "".join(f"<{letter}_[0-9]{{1,3}}>" for letter in "abcd")},
        "free": None,
    }
    engine = VllmEngine(folder, **ENGINE)

    def start(**options: int) -> LLM:
        backend = {"backend": "xgrammar"}
        return LLM(
            str(folder),
            max_logprobs=2 * BEAMS,
            structured_outputs_config=backend,
            **ENGINE,
            **options,
        )

    default, tuned = start(), start(block_size=32)

    def ours() -> Callable[[], Beams]:
        prompts = batches(backbone, codes, users)
        return lambda: vllm_beam_search(engine, next(prompts), trie, beams=BEAMS)

    def theirs(llm: LLM, rule: dict[str, str] | None) -> Callable[[], list[Any]]:
        prompts = batches(backbone, codes, users)

        def run() -> list[Any]:
            limits = None if rule is None else StructuredOutputsParams(**rule)
            parameters = BeamSearchParams(
                beam_width=BEAMS, max_tokens=LEVELS, ignore_eos=True, structured_outputs=limits
            )
            texts = [{"prompt_token_ids": prompt} for prompt in next(prompts)]
            # All rules see the same prompts.
            llm.reset_prefix_cache()
            return llm.beam_search(texts, parameters)

        return run

    shared = overlap(backbone, codes, ours()(), theirs(default, rules["items"])())
    runs = {"ours": ours(), "default": theirs(default, rules["items"])}
    runs |= {name: theirs(tuned, rule) for name, rule in rules.items()}
    seconds = side_by_side(runs, repeats=repeats)
    engine.close()
    report(
        {
            SPEEDUP: round(seconds["default"] / seconds["ours"], 2),
            "vllm_speedup_same_options": round(seconds["items"] / seconds["ours"], 2),
            "vllm_speedup_levels_only": round(seconds["levels"] / seconds["ours"], 2),
            "vllm_speedup_no_rule": round(seconds["free"] / seconds["ours"], 2),
            "vllm_items_found_by_both": round(shared, 3),
        },
        model="small (6 layers, width 256), random weights, float32",
        items=items,
        users=users,
        beams=BEAMS,
        levels=LEVELS,
        codebook_size=CODES,
        prompt_items=[20, HISTORY],
        repeats=repeats,
        engine=ENGINE,
        seconds={name: round(taken, 3) for name, taken in seconds.items()},
    )


def main() -> None:
    """Prints the figures of this area, or why there are none."""
    options = arguments(__doc__ or "")
    if importlib.util.find_spec("vllm") is None:
        report(not_measured(SPEEDUP, "vLLM is not installed here: make install-vllm"))
        return
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        if options.quick:
            measure(Path(folder), items=1000, users=2, repeats=3)
        else:
            measure(Path(folder), items=12_000, users=2, repeats=3)


if __name__ == "__main__":
    main()
