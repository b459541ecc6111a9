"""A mixture of adapters: how much of each acts on each token, decided by the row's domain.

peft adds up the adapters that are active, alike for every row of a batch, one after the other. Here
the domains' stand side by side as one wide adapter in each layer, and each token weighs its ranks:
rows of several domains stand in one pack, and one more domain costs its ranks alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.llm.adapt import SHARED, adapter_name

NO_DOMAIN = -1
# Where a learned gate starts, before the sigmoid: .88 of the own adapter, .12 of each other.
_OWN, _OTHER = 2.0, -2.0


class Mixture(nn.Module):
    """Weights of a model's adapters by domain. The shared adapter always acts whole.

    Args:
        model: a peft model with an adapter of each name.
        names: of the domains' adapters.
        learned: whether the weights are trained, one for each domain and adapter; else a domain
            has its own adapter whole and no other.
    """

    def __init__(self, model: Any, names: Sequence[str], *, learned: bool) -> None:
        super().__init__()
        self.names = list(names)
        own = torch.eye(len(names))
        self.gate = nn.Parameter(own * (_OWN - _OTHER) + _OTHER) if learned else None
        self.register_buffer("own", own, persistent=False)
        self._weights: Tensor | None = None
        self._acting: list[int] = []
        self._adapters = [adapter_name(name) for name in names]
        for layer in model.modules():
            if self._adapters[0] in getattr(layer, "lora_B", {}):
                layer.register_forward_hook(self._add)

    def table(self) -> Tensor:
        """The weight of each adapter in each domain, shape (domains, adapters), in 0 to 1."""
        if self.gate is not None:
            return torch.sigmoid(self.gate)
        return self.get_buffer("own")

    def scales(self, domain: int) -> dict[str, float]:
        """The weight of each of peft's adapters, for one domain or ``NO_DOMAIN``."""
        own = [0.0] * len(self.names) if domain < 0 else self.table()[domain].tolist()
        return {SHARED: 1.0, **dict(zip(map(adapter_name, self.names), own, strict=True))}

    @contextmanager
    def applied(self, domains: Tensor) -> Iterator[None]:
        """Weighs the adapters until the block ends.

        Args:
            domains: number of each token's domain, ``NO_DOMAIN`` for none, int64; its shape
                broadcasts to (rows, tokens).
        """
        known = (domains >= 0).float()[..., None]
        self._weights = self.table()[domains.clamp(min=0)] * known
        self._acting = list(range(len(self.names)))
        if not torch.is_grad_enabled():
            # In training all take part, so that each has a gradient in every process.
            acts = self._weights.reshape(-1, len(self.names)).any(0)
            self._acting = acts.nonzero().flatten().tolist()
        try:
            yield
        finally:
            self._weights = None

    def _add(self, layer: Any, inputs: Any, output: Tensor) -> Tensor:
        if self._weights is None or not self._acting or layer.disable_adapters:
            return output
        names = [self._adapters[number] for number in self._acting]
        # (ranks of all, in) and (out, ranks of all): one wide adapter.
        down = torch.cat([layer.lora_A[name].weight for name in names])
        up = torch.cat([layer.lora_B[name].weight * layer.scaling[name] for name in names], dim=1)
        kept = layer.lora_dropout[names[0]](inputs[0].to(down.dtype))
        lowered = functional.linear(kept, down)
        ranks = [
            number
            for number, name in zip(self._acting, names, strict=True)
            for _ in range(layer.r[name])
        ]
        weighed = lowered * self._weights[..., ranks].to(lowered.dtype)
        return output + functional.linear(weighed, up).to(output.dtype)
