"""Pictures rebuilt from a few of their patches: a tower that learns without words.

The masked autoencoder of He et al. (2022, arXiv:2111.06377) by the class of transformers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genrec.encoders.towers import SHAPES, mae_towers, picture_processor
from genrec.training.augment import augment, to_inputs
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.numbered_rows import NumberedRows
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import MaskedPatchesConfig


@dataclass
class PictureRows(NumberedRows):
    """Training rows: pictures by number, varied anew each epoch, with noise that hides patches.

    Attributes:
        pixels: shape (pictures, 3, side, side), uint8.
        patches: of one picture.
    """

    pixels: np.ndarray
    patches: int
    strength: float
    seed: int

    def __len__(self) -> int:
        return len(self.pixels)

    def collate(self, batch: Sequence[tuple[int, int]]) -> Batch:
        """Pixels, and noise whose largest values say which patches are hidden."""
        numbers, generator = self.drawn(batch)
        pixels = torch.from_numpy(self.pixels[numbers])
        return {
            "pixels": augment(pixels, strength=self.strength, generator=generator),
            "noise": torch.from_numpy(generator.random((len(numbers), self.patches), np.float32)),
        }


@dataclass(frozen=True)
class TrainedPatches:
    """A masked autoencoder as training left it.

    Attributes:
        model: a ``ViTMAEForPreTraining``.
        side: pixels of the square that pictures are squeezed into.
        fitted: what the training did.
    """

    model: Any
    side: int
    fitted: FitResult

    def write(self, folder: Path) -> None:
        """Writes the encoder as a folder that ``AutoModel`` and ``AutoImageProcessor`` open."""
        self.model.vit.save_pretrained(folder)
        picture_processor(self.side).save_pretrained(folder)


def train_masked_patches(
    pixels: np.ndarray,
    *,
    config: MaskedPatchesConfig,
    fit_config: FitConfig,
    folder: Path,
    progress: Progress | None = None,
) -> TrainedPatches:
    """An encoder trained to rebuild hidden patches.

    Args:
        pixels: shape (pictures, 3, side, side), uint8.
        folder: of checkpoints.
        progress: called after every step with step, steps and the last loss.
    """
    model = mae_towers(
        SHAPES[config.tower],
        side=config.side,
        patch=config.patch,
        mask_share=config.mask_share,
        seed=fit_config.seed,
    )
    patches = (config.side // config.patch) ** 2
    rows = PictureRows(pixels, patches, config.augment, fit_config.seed)
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]

    fitted = fit(
        model,
        rows,
        collate=rows.collate,
        loss=patch_loss,
        config=fit_config,
        folder=folder,
        progress=progress,
        job=f"masked-patches {digest} {config}",
    )
    return TrainedPatches(model, config.side, fitted)


def patch_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error of hidden patches, each patch brought to mean 0 and variance 1."""
    loss: Tensor = model(pixel_values=batch["pixels"], noise=batch["noise"]).loss
    return loss.float()


@torch.no_grad()
def rebuilt_error(model: Any, pixels: np.ndarray, *, seed: int = 0, batch: int = 256) -> float:
    """The error on pictures that were not trained on; guessing each patch's mean gives 1."""
    model.eval()
    device = next(model.parameters()).device
    generator = np.random.default_rng(seed)
    patches = (model.config.image_size // model.config.patch_size) ** 2
    total = 0.0
    for start in range(0, len(pixels), batch):
        part = torch.from_numpy(pixels[start : start + batch])
        noise = torch.from_numpy(generator.random((len(part), patches), np.float32))
        inputs = {"pixels": to_inputs(part).to(device), "noise": noise.to(device)}
        total += patch_loss(model, inputs).item() * len(part)
    return total / len(pixels)
