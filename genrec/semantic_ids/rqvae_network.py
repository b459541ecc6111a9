"""The network of an RQ-VAE: an autoencoder whose middle is a sum of codes. Knows vectors only."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.semantic_ids.options import RqVaeConfig

# Sinkhorn: how sharply distances count, and how often rows and columns are evened out.
_SHARPNESS, _SINKHORN_ROUNDS = 0.05, 30


class RqVaeNetwork(nn.Module):
    """Encoder, codebooks and decoder (Lee et al. 2022, "Autoregressive image generation using
    residual quantization"; for items Rajput et al. 2023, "Recommender systems with generative
    retrieval").

    Attributes:
        codebooks: shape (levels, codes, latent).
        used: running count of what each code stands for, shape (levels, codes).
        sums: running sum of it, shape (levels, codes, latent).
        centre: mean of the vectors, shape (dimensions,).
        scale: one number that makes their spread 1 a dimension.
    """

    codebooks: nn.Parameter
    used: Tensor
    sums: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(
        self, dimensions: int, levels: int, codebook_size: int, config: RqVaeConfig
    ) -> None:
        super().__init__()
        self.settings = config
        widths = [dimensions, *config.hidden, config.latent]
        self.encoder = _layers(widths)
        self.decoder = _layers(widths[::-1])
        trained = config.codebooks == "gradient"
        self.codebooks = nn.Parameter(
            torch.zeros(levels, codebook_size, config.latent), requires_grad=trained
        )
        self.register_buffer("used", torch.ones(levels, codebook_size))
        self.register_buffer("sums", torch.zeros(levels, codebook_size, config.latent))
        self.register_buffer("centre", torch.zeros(dimensions))
        self.register_buffer("scale", torch.ones(()))

    def latent(self, vectors: Tensor) -> Tensor:
        """What is quantised, shape (items, latent)."""
        out: Tensor = self.encoder((vectors - self.centre) / self.scale)
        return out

    def rebuilt(self, latent: Tensor) -> Tensor:
        """Vectors from latent ones, shape (items, dimensions)."""
        out: Tensor = self.decoder(latent) * self.scale + self.centre
        return out

    def quantised(self, latent: Tensor, *, balanced: bool = False) -> tuple[Tensor, Tensor]:
        """Codes, shape (items, levels), and the sums of what they stand for, (items, latent).

        Args:
            balanced: spread the items evenly over the codes of the last level.
        """
        residual, codes = latent.detach(), []
        total = torch.zeros_like(latent)
        for level, book in enumerate(self.codebooks):
            distances = torch.cdist(residual, book.detach()).square()
            last = level + 1 == len(self.codebooks)
            chosen = _evenly(distances) if balanced and last else distances
            codes.append(chosen.argmin(dim=1))
            total = total + book[codes[-1]]
            residual = residual - book[codes[-1]].detach()
        return torch.stack(codes, dim=1), total

    def loss(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of a batch, its codes and its latent vectors; straight-through gradients."""
        latent = self.latent(vectors)
        codes, total = self.quantised(latent, balanced=self.settings.balance)
        through = latent + (total - latent).detach()
        loss = self._distance(vectors, self.rebuilt(through))
        loss = loss + self.settings.commitment * functional.mse_loss(latent, total.detach())
        if self.settings.codebooks == "gradient":
            loss = loss + functional.mse_loss(total, latent.detach())
        return loss, codes, latent.detach()

    def plain_loss(self, vectors: Tensor) -> Tensor:
        """The loss of the autoencoder without codes."""
        return self._distance(vectors, self.rebuilt(self.latent(vectors)))

    def _distance(self, vectors: Tensor, rebuilt: Tensor) -> Tensor:
        return functional.mse_loss(rebuilt / self.scale, vectors / self.scale)

    @torch.no_grad()
    def move_codes(self, codes: Tensor, latent: Tensor) -> None:
        """Moves each code towards the mean of what it stood for in a batch."""
        decay, residual = self.settings.decay, latent
        for level, book in enumerate(self.codebooks):
            own = codes[:, level]
            before = book[own].clone()
            count = torch.bincount(own, minlength=len(book)).to(latent.dtype)
            summed = torch.zeros_like(book).index_add_(0, own, residual)
            self.used[level].lerp_(count, 1 - decay)
            self.sums[level].lerp_(summed, 1 - decay)
            met = count > 0
            book[met] = self.sums[level][met] / self.used[level][met].clamp(min=1e-5)[:, None]
            residual = residual - before

    @torch.no_grad()
    def restart(self, counts: Tensor, latent: Tensor, codes: Tensor, draw: torch.Generator) -> int:
        """Puts codes that nothing used where items are rebuilt worst; how many there were.

        Args:
            counts: how often each code was used, shape (levels, codes).
            latent: of the items, shape (items, latent), with their codes, (items, levels).
        """
        residual, restarted = latent, 0
        for level, book in enumerate(self.codebooks):
            rest = residual - book[codes[:, level]]
            dead = torch.nonzero(counts[level] == 0)[:, 0][: len(latent)]
            if len(dead):
                far = rest.square().sum(1) + 1e-9
                chosen = torch.multinomial(far.cpu(), len(dead), generator=draw).to(latent.device)
                book[dead] = residual[chosen]
                self.used[level][dead] = 1.0
                self.sums[level][dead] = residual[chosen]
                restarted += len(dead)
            residual = rest
        return restarted


def _layers(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])


def _evenly(distances: Tensor) -> Tensor:
    """Costs by which the nearest code spreads the items evenly over the codes, (items, codes).

    Sinkhorn's iterations in logarithms, as of Asano et al. 2020, "Self-labelling via simultaneous
    clustering and representation learning".
    """
    scaled = -distances / (_SHARPNESS * distances.mean().clamp(min=1e-12))
    items, codes = scaled.shape
    for _ in range(_SINKHORN_ROUNDS):
        scaled = scaled - scaled.logsumexp(dim=0, keepdim=True) - _log(codes)
        scaled = scaled - scaled.logsumexp(dim=1, keepdim=True) - _log(items)
    return -scaled


def _log(count: int) -> float:
    return float(torch.log(torch.tensor(float(count))))
