"""Modalities of one catalogue fit together, or every misfit is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genrec.encoders.base import ItemVectors
from genrec.encoders.modality_vectors import Modalities
from genrec.errors import ConfigError, InputError

IDS = tuple("abcd")


def vectors(dimensions: int, mask: list[bool], seed: int = 0) -> ItemVectors:
    values = np.random.default_rng(seed).normal(size=(4, dimensions)).astype(np.float32)
    return ItemVectors(IDS, values, np.array(mask), f"seed {seed}")


def three() -> Modalities:
    return Modalities(
        {
            "text.title": vectors(3, [True, True, False, True]),
            "text.brand": vectors(2, [True, False, False, True], 1),
            "image": vectors(4, [True, True, True, False], 2),
        }
    )


def test_fields_of_a_modality_are_one_group() -> None:
    assert three().groups == ("text", "image")
    assert three().dimensions == {"text.title": 3, "text.brand": 2, "image": 4}


def test_hiding_a_modality_hides_all_its_fields_and_nothing_else() -> None:
    hidden = three().hide(["text"])
    assert hidden.present.tolist() == [
        [False, False, True],
        [False, False, True],
        [False, False, True],
        [False, False, False],
    ]
    assert hidden.known.tolist() == [True, True, True, False]


def test_a_field_can_be_hidden_alone() -> None:
    assert three().hide(["text.brand"]).present.any(axis=0).tolist() == [True, False, True]


def test_only_is_the_opposite_of_hide() -> None:
    assert np.array_equal(three().only(["image"]).present, three().hide(["text"]).present)


@pytest.mark.parametrize("act", ["hide", "only"])
def test_an_unknown_modality_is_answered_with_the_nearest(act) -> None:
    with pytest.raises(ConfigError, match="did you mean 'image'"):
        getattr(three(), act)(["imag"])


def test_other_items_and_values_that_are_no_numbers_are_all_named() -> None:
    broken = vectors(2, [True, True, True, True])
    broken.vectors[1, 0] = np.nan
    other = replace(vectors(2, [True] * 4), item_ids=tuple("abce"))
    with pytest.raises(InputError, match=r"(?s)infinity for item 'b'.*audio: its items differ"):
        Modalities({"text": vectors(3, [True] * 4), "image": broken, "audio": other})


def test_garbage_behind_a_mask_is_no_error_and_does_not_change_the_fingerprint() -> None:
    clean, dirty = three(), three()
    dirty.vectors["image"].vectors[3] = np.nan
    assert Modalities(dirty.vectors).fingerprint == clean.fingerprint


def test_the_fingerprint_knows_values_masks_and_names() -> None:
    seen = {three().fingerprint, three().hide(["image"]).fingerprint}
    one = three().vectors
    seen.add(Modalities({"words": one["text.title"], "image": one["image"]}).fingerprint)
    seen.add(Modalities({"text": one["text.title"], "image": one["image"]}).fingerprint)
    assert len(seen) == 4


def test_no_modality_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no modalities"):
        Modalities({})
