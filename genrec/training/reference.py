"""The model as it was before: what a policy is held to. Knows parameters only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Reference:
    """A frozen copy of what trains, put in its place for as long as the reference is asked.

    Of a LoRA that is a copy of the adapter, and no second LLM is held. Switching the adapter off
    instead would ask the LLM before it knew any item: the rows of its semantic IDs are in there.

    Args:
        model: as it is to be remembered.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.kept: dict[str, Tensor] = {
            name: tensor.detach().clone() for name, tensor in _trained(model).items()
        }

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model answers as it did then until the block ends; ask it without gradients."""
        own = _trained(self.model)
        current = {name: tensor.data for name, tensor in own.items()}
        try:
            for name, tensor in own.items():
                # Pointers only: what autograd has kept of the current weights is not written to.
                tensor.data = self.kept[name].to(current[name].device)
            yield
        finally:
            for name, tensor in own.items():
                tensor.data = current[name]


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
