"""How much a taste helps a small model to tell what a held-out picture looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from genrec.diffusion.prefix import ProfilePrefix
from genrec.diffusion.small import to_latents, tokens_of
from genrec.training.diffusion import denoising_error
from genrec.training.diffusion_rows import LEADS, Described

# Noise levels, of 1,000, that are looked at: where large areas and their colours are decided.
_LEVELS = (300, 500, 700, 900)


@torch.inference_mode()
def compare_tastes(
    pipe: Any,
    prefix: ProfilePrefix,
    pixels: Sequence[np.ndarray],
    described: Sequence[Described],
    vectors: np.ndarray,
    *,
    seed: int = 0,
    batch: int = 64,
) -> dict[str, float]:
    """Mean denoising error with the picture's own taste, with another's and with none.

    Each picture meets the same noise under all three, and its caption names no details.

    Args:
        pipe: a small model's pipeline.
        pixels: for each bucket its pictures, shape (pictures, 3, height, width), uint8.
        described: of each picture, bucket by bucket.
        vectors: tastes of which each suits its own picture, shape (pictures, dims).
    """
    generator = np.random.default_rng(seed)
    others = np.roll(np.arange(len(vectors)), len(vectors) // 2)
    parts = {"unet": pipe.unet, "text": pipe.text_encoder, "prefix": prefix}
    device = pipe.unet.device
    sums = dict.fromkeys(("own", "other", "none"), 0.0)
    start = 0
    for part in pixels:
        latents = to_latents(pipe.vae, part)
        for first in range(0, len(part), batch):
            chosen = latents[first : first + batch]
            rows = np.arange(start + first, start + first + len(chosen))
            noise = torch.from_numpy(generator.standard_normal(chosen.shape, np.float32))
            levels = torch.from_numpy(generator.choice(_LEVELS, len(chosen)))
            said = [
                LEADS[0].format(described[row].noun)
                if described[row].noun
                else described[row].title
                for row in rows
            ]
            given = {
                "latents": chosen.to(device),
                "noise": noise.to(device),
                "timesteps": levels.to(device),
                "tokens": tokens_of(pipe.tokenizer, said).to(device),
            }
            for name, whose, intensity in (
                ("own", rows, 1.0),
                ("other", others[rows], 1.0),
                ("none", rows, 0.0),
            ):
                given["tastes"] = torch.from_numpy(vectors[whose].astype(np.float32)).to(device)
                given["intensity"] = torch.full((len(chosen),), intensity, device=device)
                sums[name] += float(denoising_error(parts, pipe.scheduler, given).sum())
        start += len(part)
    return {name: value / start for name, value in sums.items()}
