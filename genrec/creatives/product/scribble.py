"""Rows of small signs in a background that look like writing. Image models draw such letters."""

from __future__ import annotations

import numpy as np

from genrec.creatives.colour import luminance
from genrec.creatives.product.edges import images

# A row of writing has at least so many signs of like height on one line.
_SIGNS = 5
_CONTRAST = 0.10


def letter_like_rows(pixels: np.ndarray, *, without: np.ndarray) -> int:
    """How many rows of signs a picture has outside of a mask; shapes (height, width, 3) and (…).

    Signs are small connected spots, darker or lighter than what is around them; a row is at least
    five of like height whose middles lie on one line, close to each other.
    """
    ndimage = images()
    light = np.sqrt(luminance(pixels))
    height = light.shape[0]
    around = ndimage.gaussian_filter(light, max(2.0, height / 40))
    rows = 0
    for spots in (light - around > _CONTRAST / 2, around - light > _CONTRAST / 2):
        labels, count = ndimage.label(spots & ~without)
        if not count:
            continue
        boxes = np.array(
            [
                (at[1].start, at[0].start, at[1].stop, at[0].stop)
                for at in ndimage.find_objects(labels)
            ]
        )
        rows += _rows(boxes, height)
    return rows


def _rows(boxes: np.ndarray, height: int) -> int:
    tall, wide = boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]
    sign = (tall >= max(4, 0.008 * height)) & (tall <= 0.12 * height)
    sign &= (wide <= 2.5 * tall) & (wide >= 0.12 * tall)
    boxes, tall = boxes[sign], tall[sign]
    order = np.argsort(boxes[:, 0], kind="stable")
    boxes, tall = boxes[order], tall[order]
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    used = np.zeros(len(boxes), bool)
    found = 0
    for first in range(len(boxes)):
        if used[first]:
            continue
        row = [first]
        for other in range(first + 1, len(boxes)):
            last = row[-1]
            if boxes[other, 0] - boxes[last, 2] > 1.6 * tall[last]:
                break
            alike = 0.55 < tall[other] / tall[last] < 1.8
            if alike and abs(middle[other] - middle[last]) < 0.45 * tall[last]:
                row.append(other)
        if len(row) >= _SIGNS:
            used[row] = True
            found += 1
    return found
