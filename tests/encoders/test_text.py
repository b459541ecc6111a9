import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.encoders import TextEncoder, TextEncoderConfig, text
from genrec.errors import ConfigError, MissingExtra

TITLES = ["red apple", "green apple", "car tyre", "red apple"]


@pytest.fixture
def catalog():
    return Catalog(
        pl.DataFrame(
            {
                "item_id": ["1", "2", "3", "4"],
                "title": TITLES,
                "text": ["", "sweet", "", ""],
                "price": [1.0, None, 80.0, 1.0],
                "brand": ["Nord", None, "Sol", "Nord"],
            }
        )
    )


@pytest.fixture(scope="module")
def loaded():
    """One MiniLM for all tests of this module."""
    encoder = TextEncoder()
    return encoder._model, encoder.fingerprint


@pytest.fixture
def encoder(loaded, tmp_path):
    def make(**options):
        made = TextEncoder(cache=tmp_path, **options)
        made.__dict__["_model"], made.__dict__["fingerprint"] = loaded
        return made

    return make


def test_vectors_have_length_one_and_put_like_beside_like(encoder, catalog):
    vectors = encoder(fields=["title"]).encode(catalog)
    assert vectors.vectors.shape == (4, 384)
    assert vectors.vectors.dtype == np.float32
    assert vectors.mask.all()
    np.testing.assert_allclose(np.linalg.norm(vectors.vectors, axis=1), 1, atol=1e-5)
    near, far = vectors.vectors[0] @ vectors.vectors[1], vectors.vectors[0] @ vectors.vectors[2]
    assert near > far + 0.2


def test_the_dimensions_are_the_models(encoder):
    assert encoder().dimensions == 384


def test_equal_texts_are_encoded_once_and_known_ones_not_again(encoder, catalog, monkeypatch):
    seen = []
    first = encoder(fields=["title"])
    forward = TextEncoder._forward
    monkeypatch.setattr(
        TextEncoder, "_forward", lambda self, texts: seen.extend(texts) or forward(self, texts)
    )
    before = first.encode(catalog)
    assert sorted(seen) == ["car tyre", "green apple", "red apple"]
    seen.clear()
    again = encoder(fields=["title"]).encode(catalog)
    assert seen == []
    np.testing.assert_array_equal(before.vectors, again.vectors)


def test_a_kill_loses_one_chunk_at_most(encoder, monkeypatch):
    monkeypatch.setattr(text, "CHUNK", 2)
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    killed = encoder(batch_size=1)
    calls = []

    def die_at_the_fourth(texts):
        calls.extend(texts)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return np.ones((len(texts), 384), np.float32)

    monkeypatch.setattr(killed, "_forward", die_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        killed.encode_texts(texts)
    resumed = encoder(batch_size=1)
    left = []
    monkeypatch.setattr(
        resumed,
        "_forward",
        lambda texts: left.extend(texts) or np.ones((len(texts), 384), np.float32),
    )
    resumed.encode_texts(texts)
    assert left == ["ccc", "bb", "a"]


def test_the_batch_size_changes_nothing_but_the_speed(encoder, catalog, tmp_path):
    one = encoder(batch_size=1)
    many = encoder(batch_size=8)
    many._cache_folder = tmp_path / "other"
    cosine = (one.encode(catalog).vectors * many.encode(catalog).vectors).sum(axis=1)
    assert (cosine > 1 - 1e-3).all()


def test_vectors_are_close_to_those_in_full_precision(encoder):
    from sentence_transformers import SentenceTransformer

    fast = encoder()
    exact = SentenceTransformer(fast._folder).encode(
        TITLES, normalize_embeddings=True, show_progress_bar=False
    )
    assert ((fast.encode_texts(TITLES) * exact).sum(axis=1) > 1 - 1e-2).all()


def test_progress_counts_items_up_to_all_of_them(encoder, catalog):
    calls = []
    encoder(batch_size=1).encode(catalog, lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 4)
    assert calls[-1] == (4, 4)
    assert calls == sorted(calls)


def test_fields_are_read_in_the_order_given_and_nulls_left_out(catalog):
    encoder = TextEncoder(fields=["brand", "title", "price"])
    assert encoder.texts(catalog)[:3] == [
        "Nord. red apple. 1.0",
        "green apple",
        "Sol. car tyre. 80.0",
    ]


def test_without_fields_an_item_describes_itself(catalog):
    assert TextEncoder().texts(catalog)[0] == catalog[0].describe()


def test_an_item_with_nothing_to_read_has_no_vector(encoder, catalog):
    vectors = encoder(fields=["text"]).encode(catalog)
    assert vectors.mask.tolist() == [False, True, False, False]
    assert not vectors.vectors[0].any()


def test_an_unknown_field_is_answered_with_the_nearest(catalog):
    with pytest.raises(ConfigError, match="did you mean 'brand'"):
        TextEncoder(fields=["brnd"]).texts(catalog)


def test_options_that_cannot_be_are_refused_at_once():
    with pytest.raises(ConfigError, match="batch_size is 0"):
        TextEncoderConfig(batch_size=0)
    with pytest.raises(ConfigError, match="fields is empty"):
        TextEncoder(fields=[])


def test_an_encoder_from_a_recipe_is_the_same(tmp_path):
    config = TextEncoderConfig(batch_size=3, fields=["title"], normalise=False)
    assert TextEncoder.from_config(config, cache=tmp_path).config == config


def test_a_model_that_cannot_be_had_is_named_with_a_way_out():
    with pytest.raises(ConfigError, match=r"'no/such-model'.*Offline there is 'minilm'"):
        TextEncoder("no/such-model").encode_texts(["x"])


def test_without_the_package_the_extra_is_named(monkeypatch):
    find = text.importlib.util.find_spec
    monkeypatch.setattr(
        text.importlib.util, "find_spec", lambda n: None if n.startswith("gt_") else find(n)
    )
    with pytest.raises(MissingExtra, match=r"genrec\[demo\]"):
        TextEncoder().encode_texts(["x"])


def test_a_local_folder_serves_as_a_model(encoder, tmp_path):
    packaged = encoder()
    by_path = TextEncoder(packaged._folder, cache=tmp_path / "own")
    assert by_path.fingerprint == packaged.fingerprint
