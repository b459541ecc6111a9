"""Matrices of an LLM laid out as oneDNN multiplies them, for faster inference on a CPU.

``nn.Linear`` keeps its matrix row by row. A product with few rows of input, such as a step of beam
search or of a text, gains much from a copy that already lies in the processor's order (PyTorch's
compiler calls this weight prepacking). Of an MLP with a gate, oneDNN applies the activation and
multiplies by the gate while it writes its product. Results differ by rounding alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import SiLUActivation

# A product of smaller matrices is mostly the call, which is dearer.
LEAST_SIDE = 192
# The copies of an LLM take as much memory as its matrices; a larger LLM goes without.
MOST_BYTES = 2 * 2**30
# Families whose MLP is down(silu(gate(x)) * up(x)), and nothing more.
GATED = ("LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "SmolLM3MLP")
# Numbers of each matrix that are looked at, to notice a change that PyTorch does not count.
SAMPLE = 64

_USED: ContextVar[bool] = ContextVar("used", default=False)


class PrepackedWeights:
    """Prepacked copies of a model's matrices, in float32 or bfloat16.

    They are made at the first use and anew when weights have changed. Training, a GPU, autocast
    and a switched-off oneDNN (``torch.backends.mkldnn``) go without them.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._linears: list[_Linear] = []
        self._found_on: tuple[Any, ...] | None = None
        self._samples: list[Tensor] = []
        self._packed: Tensor | None = None

    @contextmanager
    def used(self) -> Iterator[None]:
        """In this block and this thread, the model computes with the copies."""
        before = _USED.set(self._ready())
        try:
            yield
        finally:
            _USED.reset(before)

    def _ready(self) -> bool:
        if (
            torch.is_grad_enabled()
            or self._model.training
            or torch.is_autocast_enabled("cpu")
            or not torch.backends.mkldnn.enabled
        ):
            return False
        first = next(self._model.parameters())
        if self._found_on != (first.device, first.dtype):
            self._linears = _worth_packing(self._model)
            self._found_on, self._packed = (first.device, first.dtype), None
        if self._linears and not self._fresh():
            for linear in self._linears:
                linear.pack()
            self._samples = [one.weight.detach()[0, :SAMPLE] for one in self._linears]
            self._packed = torch.cat(self._samples)
        return bool(self._linears)

    def _fresh(self) -> bool:
        return (
            self._packed is not None
            and all(one.packed_of == _version(one.weight) for one in self._linears)
            # An adapter merged in by peft changes numbers past PyTorch's count of changes.
            and torch.equal(torch.cat(self._samples), self._packed)
        )


class _Linear(nn.Linear):
    """Has a packed copy of its matrix beside it. Copies of the module go without one."""

    packed: Tensor | None = None
    packed_of: tuple[int, int] | None = None

    def pack(self) -> None:
        self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), None)
        self.packed_of = _version(self.weight)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if self.packed is None or not _USED.get():
            return super().forward(input)
        return self.product(input)

    def product(self, inputs: Tensor, activation: str = "none") -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self.packed, self.bias, activation, [], ""
        )
        return found

    def product_times(self, inputs: Tensor, other: Tensor) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            inputs, other, self.packed, self.bias, "mul"
        )
        return found

    @property
    def is_bare(self) -> bool:
        """Whether its product is all that a call of it would do."""
        return self.packed is not None and not (self._forward_hooks or self._forward_pre_hooks)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "packed": None, "packed_of": None}


@cache
def _gated(kind: Any) -> type[nn.Module]:
    """An MLP of this kind that hands its activation and gate to oneDNN where it can."""

    def forward(self: Any, x: Tensor) -> Any:
        gate, up = self.gate_proj, self.up_proj
        bare = all(type(one) is _Linear and one.is_bare for one in (gate, up))
        # In bfloat16, what is not rounded in between would be another result.
        if not (_USED.get() and bare and x.dtype == torch.float32):
            return kind.forward(self, x)
        return self.down_proj(up.product_times(x, gate.product(x, "swish")))

    return type(f"Gated{kind.__name__}", (kind,), {"forward": forward})


def _version(weight: Tensor) -> tuple[int, int]:
    """Where the numbers lie and how often PyTorch has seen them change."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version


def _worth_packing(model: nn.Module) -> list[_Linear]:
    dtypes = {torch.float32}
    # Other processors were not tried.
    wide = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    if not (wide and torch.backends.mkldnn.is_available()):
        return []
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        dtypes.add(torch.bfloat16)
    found = [
        module
        for module in model.modules()
        # Others, such as those of bitsandbytes, compute in ways of their own.
        if type(module) in (nn.Linear, _Linear)
        and module.weight.device.type == "cpu"
        and module.weight.dtype in dtypes
        and min(module.weight.shape) >= LEAST_SIDE
    ]
    if sum(module.weight.nbytes for module in found) > MOST_BYTES:
        return []
    for module in found:
        module.__class__ = _Linear
    for mlp in model.modules():
        name, room = type(mlp).__name__, type(mlp).__module__
        if name not in GATED or not room.startswith("transformers."):
            continue
        if isinstance(mlp.act_fn, nn.SiLU | SiLUActivation):
            kind: Any = type(mlp)
            mlp.__class__ = _gated(kind)
    return [module for module in found if isinstance(module, _Linear)]
