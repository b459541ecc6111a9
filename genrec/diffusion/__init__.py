"""Pictures from diffusion models, many people's in one batch. Loads no model by itself."""

from genrec.diffusion.options import DiffusionOptions
from genrec.diffusion.picture import Picture, PictureJob

__all__ = ["DiffusionOptions", "Picture", "PictureJob"]
