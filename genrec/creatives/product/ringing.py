"""What a JPEG file leaves around strong edges, smoothed away, so that ground is seen as ground.

Such files keep few of a block's fine waves, so beside a strong edge the ground swings around its
own colour. The swing goes both ways: its mean is the ground, as a pale part's mean is that part.
What has a colour of its own for fewer than about three pixels there is taken for a swing too.
"""

from __future__ import annotations

import numpy as np

from genrec.creatives.product.edges import images

# Colour is kept in blocks of 16 pixels; no swing goes beyond its block.
_REACH = 16
# Differences in OKLab: an edge is strong from here; swings are weaker than this share of it.
_STRONG, _SHARE = 0.1, 0.3
# Swings of pictures that were never squeezed, and how far the mean may still be off, as a share
# of the strongest difference near.
_STILL, _REST = 0.0006, 0.065
_WIDTH = 3.0


def calmed(away: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences from the ground without the swings beside strong edges.

    Args:
        away: each pixel's colour less the ground's, shape (height, width, 3), OKLab.

    Returns:
        The differences, those of weak pixels near a strong edge smoothed among themselves; how
        large a difference may be and still be a swing, shape (height, width), 0 where nothing
        swings; and where the strong pixels are, shape (height, width).
    """
    ndimage = images()
    apart = np.sqrt((away**2).sum(axis=2))
    strongest = ndimage.maximum_filter(apart, 2 * _REACH + 1)
    near = strongest > _STRONG
    strong = near & (apart > _SHARE * strongest)
    # Pixels that an edge crosses are part product; they would pull the mean.
    weak = near & ~ndimage.binary_dilation(strong, np.ones((3, 3), bool), iterations=2)
    rest = np.zeros(apart.shape, np.float32)
    if not weak.any():
        return away, rest, strong
    weight = ndimage.gaussian_filter(weak.astype(np.float32), _WIDTH)
    mean = np.stack(
        [ndimage.gaussian_filter(away[..., one] * weak, _WIDTH) for one in range(3)], axis=2
    ) / np.maximum(weight, 1e-6)[..., None]  # fmt: skip
    swing = away - ndimage.gaussian_filter(away, (1.0, 1.0, 0))
    if float(np.quantile(np.sqrt((swing[weak] ** 2).sum(axis=1)), 0.8)) < _STILL:
        return away, rest, strong
    swings = near & ~strong & (weight > 0.02)
    rest[swings] = _REST * strongest[swings]
    return np.where(swings[..., None], mean, away).astype(np.float32), rest, strong
