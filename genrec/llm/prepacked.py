"""Matrices of an LLM laid out as oneDNN multiplies them, for faster inference on a CPU.

``nn.Linear`` keeps its matrix row by row. A product with few rows of input, such as a step of beam
search or of a text, gains much from a copy that already lies in the processor's order (PyTorch's
compiler calls this weight prepacking). Of an MLP with a gate, oneDNN applies the activation and
multiplies by the gate while it writes its product. Results differ by rounding alone.
"""

from __future__ import annotations

import threading
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
SAMPLE = 32

_USED: ContextVar[bool] = ContextVar("used", default=False)
_REFUSED: ContextVar[bool] = ContextVar("refused", default=False)


@contextmanager
def not_prepacked() -> Iterator[None]:
    """In this block and this thread no model uses or makes copies, since its weights change."""
    before = _REFUSED.set(True)
    try:
        yield
    finally:
        _REFUSED.reset(before)


class PrepackedWeights:
    """Prepacked copies of a model's matrices, in float32 or bfloat16.

    They are made at the first use and anew when weights have changed. Training drops them. A GPU,
    autocast and a switched-off oneDNN (``torch.backends.mkldnn``) go without them.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._linears: list[_Linear] = []
        self._found_on: tuple[Any, ...] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies of a model make copies of their own.
        return PrepackedWeights, (self._model,)

    @contextmanager
    def used(self) -> Iterator[None]:
        """In this block and this thread, the model computes with the copies."""
        before = _USED.set(self._ready())
        try:
            yield
        finally:
            _USED.reset(before)

    def _ready(self) -> bool:
        if torch.is_grad_enabled() or self._model.training:
            # What comes next may change weights, and has use for the memory.
            self._drop()
            return False
        if _REFUSED.get() or torch.is_autocast_enabled("cpu") or not torch.backends.mkldnn.enabled:
            return False
        if not self._fresh():
            with self._lock:
                if not self._fresh():
                    self._drop()
                    self._pack()
        return bool(self._linears)

    def _fresh(self) -> bool:
        if self._found_on is None or self._found_on != self._place():
            return False
        linears = self._linears
        if not all(one.packed_of == _version(one.weight) for one in linears):
            return False
        if not linears:
            return True
        # An adapter merged in by peft, or a fused optimiser, changes numbers past PyTorch's count.
        now, then = [one.sample for one in linears], [one.sampled for one in linears]
        # Another thread may be dropping them.
        whole = all(one is not None for one in (*now, *then))
        return whole and torch.equal(torch.cat(now), torch.cat(then))

    def _place(self) -> tuple[Any, ...]:
        first = next(self._model.parameters(), None)
        return () if first is None else (first.device, first.dtype)

    def _pack(self) -> None:
        found = _worth_packing(self._model)
        if found:
            _hand_gates_over(self._model)
        for linear in found:
            linear.__class__ = _Linear
        self._linears = [linear for linear in found if isinstance(linear, _Linear)]
        for linear in self._linears:
            linear.pack()
        self._found_on = self._place()

    def _drop(self) -> None:
        for linear in self._linears:
            linear.drop()
        self._linears, self._found_on = [], None


class _Linear(nn.Linear):
    """Has a packed copy of its matrix beside it. Copies of the module go without one."""

    packed: Tensor | None = None
    packed_of: tuple[int, int] | None = None
    # Some numbers of the matrix, where they lie and as they were.
    sample: Any = None
    sampled: Any = None

    def pack(self) -> None:
        weight = self.weight.detach()
        self.sample = weight.view(-1)[:: max(1, weight.numel() // SAMPLE)]
        self.sampled = self.sample.clone()
        self.packed_of = _version(self.weight)
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)

    def drop(self) -> None:
        self.packed = self.packed_of = self.sample = self.sampled = None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        packed = self.packed
        if packed is None or not _USED.get():
            return super().forward(input)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(input, packed, self.bias, "none", [], "")
        return found

    @property
    def packed_if_unhooked(self) -> Tensor | None:
        """The copy, if the product is all that a call of this module would do."""
        watched = self._forward_hooks or self._forward_pre_hooks or "forward" in self.__dict__
        return None if watched else self.packed

    def __getstate__(self) -> dict[str, Any]:
        ours = ("packed", "packed_of", "sample", "sampled")
        return {name: value for name, value in self.__dict__.items() if name not in ours}


@cache
def _gated(kind: Any) -> type[nn.Module]:
    """An MLP of this kind that hands its activation and gate to oneDNN where it can."""

    def forward(self: Any, x: Tensor) -> Any:
        gate, up = self.gate_proj, self.up_proj
        # In bfloat16, what is not rounded in between would be another result.
        if _USED.get() and x.dtype == torch.float32 and type(gate) is type(up) is _Linear:
            gates, ups = gate.packed_if_unhooked, up.packed_if_unhooked
            if gates is not None and ups is not None:
                multiply = torch.ops.mkldnn._linear_pointwise
                opened = multiply(x, gates, gate.bias, "swish", [], "")
                return self.down_proj(multiply.binary(x, opened, ups, up.bias, "mul"))
        return kind.forward(self, x)

    def reduced(self: Any, _: Any) -> Any:
        return kind.__new__, (kind,), self.__dict__

    return type(f"Gated{kind.__name__}", (kind,), {"forward": forward, "__reduce_ex__": reduced})


def _version(weight: Tensor) -> tuple[int, int]:
    """Where the numbers lie and how often PyTorch has seen them change."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version


def _worth_packing(model: nn.Module) -> list[nn.Linear]:
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
        # Nor may others hold a part of the weight alone, as shards do.
        and type(module.weight) is nn.Parameter
        and module.weight.is_contiguous()
        and module.weight.device.type == "cpu"
        and module.weight.dtype in dtypes
        and min(module.weight.shape) >= LEAST_SIDE
    ]
    return found if sum(linear.weight.nbytes for linear in found) <= MOST_BYTES else []


def _hand_gates_over(model: nn.Module) -> None:
    """Makes the known MLPs with a gate such ones as ``_gated`` describes."""
    for mlp in model.modules():
        name, room = type(mlp).__name__, type(mlp).__module__
        if name not in GATED or not room.startswith("transformers."):
            continue
        if isinstance(mlp.act_fn, nn.SiLU | SiLUActivation):
            kind: Any = type(mlp)
            mlp.__class__ = _gated(kind)
