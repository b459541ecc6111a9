"""Side by side: known answers, and what is imputed says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.encoders.base import ItemVectors
from genrec.encoders.concatenation import concatenate
from genrec.encoders.modality_vectors import Modalities
from genrec.errors import ConfigError


def modality(rows: list[list[float]], mask: list[bool]) -> ItemVectors:
    ids = tuple(f"i{n}" for n in range(len(rows)))
    return ItemVectors(ids, np.array(rows, np.float32), np.array(mask), "test")


def pair() -> Modalities:
    return Modalities(
        {
            "text": modality([[3, 4], [0, 2], [9, 9], [7, 7]], [True, True, True, False]),
            "image": modality([[2, 0], [5, 5], [0, 1], [8, 8]], [True, False, True, False]),
        }
    )


def test_modalities_are_scaled_weighted_and_put_side_by_side() -> None:
    joined = concatenate(pair(), weights={"image": 2.0}).vectors
    assert joined.vectors[0] == pytest.approx([0.6, 0.8, 2.0, 0.0])


def test_a_missing_part_is_the_mean_of_those_present_and_flagged() -> None:
    made = concatenate(pair())
    assert made.vectors.vectors[1] == pytest.approx([0.0, 1.0, 0.5, 0.5])
    assert made.imputed.tolist() == [[False, False], [False, True], [False, False], [False, False]]


def test_an_item_without_anything_is_masked_not_imputed() -> None:
    made = concatenate(pair())
    assert made.vectors.mask.tolist() == [True, True, True, False]
    assert not made.imputed[3].any()


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e6, 1e6) | st.just(float("nan")), st.booleans())
def test_what_stands_behind_a_mask_changes_nothing(value, whiten) -> None:
    clean, dirty = pair(), pair()
    dirty.vectors["image"].vectors[[1, 3]] = value
    one, other = concatenate(clean, whiten=whiten), concatenate(dirty, whiten=whiten)
    assert np.array_equal(one.vectors.vectors, other.vectors.vectors)
    assert one.vectors.fingerprint == other.vectors.fingerprint


def test_whitening_decorrelates() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + 5
    one = modality(mixed.tolist(), [True] * 500)
    plain = concatenate(Modalities({"text": one})).vectors.vectors
    whitened = concatenate(Modalities({"text": one}), whiten=True).vectors.vectors

    def worst(values: np.ndarray) -> float:
        return float(np.abs(np.corrcoef(values.T) - np.eye(4)).max())

    assert worst(whitened) < 0.1 < worst(plain)


def test_a_direction_without_variance_stays_empty() -> None:
    rows = [[float(n), 1.0] for n in range(6)]
    made = concatenate(Modalities({"text": modality(rows, [True] * 6)}), whiten=True)
    assert np.isfinite(made.vectors.vectors).all()
    assert np.abs(made.vectors.vectors[:, 1]).max() == 0


@pytest.mark.parametrize(
    ("weights", "message"), [({"imag": 1.0}, "did you mean 'image'"), ({"text": 0.0}, "above 0")]
)
def test_weights_that_do_not_fit_are_refused(weights, message) -> None:
    with pytest.raises(ConfigError, match=message):
        concatenate(pair(), weights=weights)
