"""Pictures varied while a tower learns from them. Hues stay: words speak of colours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def to_inputs(pixels: Tensor) -> Tensor:
    """Bytes to the range of the towers' image processor, -1 … 1."""
    return pixels.float().div_(127.5).sub_(1.0)


def augment(pixels: Tensor, *, strength: float, generator: np.random.Generator) -> Tensor:
    """Cut, stretched, shifted, mirrored and lit at random, each picture by itself.

    Args:
        pixels: shape (pictures, 3, side, side), uint8.
        strength: 0 changes nothing; 1 shows 75 to 110 % of a side, shifts by up to 15 % of half a
            side, stretches by 16 % and changes the light by 15 %.

    Returns:
        Inputs of a tower, shape (pictures, 3, side, side), -1 … 1.
    """
    inputs = to_inputs(pixels)
    if not strength:
        return inputs
    count = len(inputs)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(generator.uniform(low, high, count).astype(np.float32))

    zoom = 1 + strength * draw(-0.25, 0.10)
    stretch = torch.exp(strength * draw(-0.15, 0.15))
    mirror = torch.sign(draw(-1.0, 1.0))
    frame = torch.zeros(count, 2, 3)
    frame[:, 0, 0] = zoom * stretch * mirror
    frame[:, 1, 1] = zoom / stretch
    frame[:, 0, 2] = strength * draw(-0.15, 0.15)
    frame[:, 1, 2] = strength * draw(-0.15, 0.15)
    grid = functional.affine_grid(frame, list(inputs.shape), align_corners=False)
    moved = functional.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
    light = 1 + strength * draw(-0.15, 0.15)
    return (moved + 1) * light[:, None, None, None] - 1
