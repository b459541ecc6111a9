"""Items to vectors: text, and room for pictures and both together. Loads no model by itself."""

from genrec.encoders.base import Encoder, ItemVectors
from genrec.encoders.options import TextEncoderConfig
from genrec.encoders.text import TextEncoder

__all__ = ["Encoder", "ItemVectors", "TextEncoder", "TextEncoderConfig"]
