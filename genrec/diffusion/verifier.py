"""How well a picture fits what was asked for, so that the best of several attempts can be kept.

More attempts at one picture and a model that reads them find what more denoising steps do not
(N. Ma et al., "Inference-time scaling for diffusion models beyond scaling denoising steps", 2025,
arXiv:2501.09732). Here linear models read pictures by their palette vectors, and say which value of
each detail a picture shows: which colour, which pattern. They know no diffusion model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.diffusion.picture import PictureJob
from genrec.encoders.palette import DIMENSIONS, palette_vector
from genrec.errors import ArtefactError, InputError
from genrec.workspace import storage_errors

FOLDER = "verifier"
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
# Of the least squares that read tastes, for each picture.
PENALTY = 1e-3


@dataclass(frozen=True, eq=False)
class Verifier:
    """Reads details off pictures.

    Attributes:
        values: of each detail, such as ``{"colour": ("blue", "red")}``.
        mean, spread: of unit palette vectors, shape (81,), float32.
        weights: of each detail, shape (values, 82), float32; the last column is added.
        shares: the same, by which a taste is read: least squares, so that what they say of a mean
            is the mean of what they say of each.
    """

    values: Mapping[str, tuple[str, ...]]
    mean: np.ndarray
    spread: np.ndarray
    weights: Mapping[str, np.ndarray]
    shares: Mapping[str, np.ndarray]

    @staticmethod
    def fit(
        pictures: Sequence[np.ndarray],
        details: Mapping[str, Sequence[str]],
        *,
        vectors: np.ndarray | None = None,
        vector_details: Mapping[str, Sequence[str]] | None = None,
    ) -> Verifier:
        """Learns from pictures as the model's own decoder leaves them.

        Args:
            pictures: each (height, width, 3), uint8.
            details: of each picture its value, by the detail's name; empty says nothing of it.
            vectors: palette vectors of the items' own pictures, which tastes are means of, shape
                (items, 81); by default those of ``pictures``.
            vector_details: the same as ``details`` of each vector; of a detail of
                which it has less than two values, the pictures say what it looks like.

        Raises:
            InputError: no detail has two values that can be told apart.
        """
        read = _unit(np.stack([palette_vector(pixels) for pixels in pictures]))
        mean, spread = read.mean(axis=0), read.std(axis=0)
        # A number in which nearly nothing differs is not blown up.
        spread = np.maximum(spread, max(0.1 * float(spread.max()), 1e-6))
        read = (read - mean) / spread
        chosen = read if vectors is None else (_unit(vectors) - mean) / spread
        values, weights, shares = {}, {}, {}
        for name, said in details.items():
            if len(set(said) - {""}) < 2:
                continue
            values[name], weights[name] = _classes(read, said)
            shown = said if vector_details is None else vector_details.get(name, ())
            # Where too little is known of what tastes are means of, the pictures must do.
            told = len(set(shown) & set(values[name])) > 1
            own = (chosen, shown) if told else (read, said)
            shares[name] = _shares(*own, values[name])
        if not values:
            raise InputError(
                "There is nothing to tell pictures apart by: no detail has two values."
            )
        mean, spread = mean.astype(np.float32), spread.astype(np.float32)
        return Verifier(values, mean, spread, weights, shares)

    def scores(self, pixels: np.ndarray, job: PictureJob) -> np.ndarray:
        """How surely a picture is what was asked for, by detail, 0 to 1, shape (details,).

        Of a detail that the prompt names, the probability that the picture shows it. Of others, the
        liking for what it shows beside that for what is liked most; 1 without a taste, or with one
        that is of another encoder's vectors and not read here.
        """
        words = job.personal_prompt or job.prompt
        found = []
        seen = self._read(palette_vector(pixels))
        liked = None
        if job.taste is not None and job.intensity and job.taste.shape == self.mean.shape:
            liked = self._liked(job.taste)
        for name in self.values:
            named = [place for place, one in enumerate(self._patterns[name]) if one.search(words)]
            if len(named) == 1:
                found.append(float(seen[name][named[0]]))
            elif liked is not None:
                found.append(float(seen[name] @ liked[name] / liked[name].max()))
            else:
                found.append(1.0)
        return np.array(found)

    def _liked(self, taste: np.ndarray) -> dict[str, np.ndarray]:
        """Of each detail the share of each value among what was chosen, above 0."""
        read = np.append((taste - self.mean) / self.spread, 1.0)
        return {name: np.maximum(rows @ read, 1e-6) for name, rows in self.shares.items()}

    def _read(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Of each detail the probability of each value."""
        read = (_unit(vector[None])[0] - self.mean) / self.spread
        found = {}
        for name, rows in self.weights.items():
            logits = rows[:, :-1] @ read + rows[:, -1]
            raised = np.exp(logits - logits.max())
            found[name] = raised / raised.sum()
        return found

    @cached_property
    def _patterns(self) -> dict[str, list[re.Pattern[str]]]:
        return {
            name: [re.compile(rf"(?<!\w){re.escape(one)}(?!\w)", re.IGNORECASE) for one in values]
            for name, values in self.values.items()
        }

    def save(self, folder: Path) -> None:
        """Writes ``config.json`` and ``model.safetensors``."""
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tensors = {f"weights.{name}": rows for name, rows in self.weights.items()}
            tensors |= {f"shares.{name}": rows for name, rows in self.shares.items()}
            tensors |= {"mean": self.mean, "spread": self.spread}
            # safetensors writes bytes in the order in which they lie.
            ordered = {name: np.ascontiguousarray(one) for name, one in tensors.items()}
            save_file(ordered, folder / _WEIGHTS)
            said = json.dumps({"values": self.values}, indent=1, ensure_ascii=False)
            (folder / _CONFIG).write_text(said, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Verifier:
        """Reads what ``save`` wrote.

        Raises:
            ArtefactError: missing, damaged or of another shape.
        """
        try:
            said = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))["values"]
            values = {str(name): tuple(map(str, each)) for name, each in said.items()}
            stored = load_file(folder / _WEIGHTS)
            weights = {name: stored[f"weights.{name}"] for name in values}
            shares = {name: stored[f"shares.{name}"] for name in values}
            shapes = {
                "mean": (stored["mean"].shape, (DIMENSIONS,)),
                "spread": (stored["spread"].shape, (DIMENSIONS,)),
                **{
                    name: (rows.shape, (len(values[name]), DIMENSIONS + 1))
                    for each in (weights, shares)
                    for name, rows in each.items()
                },
            }
            if odd := {name: one for name, (one, other) in shapes.items() if one != other}:
                raise ValueError(f"shapes {odd} do not fit")
            return cls(values, stored["mean"], stored["spread"], weights, shares)
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError,
        ) as error:  # fmt: skip
            raise ArtefactError(
                f"{folder} holds no verifier that can be read: {str(error).splitlines()[0]} "
                "Fit it again, or take best_of: 1."
            ) from error


def _classes(read: np.ndarray, said: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Values, and rows whose logits tell which of them a picture shows."""
    from sklearn.linear_model import LogisticRegression

    known = np.array([bool(one) for one in said])
    model = LogisticRegression(max_iter=2000).fit(read[known], np.array(said)[known])
    rows = np.concatenate([model.coef_, model.intercept_[:, None]], axis=1)
    # Of two values scikit-learn keeps the difference alone.
    rows = np.concatenate([-rows, rows]) / 2 if len(rows) == 1 else rows
    return tuple(str(value) for value in model.classes_), rows.astype(np.float32)


def _shares(chosen: np.ndarray, said: Sequence[str], values: tuple[str, ...]) -> np.ndarray:
    """Rows that say of a mean of vectors the share of each value among them."""
    from sklearn.linear_model import Ridge

    known = np.array([bool(one) for one in said])
    shown = np.array(said)[known][:, None] == np.array(values)
    line = Ridge(alpha=PENALTY * len(shown)).fit(chosen[known], shown.astype(np.float64))
    return np.column_stack([line.coef_, line.intercept_]).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
