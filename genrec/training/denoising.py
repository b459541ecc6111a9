"""What the denoiser of each family is told and asked in training, after diffusers' own examples.

SD and SDXL learn the noise (or its velocity) at levels drawn evenly; FLUX the way from a picture to
noise, at levels drawn as by Esser et al. (2024, arXiv:2403.03206). Knows no adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrec.diffusion.encoding import append_tokens
from genrec.diffusion.families import Family, encode_texts
from genrec.diffusion.prefix import ProfilePrefix
from genrec.diffusion.small import to_latents
from genrec.errors import ConfigError
from genrec.training.diffusion import prediction_error
from genrec.training.fit import Batch

NOISE, FLOW = ("SD 1.5", "SDXL"), ("FLUX",)
_PREDICTIONS = ("epsilon", "v_prediction")


class Denoising:
    """How one model is trained.

    Args:
        pipe: diffusers' pipeline.
        snr_gamma: where weights of noise levels are cut; 0 weighs all alike.
        guidance_scale: that a model whose guidance is an input (FLUX) is told.

    Raises:
        ConfigError: it is not trained here, or not so.
    """

    def __init__(
        self, pipe: Any, family: Family, *, snr_gamma: float, guidance_scale: float
    ) -> None:
        from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler

        self.pipe, self.family = pipe, family
        self.snr_gamma, self.guidance_scale = snr_gamma, guidance_scale
        if family.name not in (*NOISE, *FLOW):
            raise ConfigError(
                f"Adapters are trained for {', '.join((*NOISE, *FLOW))}, and this model is of "
                f"{family.name}. Name one of these in pretrained_model_name_or_path."
            )
        if self.flows and snr_gamma:
            raise ConfigError(
                f"snr_gamma is {snr_gamma}, and {family.name} has no noise levels that it could "
                "weigh. Leave it out."
            )
        # A pipeline's own is made for sampling: in few steps, and some add noise in other units.
        kind = FlowMatchEulerDiscreteScheduler if self.flows else DDPMScheduler
        self.scheduler = kind.from_config(pipe.scheduler.config)
        said = None if self.flows else self.scheduler.config.prediction_type
        if said not in (None, *_PREDICTIONS):
            raise ConfigError(
                f"The model's scheduler predicts '{said}'; adapters are trained for "
                f"{' and '.join(_PREDICTIONS)}."
            )

    @property
    def flows(self) -> bool:
        """Whether it learns the way to noise instead of the noise."""
        return self.family.name in FLOW

    @torch.no_grad()
    def latents(self, pixels: np.ndarray) -> Tensor:
        """Latents as the denoiser sees them, shape (pictures, channels, height, width), float32.

        Args:
            pixels: shape (pictures, 3, height, width), uint8.
        """
        config = self.pipe.vae.config
        found = to_latents(self.pipe.vae, pixels)
        if self.flows:
            return found - config.shift_factor * config.scaling_factor
        mean, std = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is not None and std is not None:
            shape = (1, -1, 1, 1)
            found = found - torch.tensor(mean).view(shape) * config.scaling_factor
            found = found / torch.tensor(std).view(shape)
        return found

    @torch.no_grad()
    def prompts(self, texts: Sequence[str], prefix: ProfilePrefix | None) -> Batch:
        """What the denoiser reads of each text: ``states`` and, of most models, ``pooled``.

        Args:
            prefix: its tokens of nobody stand behind the words.
        """
        rows = [
            row
            for start in range(0, len(texts), 16)
            for row in encode_texts(
                self.pipe, self.family, texts[start : start + 16], as_negative=False
            )
        ]
        if prefix is not None:
            rows = [append_tokens(row, prefix.null.detach()) for row in rows]
        found = {"states": torch.stack([row.states for row in rows]).float().cpu()}
        if self.family.pooled:
            found["pooled"] = torch.stack([row.pooled for row in rows]).float().cpu()
        return found

    def levels(self, count: int, generator: np.random.Generator) -> Batch:
        """How noisy each of so many rows is: ``timesteps`` and, of a flow, ``sigmas``."""
        steps = int(self.scheduler.config.num_train_timesteps)
        if not self.flows:
            return {"timesteps": torch.from_numpy(generator.integers(0, steps, count))}
        drawn = 1 / (1 + np.exp(-generator.standard_normal(count)))
        places = torch.from_numpy((drawn * steps).astype(np.int64).clip(0, steps - 1))
        return {
            "timesteps": self.scheduler.timesteps[places],
            "sigmas": self.scheduler.sigmas[places],
        }

    def error(self, denoiser: Any, batch: Batch) -> Tensor:
        """Squared error of the prediction for each row, averaged over places, shape (rows,).

        Args:
            batch: ``latents``, ``noise`` and what ``prompts`` and ``levels`` gave of each row.
        """
        if not self.flows:
            return prediction_error(
                denoiser,
                self.scheduler,
                batch,
                batch["states"],
                snr_gamma=self.snr_gamma,
                also=self._sizes(batch) if self.family.pooled else None,
            )
        sigmas = batch["sigmas"].view(-1, 1, 1, 1)
        noisy = (1 - sigmas) * batch["latents"] + sigmas * batch["noise"]
        way = batch["noise"] - batch["latents"]
        predicted = denoiser(
            hidden_states=packed(noisy),
            encoder_hidden_states=batch["states"],
            pooled_projections=batch["pooled"],
            **self._places(denoiser, batch),
        ).sample.float()
        return functional.mse_loss(predicted, packed(way), reduction="none").mean((1, 2))

    def _sizes(self, batch: Batch) -> dict[str, Any]:
        """What SDXL is told beside the prompt: as its pipeline says of a picture of this size."""
        latents = batch["latents"]
        height, width = (side * int(self.pipe.vae_scale_factor) for side in latents.shape[-2:])
        sizes = latents.new_tensor([height, width, 0, 0, height, width]).expand(len(latents), -1)
        return {"added_cond_kwargs": {"text_embeds": batch["pooled"], "time_ids": sizes}}

    def _places(self, denoiser: Any, batch: Batch) -> Batch:
        """What FLUX is told: where each square and each token is, and how strongly to guide."""
        latents = batch["latents"]
        height, width = (side // 2 for side in latents.shape[-2:])
        places = latents.new_zeros(height, width, 3)
        places[..., 1] += torch.arange(height).to(latents)[:, None]
        places[..., 2] += torch.arange(width).to(latents)
        told = {
            "timestep": batch["timesteps"] / 1000,
            "img_ids": places.view(-1, 3),
            "txt_ids": latents.new_zeros(batch["states"].shape[1], 3),
        }
        if denoiser.config.guidance_embeds:
            told["guidance"] = latents.new_full((len(latents),), self.guidance_scale)
        return told


def packed(latents: Tensor) -> Tensor:
    """Squares of 2 x 2 cells as one token each, shape (rows, squares, 4 x channels)."""
    rows, channels, height, width = latents.shape
    cells = latents.view(rows, channels, height // 2, 2, width // 2, 2)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(rows, -1, channels * 4)
