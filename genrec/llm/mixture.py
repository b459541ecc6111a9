"""A mixture of adapters: how much of each acts on each token, decided by the row's domain.

peft adds up the adapters that are active, alike for every row of a batch. Hooks on the adapters'
second matrices weigh them here, so that rows of several domains stand in one pack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

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
        adapters = {adapter_name(name): number for number, name in enumerate(names)}
        for module in model.modules():
            for name, up in getattr(module, "lora_B", {}).items():
                if name in adapters:
                    up.register_forward_hook(partial(self._weigh, adapters[name]))

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
        try:
            yield
        finally:
            self._weights = None

    def _weigh(self, adapter: int, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        if self._weights is None:
            return output * 0.0
        return output * self._weights[..., adapter, None].to(output.dtype)
