"""Pictures and words of the same items, brought together in one space by contrast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrec.data.catalog import Catalog
from genrec.data.picture_array import PictureArray
from genrec.encoders.towers import (
    MAX_TOKENS,
    SHAPES,
    clip_towers,
    learned_tokenizer,
    save_clip,
)
from genrec.training.augment import augment, to_inputs
from genrec.training.captions import Captions
from genrec.training.contrastive import (
    MemoryQueue,
    MomentumCopy,
    encode_in_chunks,
    info_nce,
    sigmoid_loss,
)
from genrec.training.fit import Batch, FitResult, Progress, fit
from genrec.training.numbered_rows import NumberedRows
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import ImageTextConfig

# Starts of the learned scale and bias, as in the papers of the two losses.
STARTS = {"info_nce": (1 / 0.07, 0.0), "sigmoid": (10.0, -10.0)}
MAX_SCALE = 100.0
# (picture vectors, title vectors), of the same items row by row -> higher is better.
Validate = Callable[[np.ndarray, np.ndarray], float]


class ImageTextModel(nn.Module):
    """Two towers, and what the contrast of their vectors needs beside them.

    Args:
        towers: a model of transformers with ``get_image_features`` and ``get_text_features``.
        config: which loss, queue and means.
    """

    def __init__(self, towers: Any, config: ImageTextConfig) -> None:
        super().__init__()
        self.towers = towers
        # Not "config": the Trainer would take it for that of a model of transformers.
        self.options = config
        scale, bias = STARTS[config.loss]
        with torch.no_grad():
            towers.logit_scale.fill_(float(np.log(scale)))
        # CLIP has no bias; that of the sigmoid loss is needed for training only.
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad=config.loss == "sigmoid")
        dimensions = towers.config.projection_dim
        self.picture_queue = MemoryQueue(config.queue, dimensions) if config.queue else None
        self.text_queue = MemoryQueue(config.queue, dimensions) if config.queue else None
        self.slow = MomentumCopy(towers, config.momentum) if config.momentum else None
        self.average = MomentumCopy(towers, config.average) if config.average else None

    def followed(self) -> None:
        """Takes the copies a step along; called once for each step of the optimiser."""
        for copy in (self.slow, self.average):
            if copy is not None:
                copy.follow(self.towers)

    @property
    def kept(self) -> Any:
        """The towers that are kept: the running mean of the weights where there is one."""
        return self.towers if self.average is None else self.average.model


def picture_vectors(towers: Any, pixels: Tensor) -> Tensor:
    """Vectors of pictures, shape (pictures, dimensions), length 1, float32."""
    return _unit(towers.get_image_features(pixel_values=pixels))


def text_vectors(towers: Any, tokens: Tensor, mask: Tensor) -> Tensor:
    """Vectors of texts, shape (texts, dimensions), length 1, float32."""
    return _unit(towers.get_text_features(input_ids=tokens, attention_mask=mask))


def _unit(found: Any) -> Tensor:
    vectors = found if isinstance(found, Tensor) else found.pooler_output
    return functional.normalize(vectors.float(), dim=-1)


def image_text_loss(model: ImageTextModel, batch: Batch) -> Tensor:
    """The mean of both directions: each text among the pictures, each picture among the texts."""
    config = model.options
    if model.training:
        model.followed()

    def encoded(towers: Any, chunk: int) -> tuple[Tensor, Tensor]:
        return (
            encode_in_chunks(
                lambda pixels: picture_vectors(towers, pixels), [batch["pixels"]], chunk=chunk
            ),
            encode_in_chunks(
                lambda tokens, mask: text_vectors(towers, tokens, mask),
                [batch["tokens"], batch["mask"]],
                chunk=chunk,
            ),
        )

    pictures, texts = encoded(model.towers, config.chunk)
    picture_keys, text_keys = pictures, texts
    if model.slow is not None:
        with torch.no_grad():
            picture_keys, text_keys = encoded(model.slow.model, 0)
    # Cosines times a scale of up to 100 need more digits than bfloat16 has.
    with torch.autocast(batch["pixels"].device.type, enabled=False):
        return (
            _one_way(model, texts, picture_keys, batch["groups"], model.picture_queue)
            + _one_way(model, pictures, text_keys, batch["groups"], model.text_queue)
        ) / 2


def _one_way(
    model: ImageTextModel, queries: Tensor, keys: Tensor, groups: Tensor, queue: MemoryQueue | None
) -> Tensor:
    all_keys, key_groups = keys, groups
    if queue is not None:
        all_keys, key_groups = queue.with_past(keys, groups)
        if model.training:
            queue.push(keys, groups)
    scale = model.towers.logit_scale.exp().clamp(max=MAX_SCALE)
    if model.options.loss == "sigmoid":
        return sigmoid_loss(
            queries,
            all_keys,
            scale=scale,
            bias=model.bias,
            query_groups=groups,
            key_groups=key_groups,
        )
    return info_nce(
        queries,
        all_keys,
        scale=scale,
        query_groups=groups,
        key_groups=key_groups,
        smoothing=model.options.smoothing,
    )


@dataclass
class ImageTextPairs(NumberedRows):
    """Training rows: pictures by number, with captions drawn anew each epoch.

    Every draw depends on the seed, the epoch and the rows of the batch alone, so that a resumed
    run sees what the whole one would have.

    Attributes:
        pixels: shape (pictures, 3, side, side), uint8.
        rows: whose pictures they are, positions in the captions' catalogue.
    """

    pixels: np.ndarray
    rows: np.ndarray
    captions: Captions
    tokenizer: Any
    strength: float
    seed: int

    def __len__(self) -> int:
        return len(self.pixels)

    def collate(self, batch: Sequence[tuple[int, int]]) -> Batch:
        """Pixels, tokens, mask and groups of one step; equal captions are one group."""
        numbers, generator = self.drawn(batch)
        said = [self.captions.draw(int(self.rows[number]), generator) for number in numbers]
        pixels = torch.from_numpy(self.pixels[numbers])
        return {
            "pixels": augment(pixels, strength=self.strength, generator=generator),
            "groups": torch.tensor([_group(caption) for caption in said]),
            **tokenised(self.tokenizer, said),
        }


def tokenised(tokenizer: Any, texts: Sequence[str]) -> Batch:
    """Texts as ``tokens`` and ``mask``, each of shape (texts, longest)."""
    found = tokenizer(
        list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    )
    return {"tokens": found["input_ids"], "mask": found["attention_mask"]}


def _group(text: str) -> int:
    digest = hashlib.blake2b(text.casefold().encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


@dataclass(frozen=True)
class TrainedTowers:
    """Two towers as training left them.

    Attributes:
        towers: a ``CLIPModel``.
        tokenizer: of the text tower.
        side: pixels of the square that pictures are squeezed into.
        fitted: what the training did.
    """

    towers: Any
    tokenizer: Any
    side: int
    fitted: FitResult

    def write(self, folder: Path) -> None:
        """Writes a folder that ``AutoModel`` and ``AutoProcessor`` open."""
        save_clip(self.towers, self.tokenizer, self.side, folder)


def train_image_text(
    catalog: Catalog,
    pictures: PictureArray,
    *,
    config: ImageTextConfig,
    fit_config: FitConfig,
    folder: Path,
    validation: np.ndarray | None = None,
    validate: Validate | None = None,
    progress: Progress | None = None,
) -> TrainedTowers:
    """Towers trained on the pictures and captions of a catalogue's items.

    Args:
        pictures: of all items that are trained on or looked at during training.
        folder: of checkpoints.
        validation: positions that are left out of the training and given to ``validate``.
        validate: how well vectors of pictures and titles of those items fit.
        progress: called after every step with step, steps and the last loss.
    """
    looked_at = np.isin(pictures.rows, [] if validation is None else validation)
    captions = Captions(catalog, config.fields, title_share=config.title_share)
    tokenizer = learned_tokenizer(captions.everything(), config.vocabulary)
    towers = clip_towers(
        SHAPES[config.tower],
        tokenizer,
        side=config.side,
        patch=config.patch,
        seed=fit_config.seed,
    )
    model = ImageTextModel(towers, config)
    pairs = ImageTextPairs(
        pictures.pixels[~looked_at],
        pictures.rows[~looked_at],
        captions,
        tokenizer,
        strength=config.augment,
        seed=fit_config.seed,
    )
    held = pictures.pixels[looked_at]
    titles = [captions.titles[row] for row in pictures.rows[looked_at]]

    def look() -> float:
        assert validate is not None
        return validate(*vectors_of(model.kept, tokenizer, held, titles))

    fitted = fit(
        model,
        pairs,
        collate=pairs.collate,
        loss=image_text_loss,
        config=fit_config,
        folder=folder,
        validate=look if validate is not None and looked_at.any() else None,
        progress=progress,
        job=f"image-text {catalog.fingerprint} {_digest(pairs)} {replace(config, probes=[])}",
    )
    model.followed()
    return TrainedTowers(model.kept, tokenizer, config.side, fitted)


@torch.no_grad()
def vectors_of(
    towers: Any, tokenizer: Any, pixels: np.ndarray, texts: Sequence[str], *, batch: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of pictures, given as bytes, and of texts, shape (items, dimensions) each."""
    towers.eval()
    device = next(towers.parameters()).device
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, len(pixels), batch):
        part = torch.from_numpy(pixels[start : start + batch])
        found[0].append(picture_vectors(towers, to_inputs(part).to(device)))
    for start in range(0, len(texts), batch):
        words = tokenised(tokenizer, texts[start : start + batch])
        found[1].append(text_vectors(towers, *(value.to(device) for value in words.values())))
    return torch.cat(found[0]).cpu().numpy(), torch.cat(found[1]).cpu().numpy()


def _digest(pairs: ImageTextPairs) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(pairs.pixels).tobytes())
    digest.update(pairs.rows.tobytes())
    return digest.hexdigest()[:16]
