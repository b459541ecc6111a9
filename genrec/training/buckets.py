"""Pictures of like shape together: batches are taken from one bucket each, nothing is squeezed.

Knows pixels and numbers; knows no model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Size = tuple[int, int]


def bucket_sizes(resolution: int, *, step: int) -> list[Size]:
    """Widths and heights whose longer side is ``resolution``, up to twice the shorter one."""
    shorter = [side for side in range(step, resolution + 1, step) if 2 * side >= resolution]
    sizes = {(side, resolution) for side in shorter} | {(resolution, side) for side in shorter}
    return sorted(sizes, key=lambda size: size[0] / size[1])


def nearest_bucket(size: Size, sizes: Sequence[Size]) -> Size:
    """The bucket whose shape is nearest to a picture's."""
    shape = math.log(size[0] / size[1])
    return min(sizes, key=lambda bucket: abs(math.log(bucket[0] / bucket[1]) - shape))


def fitted(picture: Image, size: Size) -> np.ndarray:
    """A picture scaled to fill a bucket and cut evenly on both sides, (3, height, width) uint8."""
    from PIL import Image, ImageOps

    filled = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(filled).transpose(2, 0, 1))


@dataclass
class BucketBatches:
    """Training rows that are whole batches, each of one bucket, in a new order each epoch.

    The order depends on the seed and the epoch's number alone, so that a resumed run goes on as the
    whole one would have. A bucket's last batch is filled up from its first rows.

    Attributes:
        buckets: the bucket of each row.
        batch_size: rows of a batch.
        seed: of the order.
        epoch: told by the data loader.
    """

    buckets: np.ndarray
    batch_size: int
    seed: int
    epoch: int = 0

    def __post_init__(self) -> None:
        self._batches = [
            (int(bucket), start)
            for bucket, count in zip(*np.unique(self.buckets, return_counts=True), strict=True)
            for start in range(0, int(count), self.batch_size)
        ]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> tuple[int, int]:
        return self.epoch, number

    def set_epoch(self, epoch: int) -> None:
        """The batches of an epoch are a function of its number."""
        self.epoch = epoch

    def rows_of(self, batch: tuple[int, int]) -> tuple[np.ndarray, np.random.Generator]:
        """The rows of a batch, and what decides how they vary."""
        epoch, number = batch
        bucket, start = self._batches[number]
        rows = np.flatnonzero(self.buckets == bucket)
        order = np.random.default_rng([self.seed, epoch, bucket]).permutation(rows)
        wrapped = np.arange(start, start + self.batch_size) % len(order)
        return order[wrapped], np.random.default_rng([self.seed, epoch, 1 + number])
