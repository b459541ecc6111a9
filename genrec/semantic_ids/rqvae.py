"""Residual codes that are learned together with the space that they lie in (RQ-VAE)."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from genrec.semantic_ids.options import RqVaeConfig, SemanticIdConfig
from genrec.semantic_ids.quantizer import (
    Progress,
    Quantizer,
    centres,
    checked,
    distances_to,
    nearest_centre,
)
from genrec.semantic_ids.rqvae_network import RqVaeNetwork
from genrec.workspace import storage_errors

log = logging.getLogger(__name__)

CHECKPOINT = "rqvae.safetensors"
_ITEMS_AT_ONCE = 8192
_SAMPLE = 50_000


class RqVae(Quantizer):
    """An autoencoder with residual codes in its middle.

    The codebooks start from k-means on the latent vectors of a short plain training, codes that
    nothing uses begin anew, and all randomness is drawn from the seed and the number of the epoch,
    so that a training that was killed ends with the same codes as one that was not.
    """

    kind = "rq-vae"
    ordered = True

    def __init__(
        self, levels: int = 3, codebook_size: int = 256, config: RqVaeConfig | None = None
    ) -> None:
        super().__init__(levels, codebook_size)
        self.config = config or RqVaeConfig()
        self.network: RqVaeNetwork | None = None
        self.losses: list[float] = []

    @classmethod
    def of(cls, config: SemanticIdConfig) -> RqVae:
        """See ``Quantizer.of``."""
        return cls(config.levels, config.codebook_size, config.rqvae)

    def fit(
        self,
        inputs: np.ndarray,
        *,
        seed: int,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        vectors = torch.from_numpy(checked(inputs))
        if torch.cuda.is_available():
            vectors = vectors.cuda()
        network = self._new(vectors.shape[1], seed).to(vectors.device)
        network.centre.copy_(vectors.mean(0))
        network.scale.copy_((vectors - network.centre).square().mean().sqrt().clamp(min=1e-12))
        trained = [p for p in network.parameters() if p.requires_grad]
        adam = torch.optim.Adam(trained, lr=self.config.learning_rate)
        job = self._job(vectors, seed)
        self.losses = []
        done = (
            0 if folder is None else _resume(folder / CHECKPOINT, job, network, adam, self.losses)
        )
        network.train()
        for epoch in range(done, self.config.epochs):
            draw = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
            if epoch == self.config.warmup_epochs:
                self._start_codes(network, vectors, seed)
            self.losses.append(self._epoch(network, adam, vectors, epoch, draw))
            if folder is not None and (epoch + 1) % self.config.checkpoint_every == 0:
                _keep(folder / CHECKPOINT, job, network, adam, self.losses)
            if progress is not None:
                progress(epoch + 1, self.config.epochs)
        self.network = network.eval().cpu()

    def _epoch(
        self,
        network: RqVaeNetwork,
        adam: torch.optim.Adam,
        vectors: Tensor,
        epoch: int,
        draw: torch.Generator,
    ) -> float:
        """One pass over all items; its mean loss."""
        plain = epoch < self.config.warmup_epochs
        order = torch.randperm(len(vectors), generator=draw).to(vectors.device)
        counts = torch.zeros(network.used.shape, device=vectors.device)
        total = 0.0
        for rows in order.split(self.config.batch_size):
            if plain:
                loss = network.plain_loss(vectors[rows])
            else:
                loss, codes, latent = network.loss(vectors[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.item() * len(rows)
            if plain:
                continue
            if self.config.codebooks == "ema":
                network.move_codes(codes, latent)
            for level in range(len(counts)):
                counts[level] += torch.bincount(codes[:, level], minlength=counts.shape[1])
        # After the last epoch nothing would train what restarts.
        if not plain and self.config.restart and epoch + 1 < self.config.epochs:
            with torch.no_grad():
                rows = order[:_SAMPLE]
                latent = network.latent(vectors[rows])
                codes, _ = network.quantised(latent)
            restarted = network.restart(counts, latent, codes, draw)
            log.debug("epoch %d: %d codes restarted", epoch, restarted)
        return total / len(vectors)

    def _start_codes(self, network: RqVaeNetwork, vectors: Tensor, seed: int) -> None:
        """Codebooks by k-means, level by level, on at most 50,000 latent vectors."""
        rows = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            latent = network.latent(vectors[rows[:_SAMPLE].to(vectors.device)])
            residual = latent.cpu().numpy().copy()
            for level, size in enumerate(self.codebook_sizes):
                found = centres(residual, size, 20, seed + level)
                counts = np.bincount(nearest_centre(residual, found), minlength=len(found))
                book = torch.from_numpy(found).to(vectors.device)
                network.codebooks[level, : len(book)] = book
                # Codes that there are no items for lie far from everything until they restart.
                network.codebooks[level, len(book) :] = 1e3
                share = self.config.batch_size / max(len(residual), 1)
                weight = torch.from_numpy(counts * share).to(vectors.device, torch.float32)
                network.used[level, : len(book)] = weight
                network.sums[level, : len(book)] = book * weight[:, None]
                residual -= found[nearest_centre(residual, found)]

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        codes, _ = self._quantised(checked(inputs))
        return codes

    def last_level_distances(self, inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        _, latent = self._quantised(checked(inputs))
        assert self.network is not None
        books = self.network.codebooks.detach().numpy()
        for level, book in enumerate(books[:-1]):
            latent = latent - book[codes[:, level]]
        return distances_to(latent, books[-1], self.codebook_sizes[-1])

    def rebuilt(self, codes: np.ndarray) -> np.ndarray:
        network = self.network
        assert network is not None
        with torch.no_grad():
            total = torch.zeros(len(codes), self.config.latent)
            for level, book in enumerate(network.codebooks):
                total += book[torch.from_numpy(codes[:, level].astype(np.int64))]
            found: np.ndarray = network.rebuilt(total).numpy()
        return found

    def tensors(self) -> dict[str, np.ndarray]:
        assert self.network is not None
        return {name: value.numpy() for name, value in self.network.state_dict().items()}

    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        network = self._new(len(tensors["centre"]), 0)
        network.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in tensors.items()})
        self.network = network.eval()

    def _new(self, dimensions: int, seed: int) -> RqVaeNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            size = self.codebook_sizes[0]
            return RqVaeNetwork(dimensions, len(self.codebook_sizes), size, self.config)

    def _quantised(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes and latent vectors, by the same steps for one item and for many."""
        assert self.network is not None
        codes, latent = [], []
        with torch.no_grad():
            for part in torch.from_numpy(vectors).split(_ITEMS_AT_ONCE):
                latent.append(self.network.latent(part))
                codes.append(self.network.quantised(latent[-1])[0])
        return torch.cat(codes).numpy().astype(np.int32), torch.cat(latent).numpy()

    def _job(self, vectors: Tensor, seed: int) -> str:
        digest = hashlib.sha256(np.ascontiguousarray(vectors.cpu().numpy()).tobytes())
        digest.update(repr((self.codebook_sizes, asdict(self.config), seed)).encode())
        return digest.hexdigest()


def _keep(
    path: Path, job: str, network: RqVaeNetwork, adam: torch.optim.Adam, losses: list[float]
) -> None:
    """Writes everything that the next epoch depends on, as one file, atomically."""
    tensors: dict[str, Tensor] = {f"network.{n}": v for n, v in network.state_dict().items()}
    for number, state in adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    # A state dict shares memory with the network, and files hold no views.
    copies = {name: value.detach().cpu().clone() for name, value in tensors.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(copies, temporary, metadata={"job": job})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _resume(
    path: Path, job: str, network: RqVaeNetwork, adam: torch.optim.Adam, losses: list[float]
) -> int:
    """Puts back what ``_keep`` wrote for the same job; the number of epochs done."""
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("job") != job:
                return 0
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be read (%s); training starts anew", path, error)
        return 0
    own = {n.removeprefix("network."): v for n, v in held.items() if n.startswith("network.")}
    network.load_state_dict(own)
    state: dict[int, dict[str, Any]] = {}
    for name, value in held.items():
        if name.startswith("adam."):
            _, number, part = name.split(".", 2)
            state.setdefault(int(number), {})[part] = value
    adam.load_state_dict({**adam.state_dict(), "state": state})
    losses.extend(held["losses"].tolist())
    log.info("training of the RQ-VAE continues after epoch %d", len(losses))
    return len(losses)
