"""Memory to load an LLM in 4 and 8 bits over bfloat16, each load in a process of its own.

For SmolLM2, which is mostly embeddings (they stay in 16 bits), and for a larger shape with random
weights. Peaks include what is read before it is packed; beside them stand the weights' own size and
the peak of loading a folder whose weights were saved packed (``kept``).
``--quick`` loads SmolLM2 alone.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from pathlib import Path

from benchmarks.harness import Figures, in_child, memory_gb, report
from genrec.llm.options import BackboneConfig

HERE = Path("runs/few_bits")


def options_of(folder: str, bits: str) -> BackboneConfig:
    """How a model is loaded."""
    return BackboneConfig(
        name=folder, dtype="bfloat16", quantize="none" if bits == "16bit" else bits
    )


def keep(folder: str, bits: str, into: str) -> None:
    """Child: saves a model's weights packed."""
    from genrec.llm.loading import read_weights

    read_weights(folder, options_of(folder, bits)).save_pretrained(into)
    print("{}")


def load(folder: str, bits: str) -> None:
    """Child: loads a model and prints what its process grew by."""
    import bitsandbytes  # noqa: F401
    import torch
    import transformers

    from genrec.llm.loading import read_weights

    assert transformers.AutoModelForCausalLM
    torch.zeros(1)
    before = memory_gb()
    config = options_of(folder, bits)
    started = time.perf_counter()
    model = read_weights(folder, config)
    seconds = time.perf_counter() - started
    # Weights in 16 bits are mapped from their file and come into memory when first used.
    for parameter in model.parameters():
        parameter.data.view(torch.uint8).flatten()[::1024].sum()
    peak = memory_gb()["VmHWM"] - before["VmRSS"]
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    private = memory_gb()["RssAnon"] - before["RssAnon"]
    held = sum(p.numel() * p.element_size() for p in model.parameters()) / 1e9
    found = {"peak_gb": peak, "private_gb": private, "weights_gb": held, "seconds": seconds}
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


def large_shape() -> Path:
    """A folder with a Llama of 0.9 billion random weights, made once."""
    folder = HERE / "llama-0.9b"
    if not (folder / "config.json").exists():
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        shape = LlamaConfig(
            vocab_size=32_000,
            hidden_size=2048,
            intermediate_size=5632,
            num_hidden_layers=18,
            num_attention_heads=32,
            num_key_value_heads=8,
            tie_word_embeddings=True,
        )
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        LlamaForCausalLM(shape).save_pretrained(folder)
        torch.set_default_dtype(before)
    return folder


def few_bits(*, quick: bool) -> Figures:
    """Memory of loading by number of bits, and the shares of 16 bits."""
    from genrec.llm.weights import smollm2_folder

    shapes = {"": str(smollm2_folder())}
    if not quick:
        shapes["large_"] = str(large_shape())
    found: Figures = {}
    for stem, folder in shapes.items():
        loads = {
            bits: in_child("benchmarks.few_bits", "load", folder, bits)
            for bits in ("16bit", "8bit", "4bit")
        }
        for bits in ("8bit", "4bit"):
            kept = str(HERE / f"{stem}{bits}")
            in_child("benchmarks.few_bits", "keep", folder, bits, kept)
            loads[f"{bits}_kept"] = in_child("benchmarks.few_bits", "load", kept, bits)
        found[f"{stem}loads"] = loads
        for bits in ("8bit", "4bit"):
            for key, load, what in (
                ("memory", bits, "peak_gb"),
                ("kept_memory", f"{bits}_kept", "peak_gb"),
                ("weights", bits, "weights_gb"),
            ):
                share = float(str(loads[load][what])) / float(str(loads["16bit"][what]))
                found[f"{stem}load{bits}_{key}_share"] = round(share, 3)
    return found


def main() -> None:
    """Measures all loads, or does one in a child."""
    match sys.argv[1:]:
        case ["load", folder, bits]:
            load(folder, bits)
        case ["keep", folder, bits, into]:
            keep(folder, bits, into)
        case rest:
            found = few_bits(quick=rest == ["--quick"])
            report(found, memory="peak over what the process held before, all weights touched")


if __name__ == "__main__":
    main()
