"""Text, price and logo as graphics around a picture: nothing overflows, everything can be read.

::

    layout = Layout.load("square", seed=7)
    poster = lay_out(Content(headline="Alba linen lamp", picture=pixels, price="$48.00"), layout)
    poster.save("ad.png")
"""

from genrec.creatives.layout.composing import lay_out
from genrec.creatives.layout.content import Check, Content, PlacedText, Poster
from genrec.creatives.layout.fonts import FontBook
from genrec.creatives.layout.layout import Layout

__all__ = ["Check", "Content", "FontBook", "Layout", "PlacedText", "Poster", "lay_out"]
