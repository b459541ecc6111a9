"""What a LoRA for each row costs: one linear layer, 8 rows, 4 adapters of rank 8, four ways.

Processor time over that of the layer alone, the least of 15 runs with one thread. ``uniform`` is
one adapter for all rows; ``gathered`` is what genrec does; ``side_by_side`` is one wide LoRA with
other rows' columns zeroed; ``peft`` is peft's own mixed batch (``adapter_names``). ``--quick``
measures one layer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.harness import Figures, arguments, report
from genrec.diffusion.row_adapters import RowAdapters

ROWS, RANK, NAMES = 8, 8, ("a", "b", "c", "d")
LAYERS = ((320, 256), (640, 64), (1280, 16))


def figures(*, quick: bool = False) -> tuple[Figures, dict[str, object]]:
    """Cost of each way by layer, and ``gathered_vs_uniform``, the most of all layers."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        costs = {
            f"width {width}, {tokens} tokens": _costs(width, tokens)
            for width, tokens in LAYERS[: 1 if quick else None]
        }
    most = max(layer["gathered"] / layer["uniform"] for layer in costs.values())
    return {"gathered_vs_uniform": round(most, 3)}, {"rows": ROWS, "rank": RANK, "costs": costs}


def _costs(width: int, tokens: int) -> dict[str, float]:
    model = nn.Sequential(nn.Linear(width, width))
    config = LoraConfig(r=RANK, target_modules=["0"], init_lora_weights=False)
    for name in NAMES:
        inject_adapter_in_model(config, model, adapter_name=name)
    layer, states = model[0], torch.randn(ROWS, tokens, width)
    names = [NAMES[row % len(NAMES)] for row in range(ROWS)]
    down = torch.cat([layer.lora_A[name].weight for name in NAMES])
    up = torch.cat([layer.lora_B[name].weight for name in NAMES], dim=1)
    columns = torch.zeros(ROWS, 1, len(NAMES) * RANK)
    for row in range(ROWS):
        start = row % len(NAMES) * RANK
        columns[row, 0, start : start + RANK] = 1
    bare = layer.get_base_layer()

    def side_by_side() -> Tensor:
        hidden = functional.linear(states, down) * columns
        return bare(states) + functional.linear(hidden, up)

    def uniform() -> Tensor:
        hidden = functional.linear(states, down[:RANK])
        return bare(states) + functional.linear(hidden, up[:, :RANK])

    seconds = {
        "alone": _least(lambda: bare(states)),
        "uniform": _least(uniform),
        "side_by_side": _least(side_by_side),
        "peft": _least(lambda: layer(states, adapter_names=names)),
    }
    adapters = RowAdapters([model])
    with adapters.rows(names, [1.0] * ROWS):
        seconds["gathered"] = _least(lambda: layer(states))
    return {name: round(value / seconds["alone"], 2) for name, value in seconds.items()}


def _least(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(17):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken[2:])


if __name__ == "__main__":
    measured, protocol = figures(quick=arguments(__doc__ or "").quick)
    report(measured, **protocol)
