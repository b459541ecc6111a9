"""Guidance and image prompts for each row of a batch, put into pipelines that know one of each.

diffusers' pipelines take one guidance scale and one scale of the image prompt for all pictures of a
batch. Hooks on the denoiser and on the IP-Adapter's value projections make them numbers of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from genrec.diffusion.families import INPUT, PAIRED, Family

# What the pipeline is told. The hook hands it zeros and half of what guidance makes of the two, so
# that its own "negative + 2 * (positive - negative)" comes out exactly as the rows' guidance.
SHARED_SCALE = 2.0


class RowGuidance:
    """Guidance of each row.

    Args:
        denoiser: the UNet or transformer.
        pipe: whose embedding of guidance a model distilled by latent consistency asks for.
    """

    def __init__(self, denoiser: nn.Module, family: Family, pipe: Any) -> None:
        self._rows: Tensor | None = None
        self._pipe = pipe
        if family.guidance == PAIRED:
            denoiser.register_forward_hook(self._guide)
        if family.guidance == INPUT or _embeds_guidance(denoiser):
            denoiser.register_forward_pre_hook(self._tell, with_kwargs=True)

    @contextmanager
    def rows(self, guidance: Sequence[float]) -> Iterator[None]:
        """Within, row i of a batch is guided by its own number."""
        self._rows = torch.tensor(list(guidance), dtype=torch.float32)
        try:
            yield
        finally:
            self._rows = None

    def _guide(self, _denoiser: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        found = output[0]
        if self._rows is None or len(found) != 2 * len(self._rows):
            return None
        negative, positive = found.chunk(2)
        scale = self._rows.to(found).view(-1, *(1,) * (found.ndim - 1))
        guided = negative + scale * (positive - negative)
        return (torch.cat([torch.zeros_like(guided), guided / SHARED_SCALE]), *output[1:])

    def _tell(
        self, _denoiser: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if self._rows is None:
            return None
        if given.get("guidance") is not None:
            return inputs, {**given, "guidance": self._rows.to(given["guidance"])}
        if (old := given.get("timestep_cond")) is not None:
            told = self._pipe.get_guidance_scale_embedding(self._rows - 1, old.shape[-1])
            return inputs, {**given, "timestep_cond": told.to(old)}
        return None


class RowImages:
    """The image prompt of each row, and how much it counts.

    The pipelines repeat the image prompts of a batch for every picture of it (issue 9813 of
    diffusers), so the denoiser is handed those of the rows instead. What an IP-Adapter adds is
    linear in its values, so a scale of the values scales the whole.

    Args:
        denoiser: with an IP-Adapter in it, or without.
    """

    def __init__(self, denoiser: Any) -> None:
        self._rows: Tensor | None = None
        self._embeds: Tensor | None = None
        denoiser.register_forward_pre_hook(self._show, with_kwargs=True)
        for processor in getattr(denoiser, "attn_processors", {}).values():
            for projection in getattr(processor, "to_v_ip", ()):
                projection.register_forward_hook(self._scale)

    @contextmanager
    def rows(self, scales: Sequence[float], embeds: Tensor | None) -> Iterator[None]:
        """Within, row i of a batch has its own image prompt at its own scale.

        Args:
            embeds: shape (rows or twice as many, pictures, ...), negative ones first; None without
                an IP-Adapter.
        """
        self._rows = torch.tensor(list(scales), dtype=torch.float32)
        self._embeds = embeds
        try:
            yield
        finally:
            self._rows = self._embeds = None

    def _show(
        self, _denoiser: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if self._embeds is None:
            return None
        added = {**given["added_cond_kwargs"], "image_embeds": [self._embeds]}
        return inputs, {**given, "added_cond_kwargs": added}

    def _scale(self, _projection: nn.Module, _inputs: tuple[Any, ...], values: Tensor) -> Any:
        if self._rows is None:
            return None
        rows = self._rows.to(values).repeat(len(values) // len(self._rows))
        return values * rows.view(-1, *(1,) * (values.ndim - 1))


def _embeds_guidance(denoiser: Any) -> bool:
    return getattr(denoiser.config, "time_cond_proj_dim", None) is not None
