"""What every quantiser owes its callers. Subclass it and give ``make`` and, for titles, ``items``.

::

    class TestResidualKMeans(QuantizerContract):
        def make(self):
            return ResidualKMeans(levels=3, codebook_size=8)
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from genrec.data.catalog import Catalog
from genrec.semantic_ids.quantizer import Quantizer
from genrec.semantic_ids.tokenizer import QUANTIZERS, SemanticIdTokenizer

ITEMS, KINDS = 90, 6
COLOURS = ("red", "blue", "green", "white", "black")


def catalog() -> Catalog:
    """Items of six kinds, in five colours, each with a number of its own."""
    titles = [f"kind{n % KINDS} {COLOURS[n % 5]} model{n}" for n in range(ITEMS)]
    return Catalog(pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "title": titles}))


def vectors() -> np.ndarray:
    """One cloud for each kind, shape (items, 16)."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(KINDS, 16)) * 4
    return (centres[np.arange(ITEMS) % KINDS] + draw.normal(size=(ITEMS, 16))).astype(np.float32)


class QuantizerContract:
    """The tests. ``rule`` is the collision rule that suits the quantiser."""

    rule = "reassign"

    def make(self) -> Quantizer:
        raise NotImplementedError("give the suite a quantiser that is not fitted")

    @pytest.fixture
    def fitted(self) -> Quantizer:
        quantizer = self.make()
        quantizer.fit(quantizer.inputs(catalog(), vectors()), seed=0)
        return quantizer

    def test_it_is_registered_under_its_name(self) -> None:
        made = self.make()
        assert QUANTIZERS.load(made.kind) is type(made)

    def test_codes_have_the_promised_shape_and_range(self, fitted) -> None:
        codes = fitted.encode(fitted.inputs(catalog(), vectors()))
        assert codes.shape == (ITEMS, len(fitted.codebook_sizes))
        assert codes.dtype == np.int32
        assert (codes >= 0).all()
        assert (codes < np.array(fitted.codebook_sizes)).all()

    def test_the_same_seed_gives_the_same_codes(self) -> None:
        codes = []
        for _ in range(2):
            quantizer = self.make()
            inputs = quantizer.inputs(catalog(), vectors())
            quantizer.fit(inputs, seed=3)
            codes.append(quantizer.encode(inputs))
        np.testing.assert_array_equal(*codes)

    def test_an_items_codes_do_not_depend_on_the_others(self, fitted) -> None:
        inputs = fitted.inputs(catalog(), vectors())
        together = fitted.encode(inputs)
        alone = np.concatenate([fitted.encode(inputs[row : row + 1]) for row in range(20)])
        np.testing.assert_array_equal(alone, together[:20])

    def test_items_of_one_kind_share_more_codes_than_others(self, fitted) -> None:
        codes = fitted.encode(fitted.inputs(catalog(), vectors()))
        equal = (codes[:, None] == codes[None]).mean(axis=2)
        same = (np.arange(ITEMS)[:, None] - np.arange(ITEMS)) % KINDS == 0
        np.fill_diagonal(same, False)
        other = ~same & ~np.eye(ITEMS, dtype=bool)
        assert equal[same].mean() > equal[other].mean() + 0.1

    def test_last_level_distances_are_smallest_at_the_chosen_code(self, fitted) -> None:
        inputs = fitted.inputs(catalog(), vectors())
        codes = fitted.encode(inputs)
        distances = fitted.last_level_distances(inputs, codes)
        assert distances.shape == (ITEMS, fitted.codebook_sizes[-1])
        chosen = distances[np.arange(ITEMS), codes[:, -1]]
        np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-4, atol=1e-4)

    def test_what_was_learned_comes_back_from_a_file(self, fitted, tmp_path) -> None:
        save_file(fitted.tensors(), tmp_path / "codebooks.safetensors")
        again = self.make()
        again.restore(load_file(tmp_path / "codebooks.safetensors"))
        inputs = fitted.inputs(catalog(), vectors())
        codes = fitted.encode(inputs)
        np.testing.assert_array_equal(again.encode(inputs), codes)
        np.testing.assert_allclose(
            again.last_level_distances(inputs, codes), fitted.last_level_distances(inputs, codes)
        )

    def test_codes_stand_for_vectors_near_the_items_or_for_none(self, fitted) -> None:
        codes = fitted.encode(fitted.inputs(catalog(), vectors()))
        rebuilt = fitted.rebuilt(codes)
        if rebuilt is None:
            assert fitted.words() is not None
            return
        spread = ((vectors() - vectors().mean(axis=0)) ** 2).sum()
        assert ((vectors() - rebuilt) ** 2).sum() < 0.7 * spread

    def test_new_items_get_ids_and_old_ones_keep_theirs(self) -> None:
        tokenizer = SemanticIdTokenizer(collisions=self.rule)
        tokenizer.quantizer = self.make()
        first = tokenizer.fit(catalog().take(range(70)), vectors()[:70])
        # The same content as old items, so that each must get out of the way of one.
        table = catalog().table[:20].with_columns(item_id=pl.Series([f"new{n}" for n in range(20)]))
        both = tokenizer.add(first, Catalog(table), vectors()[:20])
        assert len(both) == 90
        for item in first.item_ids:
            assert both.semantic_id(item)[: first.levels] == first.semantic_id(item)
        assert len({both.semantic_id(item) for item in both.item_ids}) == 90

    def test_fewer_items_than_codes_are_enough(self) -> None:
        quantizer = self.make()
        inputs = quantizer.inputs(catalog().take(range(3)), vectors()[:3])
        quantizer.fit(inputs, seed=0)
        assert quantizer.encode(inputs).shape == (3, len(quantizer.codebook_sizes))

    def test_progress_ends_at_the_total(self) -> None:
        told: list[tuple[int, int]] = []
        quantizer = self.make()
        inputs = quantizer.inputs(catalog(), vectors())
        quantizer.fit(inputs, seed=0, progress=lambda done, total: told.append((done, total)))
        assert told[-1][0] == told[-1][1] == len(told)
