"""A LoRA for each row of a batch, in one forward pass.

The adapters that a batch needs are laid side by side as one wide LoRA, and between its two halves
every row has the columns of other rows' adapters multiplied by zero. So rows with different
adapters share each matrix product, a row's scale is a number in the same place, and a row comes out
as it would alone. Knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.errors import ConfigError


class RowAdapters:
    """The LoRA layers of some models, told for each row which adapter counts, and how much.

    The layers that peft put there stay where they are and only hold the weights.

    Args:
        models: with peft's LoRA layers in them, or without any.

    Raises:
        ConfigError: an adapter is of a kind that is no plain sum (DoRA, …).
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._layers: list[_WideLayer] = []
        self._of_model: dict[int, set[str]] = {}
        for model in models:
            found = [_WideLayer(name, layer) for name, layer in _lora_layers(model)]
            self._layers += found
            self._of_model[id(model)] = {name for layer in found for name in layer.parts}
        self._chosen: tuple[str, ...] = ()

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
        chosen = tuple(sorted({name for name in counted if name}))
        weights = torch.tensor(
            [
                [scale if name == one else 0.0 for one in chosen]
                for name, scale in zip(counted, scales, strict=True)
            ]
        )
        for layer in self._layers:
            layer.choose(chosen, weights, fresh=chosen != self._chosen)
        if chosen:
            self._chosen = chosen
        try:
            yield
        finally:
            for layer in self._layers:
                layer.columns = None


class _WideLayer:
    """One layer, with the adapters of the batch at hand side by side."""

    def __init__(self, name: str, layer: Any) -> None:
        self.parts = {
            adapter: (down.weight, layer.lora_B[adapter].weight * layer.scaling[adapter])
            for adapter, down in layer.lora_A.items()
        }
        odd = sorted({*layer.lora_variant, *(k for k, v in layer.lora_bias.items() if v)})
        if odd:
            raise ConfigError(
                f"The adapter '{odd[0]}' is no plain LoRA (DoRA, or with biases) in the layer "
                f"{name}, so that it cannot be mixed with others. Merge it into the model, or "
                "train it as LoRA."
            )
        layer.enable_adapters(enabled=False)
        layer.register_forward_hook(self._add)
        base = layer.get_base_layer()
        self._convolution = isinstance(base, nn.Conv2d)
        self._geometry = (base.stride, base.padding, base.dilation) if self._convolution else ()
        self._down: Tensor | None = None
        self._up: Tensor | None = None
        self.columns: Tensor | None = None

    def choose(self, adapters: Sequence[str], weights: Tensor, *, fresh: bool) -> None:
        own = [number for number, name in enumerate(adapters) if name in self.parts]
        if not own:
            self.columns = None
            return
        chosen = [self.parts[adapters[number]] for number in own]
        if fresh or self._down is None:
            self._down = torch.cat([down for down, _ in chosen])
            self._up = torch.cat([up for _, up in chosen], dim=1)
        ranks = torch.tensor([len(down) for down, _ in chosen])
        self.columns = weights[:, own].repeat_interleave(ranks, dim=1).to(self._down)

    def _add(self, _layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if self.columns is None or self._down is None or self._up is None:
            return None
        states = inputs[0].to(self._down.dtype)
        columns = self.columns.repeat(len(states) // len(self.columns), 1)
        if self._convolution:
            hidden = functional.conv2d(states, self._down, None, *self._geometry)
            added = functional.conv2d(hidden * columns[:, :, None, None], self._up)
        else:
            between = (1,) * (states.ndim - 2)
            hidden = functional.linear(states, self._down)
            added = functional.linear(
                hidden * columns.view(len(states), *between, columns.shape[1]), self._up
            )
        return output + added.to(output.dtype)


def _lora_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) and len(module.lora_A):
            yield name, module
