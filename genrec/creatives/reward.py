"""A model of clicks that ranks candidates for one place, with how sure it is.

Scores are log odds of a click and mean something only between candidates for the same place: what
the model learned from are differences within randomised tests. It knows words, not readers, and
not whether a text is true; that is the guard's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.creatives.cues import CUES, cues_of, withheld, words_of
from genrec.encoders.options import TextEncoderConfig
from genrec.encoders.text import TextEncoder
from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.workspace import content_key, open_artefact, write_artefact

KIND = "reward"
_DRAWS = 4000
_TENSORS = ("mean", "scale", "weights", "factor")


class TextVectors(Protocol):
    """What makes vectors of texts; ``TextEncoder`` does."""

    @property
    def fingerprint(self) -> str: ...

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate.

    Attributes:
        text: as it was given.
        place: its position among the candidates as given, from 0.
        score: log odds of a click against the mean of the candidates.
        deviation: standard deviation of the score: what the model has not learned, and how much
            texts differ for reasons that it cannot see.
        chance_best: that no other candidate is truly clicked more.
        withheld: cues that promise information without giving it (``cues.withheld``).
        grounded: part of its words that the context has; ``None`` without a context.
    """

    text: str
    place: int
    score: float
    deviation: float
    chance_best: float
    withheld: int
    grounded: float | None


class RewardModel:
    """Log odds of clicks from a text's vector, its commonest words and its cues.

    Args:
        encoder: of the vectors.
        words: the words that are features of their own.
        mean, scale: of the features in training, shape (features,): vectors, then words, cues.
        weights: log odds of one scaled unit, shape (features,).
        factor: F of the weights' covariance F F', shape (features, features).
        spread: variance of true log odds around the score.
        about: how it was trained; JSON values.
    """

    def __init__(
        self,
        encoder: TextVectors,
        *,
        words: Sequence[str],
        mean: np.ndarray,
        scale: np.ndarray,
        weights: np.ndarray,
        factor: np.ndarray,
        spread: float,
        about: dict[str, Any],
    ) -> None:
        self.encoder, self.words, self.spread = encoder, tuple(words), spread
        self.mean, self.scale, self.weights, self.factor = mean, scale, weights, factor
        self.about = about

    def features(self, texts: Sequence[str]) -> np.ndarray:
        """What the model sees of texts, scaled, shape (texts, features)."""
        raw = raw_features(texts, self.encoder.encode_texts(texts), self.words)
        return (raw - self.mean) / self.scale

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Log odds of a click against the average text of the training tests, shape (texts,)."""
        return self.features(texts) @ self.weights

    def chance_better(self, texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
        """That each text is truly clicked more than the other beside it, shape (texts,)."""
        difference = self.features(texts) - self.features(others)
        return normal_below(difference @ self.weights / self._deviation_of(difference))

    def _deviation_of(self, difference: np.ndarray) -> np.ndarray:
        learned = ((difference @ self.factor) ** 2).sum(axis=1)
        return np.sqrt(np.maximum(learned + 2 * self.spread, 1e-12))

    def preferences(self) -> dict[str, float]:
        """What the model likes, the most liked first: log odds of a word's presence, and of one
        standard deviation of a cue (in brackets).

        Read them before the model ranks anything: it has learned what its readers clicked. What
        vectors add cannot be named and is not here.
        """
        names = [*self.words, *(f"({cue})" for cue in CUES)]
        weights = self.weights[len(self.weights) - len(names) :].tolist()
        return dict(sorted(zip(names, weights, strict=True), key=lambda one: -one[1]))

    def rank(
        self, candidates: Sequence[str], context: str = "", *, restraint: float = 0.0
    ) -> list[Ranked]:
        """Candidates for one place, the best first; equal ones in the order given.

        Args:
            candidates: texts of which one is to be shown.
            context: what they are about, such as the facts of an item: with it, each answer says
                how much of its wording stands there.
            restraint: log odds taken from a score for each cue of withheld information. A click
                model likes such texts because readers clicked them; 0 lets it.

        Raises:
            InputError: there is no candidate, or one is empty.
        """
        if not candidates:
            raise InputError("There is no candidate to rank. Give at least one text.")
        empty = [f"candidate {n}: empty" for n, text in enumerate(candidates) if not text.strip()]
        if empty:
            raise InputError("Candidates without text cannot be ranked.", empty)
        if not 0 <= restraint < np.inf:
            raise ConfigError(f"restraint is {restraint}; it must be a number from 0.")
        teasing = np.array([withheld(text) for text in candidates])
        features = self.features([" ".join(text.split()) for text in candidates])
        around = features - features.mean(axis=0)
        penalties = restraint * (teasing - teasing.mean())
        centre = around @ self.weights - penalties
        covariance = self._covariance(around)
        best = _chances(centre, covariance)
        about = set(words_of(context))
        found = [
            Ranked(
                text,
                place,
                float(centre[place]),
                float(np.sqrt(max(covariance[place, place], 0.0))),
                float(best[place]),
                int(teasing[place]),
                _grounded(text, about) if context else None,
            )
            for place, text in enumerate(candidates)
        ]
        return sorted(found, key=lambda one: (-one.score, one.place))

    def _covariance(self, around: np.ndarray) -> np.ndarray:
        """Of scores against their mean: of the weights, and of what no feature says."""
        learned = around @ self.factor
        count = len(around)
        own = self.spread * (np.eye(count) - 1 / count)
        return learned @ learned.T + own

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides a score."""
        tensors = [getattr(self, name).astype(np.float32).tobytes().hex() for name in _TENSORS]
        return content_key(self.encoder.fingerprint, self.words, self.spread, tensors)

    def save(self, folder: Path) -> None:
        """Writes ``reward.safetensors`` and ``reward.json``, as a whole or not at all."""
        card = {
            "encoder": self.encoder.fingerprint,
            "words": self.words,
            "cues": list(CUES),
            "spread": self.spread,
            "about": self.about,
        }
        with write_artefact(folder, KIND, **self.about) as inside:
            tensors = {
                name: np.ascontiguousarray(getattr(self, name), np.float32) for name in _TENSORS
            }
            save_file(tensors, inside / "reward.safetensors")
            (inside / "reward.json").write_text(json.dumps(card, indent=1, ensure_ascii=False))

    @staticmethod
    def open(folder: Path, encoder: TextVectors | None = None) -> RewardModel:
        """A saved model.

        Args:
            encoder: the one it was trained with; by default it is loaded by its options.

        Raises:
            ArtefactError: it is missing, damaged, or of another encoder or version of the cues.
        """
        open_artefact(folder, KIND)
        try:
            card = json.loads((folder / "reward.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "reward.safetensors")
            made_with, cues = card["encoder"], card["cues"]
            options = TextEncoderConfig(**card["about"]["config"]["encode"])
            encoder = encoder or TextEncoder.from_config(options)
            found = {name: tensors[name].astype(np.float64) for name in _TENSORS}
            model = RewardModel(
                encoder,
                words=card["words"],
                spread=float(card["spread"]),
                about=card["about"],
                **found,
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ArtefactError(
                f"{folder} holds no readable click model. Train it anew."
            ) from error
        if cues != list(CUES):
            raise ArtefactError(
                f"{folder} was trained with other cues than are counted now. Train it anew."
            )
        if made_with != encoder.fingerprint:
            raise ArtefactError(
                f"{folder} was trained with encoder {made_with}, and this one is "
                f"{encoder.fingerprint}. Use the same model, or train anew."
            )
        return model


def raw_features(texts: Sequence[str], vectors: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """Vectors, presence of words, and cues side by side, shape (texts, features), float64."""
    place = {word: column for column, word in enumerate(words)}
    present = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        present[row, [place[word] for word in words_of(text) if word in place]] = 1
    return np.hstack([vectors.astype(np.float64), present, cues_of(texts)])


def normal_below(values: np.ndarray) -> np.ndarray:
    """The normal distribution function, by Abramowitz and Stegun 7.1.26; error below 1e-7."""
    x = np.abs(values) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * x)
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    upper = series * np.exp(-x * x) / 2
    return np.where(values > 0, 1 - upper, upper)


def _chances(centre: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """How often each is the best of draws; the same draws for the same candidates."""
    if len(centre) == 1:
        return np.ones(1)
    values, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(values, 0))
    draws = np.random.default_rng(0).normal(size=(_DRAWS, len(centre)))
    best = (centre + draws @ root.T).argmax(axis=1)
    return np.bincount(best, minlength=len(centre)) / _DRAWS


def _grounded(text: str, about: set[str]) -> float:
    # Short words are grammar more often than content.
    content = [word for word in words_of(text) if len(word) > 3]
    return sum(word in about for word in content) / len(content) if content else 1.0
