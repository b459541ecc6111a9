"""Matting models of transformers, by hub name or folder: photo to cover of each pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genrec.encoders.loading import load_pretrained
from genrec.errors import ConfigError, InputError, MissingExtra


class MattingModel:
    """A model that says how much of each pixel is product.

    Serves models with one output map (BiRefNet, RMBG and their like, where their class comes with
    transformers or is registered with it) and semantic ones such as SegFormer, whose
    ``background`` label, or label 0, is taken as what is not product. Code from a hub is not run.

    Args:
        name: for ``CutOut.how``.
        background: number of the label that is not product.
    """

    def __init__(self, name: str, model: Any, processor: Any, *, background: int = 0) -> None:
        self.name, self.model, self.processor = name, model, processor
        self.background = background

    @staticmethod
    def load(name: str) -> MattingModel:
        """A model with its image processor.

        Raises:
            ConfigError: there is none of that name, or it is of another kind.
            MissingExtra: transformers is not installed.
        """
        try:
            from transformers import (
                AutoImageProcessor,
                AutoModelForImageSegmentation,
                AutoModelForSemanticSegmentation,
            )
        except ModuleNotFoundError as error:
            raise MissingExtra("transformers", "llm", "Matting models") from error
        problems = []
        for kind in (AutoModelForImageSegmentation, AutoModelForSemanticSegmentation):
            try:
                model = load_pretrained(kind, name, "The matting model").eval()
                processor = load_pretrained(AutoImageProcessor, name, "The matting model")
            except ConfigError as error:
                problems.append(str(error))
                continue
            labels: Mapping[int, str] = model.config.id2label or {}
            named = [number for number, label in labels.items() if label.lower() == "background"]
            # Not the path of a folder on this machine: it stands in notes.
            short = name.rstrip("/").rpartition("/")[2]
            return MattingModel(short, model, processor, background=named[0] if named else 0)
        raise ConfigError(f"'{name}' is no matting model that can be loaded: {problems[-1]}")

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Cover of each pixel, shape (height, width), uint8, for a photo (height, width, 3).

        Raises:
            InputError: the model's answer is no map.
        """
        import torch

        inputs = self.processor(images=pixels, return_tensors="pt")
        with torch.inference_mode():
            output = self.model(pixel_values=inputs["pixel_values"])
        maps = _last_map(output)
        if maps is None or maps.ndim != 4:
            raise InputError(f"{self.name} gave no map of the picture")
        maps = torch.nn.functional.interpolate(
            maps.float(), size=pixels.shape[:2], mode="bilinear", align_corners=False
        )[0]
        if maps.shape[0] == 1:
            cover = maps[0] if maps.min() >= 0 and maps.max() <= 1 else maps[0].sigmoid()
        else:
            cover = 1 - maps.softmax(dim=0)[self.background]
        return np.asarray((cover * 255).round().clamp(0, 255).byte().numpy())


def _last_map(output: Any) -> Any:
    """The finest map of an answer: ``logits``, or the last of a list as matting models give."""
    found = getattr(output, "logits", output)
    while isinstance(found, Sequence) and not hasattr(found, "ndim"):
        if not found:
            return None
        found = found[-1]
    return found if hasattr(found, "ndim") else None
