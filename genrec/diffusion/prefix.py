"""A user's vector as further tokens of the prompt: the half that PMG left out of its public code.

Reference: X. Shen et al., "PMG: Personalized Multimodal Generation with Large Language Models",
2024, where soft prompts stand beside the words. Knows no diffusion model and not how it trains.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from genrec.errors import ArtefactError, ConfigError
from genrec.workspace import storage_errors

FOLDER = "profile_prefix"
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class PrefixConfig:
    """The shape of a ``ProfilePrefix``.

    Attributes:
        dims: length of a user's vector.
        tokens: that it becomes.
        hidden: width of the text encoder's states.
        width: of the layer between.
    """

    dims: int
    tokens: int
    hidden: int
    width: int = 256

    def __post_init__(self) -> None:
        small = {key: value for key, value in asdict(self).items() if value < 1}
        if small:
            raise ConfigError(f"A profile prefix has {small}; each must be at least 1.")


class ProfilePrefix(nn.Module):
    """Vectors of users to tokens: (users, dims) -> (users, tokens, hidden).

    There are as many tokens without a vector as with one: ``null``, which is trained by leaving the
    vector out. Intensity goes on a straight line from ``null`` to the user's tokens, so at 0
    nothing of the user is left, and every sample of a batch has the same length.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, config: PrefixConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.dims))
        self.register_buffer("spread", torch.ones(config.dims))
        self.into = nn.Linear(config.dims, config.width)
        self.out = nn.Linear(config.width, config.tokens * config.hidden)
        self.norm = nn.LayerNorm(config.hidden)
        self.null = nn.Parameter(torch.randn(config.tokens, config.hidden) * 0.02)

    def standardise(self, vectors: Tensor) -> None:
        """Reads each dimension by how far it lies from its mean in such vectors.

        What tells tastes apart is often small beside what all of them share. Call it before
        training.

        Args:
            vectors: shape (vectors, dims).
        """
        scaled = self._scaled(vectors)
        spread = scaled.std(dim=0, correction=0)
        self.mean.copy_(scaled.mean(dim=0))
        # A dimension in which nearly nothing differs is not blown up.
        self.spread.copy_(spread.clamp(min=max(0.1 * float(spread.max()), 1e-6)))

    def _scaled(self, vectors: Tensor) -> Tensor:
        # Only the direction says what somebody likes; encoders differ in length.
        return functional.normalize(vectors, dim=-1) * self.config.dims**0.5

    def forward(self, vectors: Tensor, intensity: Tensor) -> Tensor:
        """Tokens, shape (users, tokens, hidden).

        Args:
            vectors: shape (users, dims), of any length but 0 where intensity is above 0.
            intensity: shape (users,), 0 to 1; 0 for users without a vector.
        """
        read = (self._scaled(vectors) - self.mean) / self.spread
        states = self.out(functional.gelu(self.into(read)))
        tokens = self.norm(states.view(-1, self.config.tokens, self.config.hidden))
        return torch.lerp(self.null.expand_as(tokens), tokens, intensity[:, None, None])

    def save(self, folder: Path) -> None:
        """Writes ``config.json`` and ``model.safetensors``."""
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tensors = {
                name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()
            }
            save_file(tensors, folder / _WEIGHTS)
            (folder / _CONFIG).write_text(json.dumps(asdict(self.config), indent=1))

    @classmethod
    def load(cls, folder: Path) -> ProfilePrefix:
        """Reads what ``save`` wrote.

        Raises:
            ArtefactError: missing, damaged or of another shape.
        """
        try:
            known: dict[str, Any] = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
            # What the shape says takes no memory until the weights are found to have it.
            with torch.device("meta"):
                prefix = cls(PrefixConfig(**known))
            weights = {name: part.float() for name, part in load_file(folder / _WEIGHTS).items()}
            prefix.load_state_dict(weights, assign=True)
        except (
            OSError,
            ValueError,
            TypeError,
            RuntimeError,
            SafetensorError,
            ConfigError,
        ) as error:
            reason = str(error).splitlines()[0]
            raise ArtefactError(
                f"{folder} holds no profile prefix that can be read: {reason} "
                "Train it again, or take prefix: none."
            ) from error
        return prefix.eval()
