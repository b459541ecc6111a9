"""A verifier for a small diffusion model, fitted to the pictures that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from genrec.diffusion.small import to_latents
from genrec.diffusion.verifier import Verifier
from genrec.training.diffusion_rows import Described

# Of a latent's spread. What a denoiser leaves is never quite clean, so each picture is read twice.
NOISE = (0.0, 0.2)


def fit_verifier(
    vae: Any,
    pixels: Sequence[np.ndarray],
    shown: Sequence[Described],
    details: Sequence[str],
    *,
    vectors: np.ndarray,
    described: Sequence[Described],
) -> Verifier:
    """Reads details off pictures as the autoencoder decodes them, which is how it will meet them.

    Args:
        pixels: for each bucket its pictures, shape (pictures, 3, height, width), uint8.
        shown: by each picture, bucket by bucket.
        details: names of their details.
        vectors: of the items' pictures as they are in the catalogue, which tastes are made of.
        described: of each vector.

    Raises:
        InputError: no detail has two values.
    """
    decoded = [
        picture for noise in NOISE for part in pixels for picture in _decoded(vae, part, noise)
    ]
    return Verifier.fit(
        decoded,
        {name: values * len(NOISE) for name, values in _by_name(shown, details).items()},
        vectors=vectors,
        vector_details=_by_name(described, details),
    )


def _by_name(described: Sequence[Described], details: Sequence[str]) -> dict[str, list[str]]:
    return {name: [one.details[place] for one in described] for place, name in enumerate(details)}


@torch.inference_mode()
def _decoded(vae: Any, pixels: np.ndarray, noise: float, *, batch: int = 64) -> np.ndarray:
    """Pictures after the autoencoder, shape (pictures, height, width, 3), uint8."""
    latents = to_latents(vae, pixels)
    drawn = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    latents = latents + noise * latents.std() * drawn
    parts = [
        vae.decode(latents[start : start + batch] / vae.config.scaling_factor).sample
        for start in range(0, len(latents), batch)
    ]
    shown = (torch.cat(parts) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    found: np.ndarray = (shown * 255).round().to(torch.uint8).numpy()
    return found
