"""A small autoencoder of pictures, trained before the denoiser whose space it makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.diffusion.small import SmallShape, small_vae
from genrec.training.buckets import BucketBatches
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.options import FitConfig

# Noise on latents while the decoder learns: what a denoiser leaves is never quite clean.
LATENT_NOISE = 0.1
# Weight of the pull of latents to mean 0 and variance 1, and of edges against flat colour.
_PULL, _EDGES = 0.05, 0.5


def train_vae(
    pixels: Sequence[np.ndarray],
    shape: SmallShape,
    *,
    config: FitConfig,
    folder: Path,
    progress: Progress | None = None,
) -> tuple[Any, FitResult]:
    """An ``AutoencoderTiny`` whose latents have a spread of about 1, and what its training did.

    Args:
        pixels: for each bucket its pictures, shape (pictures, 3, height, width), uint8.
        folder: of checkpoints.
    """
    model = VaeModel(small_vae(shape, seed=config.seed))
    buckets = np.repeat(np.arange(len(pixels)), [len(part) for part in pixels])
    places = np.concatenate([np.arange(len(part)) for part in pixels])
    rows = BucketBatches(buckets, config.batch_size, config.seed)

    def collate(batch: list[tuple[int, int]]) -> Batch:
        chosen, generator = rows.rows_of(batch[0])
        part = torch.from_numpy(pixels[buckets[chosen[0]]][places[chosen]])
        spread = (len(chosen), shape.latent_channels, part.shape[2] // 8, part.shape[3] // 8)
        noise = generator.standard_normal(spread, np.float32)
        return {"pixels": part, "noise": torch.from_numpy(noise)}

    digest = hashlib.sha256()
    for part in pixels:
        digest.update(np.ascontiguousarray(part).tobytes())
    result = fit(
        model,
        rows,
        collate=collate,
        loss=vae_loss,
        config=replace(config, batch_size=1),
        folder=folder,
        progress=progress,
        job=f"vae {digest.hexdigest()[:16]} {shape} {config}",
    )
    return model.vae, result


class VaeModel(nn.Module):
    """The autoencoder inside; the Trainer would take its ``config`` for one of transformers."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae


def vae_loss(model: VaeModel, batch: Batch) -> Tensor:
    """Error of the rebuilt pixels and of their edges, and the pull on the latents."""
    pixels = batch["pixels"].float() / 127.5 - 1
    latents = model.vae.encode(pixels).latents
    rebuilt = model.vae.decode(latents + LATENT_NOISE * batch["noise"]).sample.float()
    latents = latents.float()
    mean, spread = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    pull = mean.square().mean() + (spread - 1).square().mean()
    error = functional.l1_loss(rebuilt, pixels) + functional.mse_loss(rebuilt, pixels)
    return error + _EDGES * _edge_error(rebuilt, pixels) + _PULL * pull


def _edge_error(ours: Tensor, theirs: Tensor) -> Tensor:
    return sum(
        (functional.l1_loss(ours.diff(dim=axis), theirs.diff(dim=axis)) for axis in (2, 3)),
        start=torch.zeros(()),
    )
