"""LLMs that see: which class loads them, what their tower says of a picture, how it is pooled.

Two kinds. Of a Llava, tokens are taken from the tower, so that the projector behind it can be
trained; of any other (Qwen-VL, SmolVLM, Gemma 3, …) from ``get_image_features``, projected by the
model itself. Knows pictures' tokens, not items.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from genrec.data.pictures import open_picture
from genrec.encoders.loading import load_pretrained, weights_hash
from genrec.encoders.media_encoder import MediaEncoder, Prepared
from genrec.errors import ConfigError


def model_class(name: str | Path) -> Any:
    """The Auto class that loads an LLM: one that sees, if its configuration has a tower."""
    config = AutoConfig.from_pretrained(name)
    return AutoModelForImageTextToText if sees(config) else AutoModelForCausalLM


def sees(config: Any) -> bool:
    """Whether a model of this configuration takes pictures."""
    return getattr(config, "vision_config", None) is not None


def projector(model: Any) -> Any | None:
    """The part of a Llava between tower and LLM, wrapped by peft or not; else ``None``."""
    if model.config.model_type != "llava":
        return None
    return model.model.multi_modal_projector


class PictureTokenEncoder(MediaEncoder):
    """So many tokens for each picture, side by side in one vector; kept like any vector.

    Args:
        model: a transformers model that sees, not wrapped by peft.
        name: its folder or name on the hub.
        tokens: for each picture.
        cache: folder of vectors made before; ``None`` is the user's cache.

    Raises:
        ConfigError: the model does not see.
    """

    column = "image"

    def __init__(self, model: Any, name: str, tokens: int, *, cache: Path | None = None) -> None:
        if not sees(model.config):
            raise ConfigError(
                f"llm.pictures is {tokens}, but the LLM '{name}' does not see. Name one that does, "
                "or join a text LLM and a tower: genrec run pretrain/projector"
            )
        super().__init__(name, cache=cache, normalise=False)
        self._model, self.tokens = model, tokens

    @property
    def model(self) -> Any:
        return self._model

    @cached_property
    def dtype(self) -> Any:
        # What a kept vector is must not depend on how the LLM of the day is held.
        return torch.float32

    def weights(self) -> str:
        # What the LLM itself says, and a projector that learns, have no part in a vector.
        tensors = _seeing(self._model).state_dict()
        if projector(self._model) is None:
            words = id(self._model.get_decoder())
            inner = self._model.model
            own = {name: module for name, module in inner.named_children() if id(module) != words}
            tensors = nn.ModuleDict(own).state_dict()
        return weights_hash(tensors)

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "tokens": self.tokens}

    def sample(self) -> Prepared:
        from PIL import Image

        return self._pixels(Image.new("RGB", (64, 64), "white"))

    def prepare(self, content: bytes) -> Prepared:
        return self._pixels(open_picture(content))

    def forward(self, batch: dict[str, Any]) -> Any:
        own = next(_seeing(self._model).parameters()).dtype
        batch = {k: v.to(own) if v.is_floating_point() else v for k, v in batch.items()}
        if "image_grid_thw" in batch:
            # Models of the kind of Qwen-VL take the patches of all pictures in one row.
            batch["pixel_values"] = batch["pixel_values"].flatten(0, 1)
        return pooled_tokens(self._found(batch), self.tokens).flatten(1)

    def _found(self, batch: dict[str, Any]) -> Tensor:
        """Tokens of each picture, shape (pictures, tokens, width)."""
        if projector(self._model) is None:
            found = self._model.get_image_features(**batch, return_dict=True)
            found = getattr(found, "pooler_output", found)
            # Pictures of one size have as many tokens each.
            return found if isinstance(found, Tensor) else torch.stack(list(found))
        config = self._model.config
        states = self._model.model.vision_tower(**batch, output_hidden_states=True).hidden_states[
            config.vision_feature_layer
        ]
        return states[:, 1:] if config.vision_feature_select_strategy == "default" else states

    def _pixels(self, picture: Any) -> Prepared:
        found = self._processor(images=picture, return_tensors="np")
        # The patches of one picture already lack a batch dimension where there is a grid.
        whole = {"pixel_values"} if "image_grid_thw" in found else set()
        return {
            key: np.asarray(value if key in whole else value[0]) for key, value in found.items()
        }

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoImageProcessor

        processor = load_pretrained(
            AutoImageProcessor, self.config.model, "The image processor of", backend="pil"
        )
        if hasattr(processor, "do_image_splitting"):
            # Tiles of a large picture are for reading small print in it.
            processor.do_image_splitting = False
        return processor


def _seeing(model: Any) -> Any:
    inner = model.model
    names = ("vision_tower", "visual", "vision_model")
    return next((getattr(inner, name) for name in names if hasattr(inner, name)), inner)


def pooled_tokens(tokens: Tensor, count: int) -> Tensor:
    """So many tokens for each picture, shape (pictures, count, width).

    Means over equal parts of the picture where both numbers are squares, else over equal stretches
    of the row of tokens.
    """
    pictures, found, width = tokens.shape
    side, wanted = round(found**0.5), round(count**0.5)
    if side * side == found and wanted * wanted == count:
        grid = tokens.mT.reshape(pictures, width, side, side).float()
        return functional.adaptive_avg_pool2d(grid, wanted).flatten(2).mT.to(tokens.dtype)
    return functional.adaptive_avg_pool1d(tokens.mT.float(), count).mT.to(tokens.dtype)
