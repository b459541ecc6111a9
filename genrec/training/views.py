"""A vision tower learned from pictures alone: two views of a picture are told from other pictures.

Chen et al. (2020), "A simple framework for contrastive learning of visual representations"; here
without changes of hue, since shoppers look at colours. Knows pixels, neither words nor users.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.training.alignment import contrast
from genrec.training.content_options import ViewsConfig
from genrec.training.fit import FitResult, Progress, fit
from genrec.training.options import FitConfig


class ViewsModel(nn.Module):
    """A tower, and the head whose space the contrast is made in and which is thrown away."""

    def __init__(self, tower: nn.Module, width: int) -> None:
        super().__init__()
        self.tower = tower
        self.head = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Unit vectors, shape (pictures, width)."""
        hidden = self.tower(pixel_values=pixels).last_hidden_state.mean(dim=1)
        return F.normalize(self.head(hidden), dim=-1)


def new_tower(config: ViewsConfig) -> Any:
    """A SigLIP vision tower with weights drawn from torch's random state; it pools by the mean."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    return SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=config.width,
            intermediate_size=2 * config.width,
            num_hidden_layers=config.blocks,
            num_attention_heads=config.heads,
            image_size=config.side,
            patch_size=config.patch,
            vision_use_head=False,
        )
    )


def train_tower(
    pictures: np.ndarray,
    config: ViewsConfig,
    *,
    folder: Path,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Any, FitResult | None]:
    """A tower of transformers trained on these pictures, and what the training did, if any.

    Args:
        pictures: shape (pictures, 3, side, side), uint8.
        folder: for checkpoints and logs.
        progress: called with step, steps and loss.
    """
    digest = hashlib.sha256(pictures.tobytes()).hexdigest()[:16]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ViewsModel(new_tower(config), config.width)
        if not config.steps:
            return model.tower.eval(), None
        fit_config = FitConfig(
            steps=config.steps,
            batch_size=min(config.batch_size, len(pictures)),
            learning_rate=config.learning_rate,
            warmup_steps=config.steps // 10,
            weight_decay=0.01,
            seed=seed,
            log_every=max(1, config.steps // 20),
        )
        result = fit(
            model,
            [torch.from_numpy(picture) for picture in pictures],
            collate=two_views,
            loss=lambda model, batch: _loss(model(batch["pixels"]), config.temperature),
            config=fit_config,
            folder=folder,
            progress=progress,
            job=f"views {digest} {asdict(config)}",
        )
    return model.tower.eval(), result


def _loss(vectors: Tensor, temperature: float) -> Tensor:
    first, second = vectors.chunk(2)
    return contrast(first, second, temperature)


def two_views(pictures: Sequence[Tensor]) -> dict[str, Tensor]:
    """Each picture cut and mirrored at random, twice; shape (2 pictures, 3, side, side), -1 … 1."""
    pixels = torch.stack(list(pictures)).float() / 127.5 - 1
    return {"pixels": torch.cat([_view(pixels), _view(pixels)])}


def _view(pixels: Tensor) -> Tensor:
    count = len(pixels)
    share = 0.6 + 0.4 * torch.rand(count)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    frame = torch.zeros(count, 2, 3)
    frame[:, 0, 0], frame[:, 1, 1] = share * mirror, share
    frame[:, :, 2] = (2 * torch.rand(count, 2) - 1) * (1 - share)[:, None]
    grid = F.affine_grid(frame, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def save_tower(tower: Any, side: int, folder: Path) -> None:
    """Writes weights, configuration and image processor, as ``ImageEncoder`` reads them."""
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    tower.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": side, "width": side}, resample=3).save_pretrained(folder)
