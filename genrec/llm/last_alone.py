"""Where only the state after a row's last token is read, most of the last layer is not computed.

The last layer's keys and values are needed of every token; what follows its attention is needed of
the last one alone. So the inputs of the attention's output matrix and of the MLP are cut to that
token. The residual is added by broadcasting: the last state is right, those before it are no use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn

# Families whose layers add what these blocks give to a residual, token by token.
KNOWN = (
    "gemma",
    "gemma2",
    "gemma3_text",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "smollm3",
)
_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


def heeds_last_alone(decoder: Any) -> bool:
    """Has a decoder heed ``last_alone`` if its family is known; returns whether it is."""
    if getattr(decoder.config, "model_type", None) not in KNOWN:
        return False
    last = decoder.layers[-1]
    for block in (last.self_attn.o_proj, last.mlp):
        block.register_forward_pre_hook(_cut)
    return True


@contextmanager
def last_alone(*, alone: bool = True) -> Iterator[None]:
    """In this block and this thread, states of all but the last token of a row may be anything."""
    before = _ALONE.set(alone)
    try:
        yield
    finally:
        _ALONE.reset(before)


def _cut(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    return (inputs[0][:, -1:], *inputs[1:]) if _ALONE.get() else None
