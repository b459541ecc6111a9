"""A LoRA for each row of a batch, in one forward pass.

A linear layer gathers the two halves of each row's adapter and multiplies all rows in one batched
product, which costs what one adapter for all would (docs/images.md has the comparison). A
convolution lays the adapters of the batch side by side as one wide LoRA instead, and multiplies the
columns of other rows' adapters by zero. Either way a row comes out as it would alone. Knows no
pictures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.errors import ConfigError


@dataclass(frozen=True)
class _Rows:
    """Which adapter each row has, and at what scale; an empty name for none."""

    adapters: tuple[str, ...]
    scales: tuple[float, ...]


class RowAdapters:
    """The LoRA layers of some models, told for each row which adapter counts, and how much.

    The layers that peft put there stay where they are and only hold the weights.

    Args:
        models: with peft's LoRA layers in them, or without any.

    Raises:
        ConfigError: an adapter is of a kind that is no plain sum (DoRA, …).
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._layers: list[_Layer] = []
        self._of_model: dict[int, set[str]] = {}
        for model in models:
            found = [_layer(name, layer) for name, layer in _lora_layers(model)]
            self._layers += found
            self._of_model[id(model)] = {name for layer in found for name in layer.parts}

    def names(self, models: Sequence[nn.Module]) -> set[str]:
        """Names of the adapters that change any of these models."""
        return set().union(*(self._of_model.get(id(model), set()) for model in models))

    @contextmanager
    def rows(self, adapters: Sequence[str], scales: Sequence[float]) -> Iterator[None]:
        """Within, row i of every batch has this adapter at this scale.

        A batch may hold the rows several times over, as with a negative prompt for each.

        Args:
            adapters: a name for each row; empty for none.
            scales: a number for each row.
        """
        counted = [name if scale else "" for name, scale in zip(adapters, scales, strict=True)]
        rows = _Rows(tuple(counted), tuple(map(float, scales)))
        for layer in self._layers:
            layer.choose(rows)
        try:
            yield
        finally:
            for layer in self._layers:
                layer.active = False


class _Layer(ABC):
    """One layer and its adapters.

    Attributes:
        parts: both halves by adapter, the second with its alpha / rank.
        active: whether any row of the batch at hand has an adapter that changes this layer.
    """

    def __init__(self, layer: Any) -> None:
        self.parts: dict[str, tuple[Tensor, Tensor]] = {
            adapter: (down.weight, layer.lora_B[adapter].weight * layer.scaling[adapter])
            for adapter, down in layer.lora_A.items()
        }
        self.active = False
        self._chosen: _Rows | None = None
        layer.enable_adapters(enabled=False)
        layer.register_forward_hook(self._add)

    def choose(self, rows: _Rows) -> None:
        self.active = any(name in self.parts for name in rows.adapters)
        if self.active and rows != self._chosen:
            self._prepare(rows)
            self._chosen = rows

    @abstractmethod
    def _prepare(self, rows: _Rows) -> None:
        """Lays out the halves of the rows at hand."""

    @abstractmethod
    def _delta(self, states: Tensor) -> Tensor:
        """What the rows' adapters add, of the shape of the layer's output."""

    def _add(self, _layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if not self.active:
            return None
        return output + self._delta(inputs[0]).to(output.dtype)


class _Linear(_Layer):
    """Halves gathered by row: (rows, in, rank) and (rows, rank, out), the scale in the second."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        # All adapters in one tensor, so that a batch picks its rows at once; the last one adds
        # nothing, for rows without any.
        first, second = next(iter(self.parts.values()))
        ranks = max(len(down) for down, _ in self.parts.values())
        self._downs = first.new_zeros(len(self.parts) + 1, first.shape[1], ranks)
        self._ups = second.new_zeros(len(self.parts) + 1, ranks, second.shape[0])
        for number, (down, up) in enumerate(self.parts.values()):
            self._downs[number, :, : len(down)] = down.T
            self._ups[number, : len(down)] = up.T
        self._numbers = {name: number for number, name in enumerate(self.parts)}

    def _prepare(self, rows: _Rows) -> None:
        nothing = len(self.parts)
        numbers = torch.tensor([self._numbers.get(name, nothing) for name in rows.adapters])
        scales = torch.tensor(rows.scales).to(self._ups)[:, None, None]
        self._down = self._downs[numbers.to(self._downs.device)]
        self._up = self._ups[numbers.to(self._ups.device)] * scales

    def _delta(self, states: Tensor) -> Tensor:
        count = len(self._down)
        # (times, rows, tokens, in): what stands between row and width is tokens, if anything.
        split = states.to(self._down.dtype).view(-1, count, *_tokens(states), states.shape[-1])
        return (split @ self._down @ self._up).view(*states.shape[:-1], self._up.shape[-1])


class _Convolution(_Layer):
    """Halves side by side, and the columns that each row leaves standing."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        base = layer.get_base_layer()
        self._geometry = (base.stride, base.padding, base.dilation)

    def _prepare(self, rows: _Rows) -> None:
        own = sorted({name for name in rows.adapters if name in self.parts})
        self._down = torch.cat([self.parts[name][0] for name in own])
        self._up = torch.cat([self.parts[name][1] for name in own], dim=1)
        weights = torch.tensor(
            [
                [scale if name == one else 0.0 for one in own]
                for name, scale in zip(rows.adapters, rows.scales, strict=True)
            ]
        )
        ranks = torch.tensor([len(self.parts[name][0]) for name in own])
        self._columns = weights.repeat_interleave(ranks, dim=1).to(self._down)

    def _delta(self, states: Tensor) -> Tensor:
        columns = self._columns.repeat(len(states) // len(self._columns), 1)[:, :, None, None]
        hidden = functional.conv2d(states.to(self._down.dtype), self._down, None, *self._geometry)
        return functional.conv2d(hidden * columns, self._up)


def _layer(name: str, layer: Any) -> _Layer:
    odd = sorted({*layer.lora_variant, *(k for k, v in layer.lora_bias.items() if v)})
    if odd:
        raise ConfigError(
            f"The adapter '{odd[0]}' is no plain LoRA (DoRA, or with biases) in the layer {name}, "
            "so that it cannot be mixed with others. Merge it into the model, or train it as LoRA."
        )
    kind = _Convolution if isinstance(layer.get_base_layer(), nn.Conv2d) else _Linear
    return kind(layer)


def _tokens(states: Tensor) -> tuple[int]:
    return (states[0].numel() // states.shape[-1],)


def _lora_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) and len(module.lora_A):
            yield name, module
