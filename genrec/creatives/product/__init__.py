"""The product as the shop photographed it, before another background and never redrawn.

::

    cutout = cut_out(pixels)
    made = staged(cutout, painter, size=(1080, 700), box=(300, 90, 780, 640))
    made.locked.pixels, made.reason
"""

from genrec.creatives.product.cutout import cut_out
from genrec.creatives.product.defects import KINDS, Limits, defects
from genrec.creatives.product.parts import CutOut, Defect, Locked, Shadow, Staged, Try
from genrec.creatives.product.placing import lock
from genrec.creatives.product.scenes import draw_scene
from genrec.creatives.product.staging import staged

__all__ = [
    "KINDS",
    "CutOut",
    "Defect",
    "Limits",
    "Locked",
    "Shadow",
    "Staged",
    "Try",
    "cut_out",
    "defects",
    "draw_scene",
    "lock",
    "staged",
]
