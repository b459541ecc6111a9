"""Image encoders: any vision tower of transformers, alone or with a text tower beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.data.pictures import open_picture
from genrec.encoders.loading import load_pretrained, need
from genrec.encoders.media_encoder import MediaEncoder, Prepared, pooled
from genrec.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageEncoder(MediaEncoder):
    """Vectors of items' pictures.

    Args:
        model: a hub name or a folder: CLIP, SigLIP and others of two towers (the picture's vector
            in the common space), ViT, DINOv2, ViT-MAE, ConvNeXt, ResNet, … (pooled).
        options: of ``MediaEncoderConfig``.
    """

    column = "image"

    @property
    def reads_text(self) -> bool:
        """Whether texts have vectors in the same space."""
        return hasattr(self.model, "get_text_features")

    def sample(self) -> Prepared:
        from PIL import Image

        return self.pixels(Image.new("RGB", (64, 64), "white"))

    def prepare(self, content: bytes) -> Prepared:
        return self.pixels(open_picture(content, side=self._side))

    def forward(self, batch: dict[str, Any]) -> Any:
        if hasattr(self.model, "get_image_features"):
            found = self.model.get_image_features(**batch)
            return found if hasattr(found, "shape") else pooled(found)
        return pooled(self.model(**batch))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts in the pictures' space, shape (texts, dimensions), float32.

        Raises:
            ConfigError: the model has no text tower.
        """
        import torch

        if not self.reads_text:
            raise ConfigError(
                f"The image encoder '{self.name}' has no text tower, so that words cannot be "
                "compared with its pictures. Choose a model of the kind of CLIP or SigLIP."
            )
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        size = self.config.batch_size
        for start in range(0, len(texts), size):
            inputs = self._text_tokenizer(
                list(texts[start : start + size]),
                padding=self._padding,
                truncation=True,
                max_length=self.model.config.text_config.max_position_embeddings,
                return_tensors="pt",
            ).to(next(self.model.parameters()).device)
            with torch.inference_mode():
                found = self.model.get_text_features(**inputs)
            found = found if hasattr(found, "shape") else pooled(found)
            vectors[start : start + size] = found.float().cpu().numpy()
        if self.config.normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def pixels(self, picture: Image) -> Prepared:
        """A picture as the model's inputs, without a batch dimension."""
        found = self._processor(images=picture, return_tensors="np")
        return {key: np.asarray(value)[0] for key, value in found.items()}

    @cached_property
    def model(self) -> Any:
        need(
            "An image encoder",
            ("torch", "torch", "llm"),
            ("transformers", "transformers", "llm"),
            ("PIL", "pillow", "images"),
        )
        import torch
        from transformers import AutoModel

        model = load_pretrained(AutoModel, self.config.model, "The image encoder")
        if hasattr(model.config, "mask_ratio"):
            # A masked autoencoder sees the whole picture when it is no longer trained.
            model.config.mask_ratio = 0.0
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return model.to(device, self.dtype).eval()

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoImageProcessor

        return load_pretrained(
            AutoImageProcessor, self.config.model, "The image encoder", backend="pil"
        )

    @cached_property
    def _text_tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return load_pretrained(AutoTokenizer, self.config.model, "The text tower of")

    @property
    def _padding(self) -> str:
        # SigLIP pools at its last position and was trained on texts padded to full length.
        return "max_length" if "siglip" in self.model.config.model_type else "longest"

    @property
    def _side(self) -> int:
        size = getattr(self._processor, "size", None) or {}
        return max((int(value) for value in dict(size).values() if value), default=0)
