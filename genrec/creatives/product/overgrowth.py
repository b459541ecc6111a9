"""Did the background go on with the product: its colours, growing out of its outline?"""

from __future__ import annotations

import numpy as np

from genrec.creatives.colour import oklab
from genrec.creatives.product.edges import images
from genrec.creatives.product.parts import Locked

# Colours count as the product's within this distance in OKLab.
_ALIKE = 0.04
_CLUSTERS = 6
# Colours that fill this share of the far background are the scene's own, not the product's.
_COMMON = 0.08


def overgrown_share(locked: Locked) -> float:
    """The area that looks like the product's continuation, as a share of the product's own.

    Pixels of the background in one of the product's main colours, connected with its outline.
    A colour that the background has everywhere is none of the product's: that the product hardly
    stands out from such a background is another defect.
    """
    ndimage = images()
    mask = locked.product_mask | locked.feather_mask
    area = int(mask.sum())
    if not area:
        return 0.0
    step = max(1, int(np.sqrt(mask.size / 160_000)))
    small = mask[::step, ::step]
    background = oklab(locked.background[::step, ::step])
    product = oklab(locked.pixels[::step, ::step])[locked.product_mask[::step, ::step]]
    if not len(product) or small.all():
        return 0.0
    reach = max(3, round(0.9 * np.sqrt(small.sum())))
    distance = ndimage.distance_transform_edt(~small)
    far = distance > 0.5 * reach
    alike = np.zeros(small.shape, bool)
    for colour in _main_colours(product):
        near = np.sqrt(((background - colour) ** 2).sum(axis=2)) < _ALIKE
        if far.any() and near[far].mean() > _COMMON:
            continue
        alike |= near
    alike &= ~small
    # What grows touches the outline; a speck of like colour elsewhere does not matter.
    alike = ndimage.binary_opening(alike, iterations=1)
    seeds = alike & (distance <= 3) & _continues(locked, background, step)
    if not seeds.any():
        return 0.0
    labels, _ = ndimage.label(alike)
    grown = np.isin(labels, np.unique(labels[seeds]))
    return float(grown.sum() / small.sum())


def _continues(locked: Locked, background: np.ndarray, step: int) -> np.ndarray:
    """Where the background has the colour that the product has right across the outline."""
    core = locked.product_mask[::step, ::step]
    nearest = images().distance_transform_edt(~core, return_distances=False, return_indices=True)
    inside = oklab(locked.pixels[::step, ::step])[nearest[0], nearest[1]]
    return np.asarray(np.sqrt(((background - inside) ** 2).sum(axis=2)) < _ALIKE)


def _main_colours(product: np.ndarray) -> np.ndarray:
    """The colours that make up most of the product, by k-means from fixed starts."""
    order = np.argsort(product @ np.array([1.0, 0.7, 0.5], np.float32), kind="stable")
    starts = order[np.linspace(0, len(order) - 1, _CLUSTERS).astype(int)]
    centres = product[starts].copy()
    sample = product[:: max(1, len(product) // 6000)]
    for _ in range(12):
        owner = ((sample[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        for number in range(_CLUSTERS):
            if (owner == number).any():
                centres[number] = sample[owner == number].mean(axis=0)
    share = np.bincount(owner, minlength=_CLUSTERS) / len(sample)
    return centres[share > 0.04]
