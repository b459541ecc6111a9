"""The denoiser of a small diffusion model, with its text encoder and the prefix of tastes.

Guidance is learned as by Ho and Salimans (2022, arXiv:2207.12598), for words and for tastes each by
itself. Weights of noise levels by min-SNR: Hang et al. (2023, arXiv:2303.09556).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.diffusion.small import (
    SHAPES,
    SmallParts,
    save_small,
    small_parts,
    small_scheduler,
    to_latents,
)
from genrec.training.buckets import BucketBatches
from genrec.training.contrastive import MomentumCopy
from genrec.training.diffusion_options import ProductDiffusionConfig
from genrec.training.diffusion_rows import Described, DiffusionRows, Tastes, all_captions
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.options import FitConfig


class DiffusionModel(nn.Module):
    """What trains together, and its running mean.

    Args:
        parts: of a small model; its autoencoder stays as it is.
        scheduler: whose noise levels and prediction are learned.
        average: share of the old weights in the running mean; 0 has none.
        snr_gamma: where weights are cut; 0 weighs all noise levels alike.
    """

    def __init__(
        self, parts: SmallParts, scheduler: Any, *, average: float, snr_gamma: float
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {"unet": parts.unet, "text": parts.text_encoder, "prefix": parts.prefix}
        )
        self.average = MomentumCopy(self.parts, average) if average else None
        self.scheduler = scheduler
        self.snr_gamma = snr_gamma

    @property
    def kept(self) -> nn.ModuleDict:
        """The parts that are kept: the running mean where there is one."""
        return self.parts if self.average is None else self.average.model


def diffusion_loss(model: DiffusionModel, batch: Batch) -> Tensor:
    """Squared error of the prediction, averaged over places, weighed by noise level."""
    if model.training and model.average is not None:
        model.average.follow(model.parts)
    return denoising_error(model.parts, model.scheduler, batch, snr_gamma=model.snr_gamma).mean()


def denoising_error(parts: Any, scheduler: Any, batch: Batch, *, snr_gamma: float = 0.0) -> Tensor:
    """Squared error of the prediction for each row, with its prompt and taste, shape (rows,)."""
    words = parts["text"](input_ids=batch["tokens"]).last_hidden_state
    tastes = parts["prefix"](batch["tastes"], batch["intensity"])
    states = torch.cat([words, tastes.to(words.dtype)], dim=1)
    return prediction_error(parts["unet"], scheduler, batch, states, snr_gamma=snr_gamma)


def prediction_error(
    unet: Any,
    scheduler: Any,
    batch: Batch,
    states: Tensor,
    *,
    snr_gamma: float,
    also: dict[str, Any] | None = None,
) -> Tensor:
    """Squared error of a denoiser for each row, averaged over places, shape (rows,).

    Args:
        batch: ``latents``, ``noise`` and ``timesteps``.
        states: what the denoiser attends to, shape (rows, tokens, hidden).
        snr_gamma: where weights are cut; 0 weighs all noise levels alike.
        also: what the denoiser is told beside.
    """
    noisy = scheduler.add_noise(batch["latents"], batch["noise"], batch["timesteps"])
    told = {"encoder_hidden_states": states, **(also or {})}
    predicted = unet(noisy, batch["timesteps"], **told).sample.float()
    velocity = scheduler.config.prediction_type == "v_prediction"
    target = (
        scheduler.get_velocity(batch["latents"], batch["noise"], batch["timesteps"])
        if velocity
        else batch["noise"]
    )
    error = functional.mse_loss(predicted, target, reduction="none").mean((1, 2, 3))
    if snr_gamma:
        share = scheduler.alphas_cumprod.to(error.device)[batch["timesteps"]]
        snr = share / (1 - share).clamp(min=1e-8)
        # At pure noise the ratio is 0, and that level would not be learned at all.
        weights = snr.clamp(max=snr_gamma, min=1e-2) / (snr + 1 if velocity else snr + 1e-8)
        error = error * weights
    return error


@dataclass(frozen=True)
class TrainedDiffusion:
    """A small model as training left it.

    Attributes:
        parts: with the running mean of the weights.
        scheduler: with which it is sampled.
        fitted: what the training did.
    """

    parts: SmallParts
    scheduler: Any
    fitted: FitResult

    def write(self, folder: Path, **note: Any) -> None:
        """Writes a stock folder of diffusers with ``profile_prefix/`` in it."""
        save_small(self.parts, self.scheduler, folder, note=note)


def train_diffusion(
    vae: Any,
    pixels: Sequence[np.ndarray],
    described: Sequence[Described],
    tastes: Tastes,
    *,
    options: ProductDiffusionConfig,
    fit_config: FitConfig,
    folder: Path,
    progress: Progress | None = None,
) -> TrainedDiffusion:
    """A denoiser that draws the things by their captions and by tastes that they meet.

    Args:
        vae: trained; latents are computed once.
        pixels: for each bucket its pictures, shape (pictures, 3, height, width), uint8.
        described: of each picture, bucket by bucket.
        folder: of checkpoints.
    """
    scheduler = small_scheduler(options.prediction)
    parts = small_parts(
        SHAPES[options.shape],
        vae,
        all_captions(described),
        vocabulary=options.vocabulary,
        dims=tastes.vectors.shape[1],
        side=options.resolution,
        seed=fit_config.seed,
    )
    parts.prefix.standardise(torch.from_numpy(np.asarray(tastes.vectors, np.float32)))
    latents = [to_latents(vae, part) for part in pixels]
    buckets = np.repeat(np.arange(len(latents)), [len(part) for part in latents])
    rows = DiffusionRows(
        latents,
        described,
        tastes,
        parts.tokenizer,
        options,
        BucketBatches(buckets, fit_config.batch_size, fit_config.seed),
        scheduler.config.num_train_timesteps,
    )
    model = DiffusionModel(parts, scheduler, average=options.average, snr_gamma=options.snr_gamma)
    fitted = fit(
        model,
        rows,
        collate=rows.collate,
        loss=diffusion_loss,
        config=replace(fit_config, batch_size=1),
        folder=folder,
        progress=progress,
        job=f"diffusion {_digest(latents, described, tastes)} {options} {fit_config}",
    )
    kept = model.kept
    trained = SmallParts(vae, kept["unet"], kept["text"], parts.tokenizer, kept["prefix"])
    return TrainedDiffusion(trained, scheduler, fitted)


def _digest(latents: Sequence[Tensor], described: Sequence[Described], tastes: Tastes) -> str:
    digest = hashlib.sha256(repr(described).encode())
    for part in latents:
        digest.update(part.numpy().tobytes())
    digest.update(tastes.vectors.tobytes())
    for thing in sorted(tastes.choices):
        digest.update(b"".join(others.tobytes() for others in tastes.choices[thing]))
    return digest.hexdigest()[:16]
