"""A small autoencoder of pictures, made before the denoiser that works in its space."""

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

from genrec.diffusion.small import SmallShape, small_vae, to_latents
from genrec.training.buckets import BucketBatches
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.options import FitConfig

# Noise on latents while the decoder learns: what a denoiser leaves is never quite clean.
LATENT_NOISE = 0.07
# Weight of edges against flat colour.
EDGES = 0.5


def train_vae(
    pixels: Sequence[np.ndarray],
    shape: SmallShape,
    *,
    config: FitConfig,
    folder: Path,
    progress: Progress | None = None,
) -> tuple[Any, FitResult]:
    """An ``AutoencoderTiny`` with a computed encoder and a trained decoder, and how it trained.

    Args:
        pixels: for each bucket its pictures, shape (pictures, 3, height, width), uint8.
        folder: of checkpoints.
    """
    model = VaeModel(small_vae(shape, pixels, seed=config.seed))
    buckets = np.repeat(np.arange(len(pixels)), [len(part) for part in pixels])
    places = np.concatenate([np.arange(len(part)) for part in pixels])
    latents = [to_latents(model.vae, part) for part in pixels]
    rows = BucketBatches(buckets, config.batch_size, config.seed)

    def collate(batch: list[tuple[int, int]]) -> Batch:
        chosen, generator = rows.rows_of(batch[0])
        bucket, own = int(buckets[chosen[0]]), places[chosen]
        known = latents[bucket][own]
        noise = torch.from_numpy(generator.standard_normal(known.shape, np.float32))
        return {
            "pixels": torch.from_numpy(pixels[bucket][own]),
            "latents": known + LATENT_NOISE * noise,
        }

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
    """Error of the rebuilt pixels and of their edges."""
    pixels = batch["pixels"].float() / 127.5 - 1
    rebuilt = model.vae.decode(batch["latents"]).sample.float()
    error = functional.l1_loss(rebuilt, pixels) + functional.mse_loss(rebuilt, pixels)
    edges = [functional.l1_loss(rebuilt.diff(dim=axis), pixels.diff(dim=axis)) for axis in (2, 3)]
    return error + EDGES * (edges[0] + edges[1])


def load_vae(folder: Path) -> Any:
    """The autoencoder that was written to a folder."""
    from diffusers import AutoencoderTiny

    return AutoencoderTiny.from_pretrained(folder, use_safetensors=True).eval()
