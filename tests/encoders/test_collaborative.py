import numpy as np
import pytest

from genrec.data.sequences import Sequences
from genrec.encoders.collaborative import (
    CollaborativeFusion,
    Whitening,
    cooccurrence_vectors,
    event_counts,
)
from genrec.errors import ArtefactError, InputError

# Two groups of items, 0 to 4 and 5 to 9, that are chosen together; 10 and 11 by nobody.
HISTORIES = Sequences.of(
    [list(np.random.default_rng(n).permutation(5) + 5 * (n % 2)) for n in range(40)]
)
ITEMS = 12


def signal():
    return cooccurrence_vectors(HISTORIES, ITEMS, dimensions=2, window=3)


def content():
    """Words that tell the groups apart; 10 is like the first, 11 like the second."""
    draw = np.random.default_rng(0)
    group = np.array([0] * 5 + [1] * 5 + [0, 1])
    return (np.eye(2)[group] @ draw.normal(size=(2, 8)) + 0.1 * draw.normal(size=(12, 8))).astype(
        np.float32
    )


def fused(**options):
    counts = event_counts(HISTORIES, ITEMS)
    return CollaborativeFusion.fit(content(), signal(), counts, **{"weight": 0.5, **options})


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def test_items_that_are_chosen_together_lie_together():
    near = cosines(signal()[:10])
    same = np.arange(10)[:, None] // 5 == np.arange(10) // 5
    assert near[same].min() > near[~same].max() + 0.5


def test_items_without_events_have_no_signal():
    assert (signal()[10:] == 0).all()
    assert event_counts(HISTORIES, ITEMS)[10:].tolist() == [0, 0]


def test_the_same_events_give_the_same_vectors_in_any_order_of_users():
    turned = Sequences.of([list(history.items) for history in reversed(list(HISTORIES))])
    other = cooccurrence_vectors(turned, ITEMS, dimensions=2, window=3)
    np.testing.assert_allclose(cosines(other[:10]), cosines(signal()[:10]), atol=1e-4)


def test_histories_of_one_item_give_zeros():
    assert (cooccurrence_vectors(Sequences.of([[1], [2]]), 3, dimensions=2) == 0).all()


def test_new_items_land_among_those_that_are_like_them():
    _, vectors = fused()
    near = cosines(vectors)
    assert near[10, :5].mean() > near[10, 5:10].mean() + 0.5
    assert near[11, 5:10].mean() > near[11, :5].mean() + 0.5


def test_foretold_parts_are_as_long_as_those_of_items_with_events():
    _, vectors = fused(weight=1.0, prior=0.0)
    lengths = np.linalg.norm(vectors, axis=1)
    assert 0.5 < lengths[10:].mean() / lengths[:10].mean() < 2


def test_an_item_that_comes_later_gets_the_vector_of_one_without_events():
    fusion, vectors = fused()
    np.testing.assert_allclose(fusion.of(content()[10:]), vectors[10:], atol=1e-5)


def test_the_weight_is_the_share_of_the_squared_length():
    _, vectors = fused(weight=0.0)
    assert np.abs(vectors[:, -2:]).max() < 1e-6
    _, vectors = fused(weight=0.3, prior=0.0)
    parts = (vectors**2).sum(axis=0)
    width = vectors.shape[1] - signal().shape[1]
    share = parts[width:].sum() / parts.sum()
    assert 0.2 < share < 0.4


def test_more_events_weigh_against_what_content_foretells():
    few, many = (fused(weight=1.0, prior=prior)[1] for prior in (1000.0, 0.01))
    fusion, _ = fused(weight=1.0)
    foretold = fusion.of(content())
    assert np.linalg.norm(few[:10] - foretold[:10]) < np.linalg.norm(many[:10] - foretold[:10])


def test_a_stored_fusion_is_the_same(tmp_path):
    fusion, _ = fused()
    fusion.write(tmp_path / "fusion.safetensors")
    again = CollaborativeFusion.read(tmp_path / "fusion.safetensors")
    np.testing.assert_array_equal(again.of(content()), fusion.of(content()))
    assert again.explained == fusion.explained
    (tmp_path / "fusion.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtefactError, match="again"):
        CollaborativeFusion.read(tmp_path / "fusion.safetensors")


def test_whitening_makes_directions_alike_and_keeps_the_mean_length():
    vectors = np.random.default_rng(0).normal(size=(500, 3)) * [5, 1, 0.2]
    for strength in (0.0, 0.5, 1.0):
        white = Whitening.fit(vectors, strength)(vectors)
        assert (white**2).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)
    assert white.std(axis=0) == pytest.approx(white.std(axis=0)[[0, 0, 0]], rel=1e-3)


def test_without_any_signal_the_remedy_is_named():
    with pytest.raises(InputError, match="collaborative out"):
        CollaborativeFusion.fit(content(), signal() * 0, np.ones(12), weight=0.5)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="12 vectors of content, 11"):
        CollaborativeFusion.fit(content(), signal()[:11], np.ones(12), weight=0.5)
