import hashlib
import logging
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.encoders.cache import VectorCache, key_of
from genrec.errors import StorageError


def keys(*names):
    return [key_of("f", name.encode()) for name in names]


def rows(*values):
    return np.array([[value, -value] for value in values], np.float32)


@pytest.fixture
def cache(tmp_path):
    return VectorCache("f", 2, tmp_path)


def test_a_key_is_the_hash_of_encoder_and_content():
    assert key_of("f", b"x") == hashlib.sha256(b"f\0x").digest()
    assert key_of("g", b"x") != key_of("f", b"x")


def test_an_empty_cache_knows_nothing(cache):
    vectors, known = cache.find(keys("a", "b"))
    assert not known.any()
    assert vectors.shape == (2, 2)


def test_known_vectors_come_back_from_several_shards_in_the_order_asked_for(cache):
    cache.add(keys("a", "b"), rows(1, 2))
    cache.add(keys("c"), rows(3))
    vectors, known = cache.find(keys("c", "x", "a", "a", "b"))
    assert known.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(vectors[known], rows(3, 1, 1, 2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), unique=True, max_size=20), st.data())
def test_any_keys_are_found_exactly_when_they_were_added(tmp_path_factory, all_keys, data):
    kept = data.draw(st.sets(st.sampled_from(all_keys))) if all_keys else set()
    cache = VectorCache("f", 1, tmp_path_factory.mktemp("cache"))
    kept_list = sorted(kept)
    cache.add(kept_list, np.arange(len(kept_list), dtype=np.float32)[:, None])
    vectors, known = cache.find(all_keys)
    assert known.tolist() == [key in kept for key in all_keys]
    assert [kept_list[int(v)] for v in vectors[known, 0]] == [k for k in all_keys if k in kept]


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text"])
def test_a_damaged_shard_is_set_aside_and_the_others_still_serve(cache, damage, caplog):
    cache.add(keys("a"), rows(1))
    (shard,) = cache.folder.glob("*.safetensors")
    cache.add(keys("b"), rows(2))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(
        {
            "truncate": bytes(content[:-5]),
            "flip": bytes(content),
            "empty": b"",
            "text": b"not safetensors at all",
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        _, known = cache.find(keys("a", "b"))
    assert known.tolist() == [False, True]
    assert "damaged" in caplog.text
    assert shard.with_suffix(".damaged").exists()
    assert not shard.exists()


def test_vectors_of_another_length_are_not_mixed_in(cache, tmp_path):
    cache.add(keys("a"), rows(1))
    _, known = VectorCache("f", 3, tmp_path).find(keys("a"))
    assert not known.any()


def test_an_unfinished_shard_is_not_read(cache):
    cache.add(keys("a"), rows(1))
    (shard,) = cache.folder.glob("*.safetensors")
    shard.rename(shard.with_name(".half.new"))
    assert not cache.find(keys("a"))[1].any()


def test_two_processes_write_at_once_and_lose_nothing(cache, tmp_path):
    code = (
        "import sys, numpy as np, pathlib; from genrec.encoders.cache import *\n"
        "c = VectorCache('f', 2, pathlib.Path(sys.argv[1])); w = int(sys.argv[2])\n"
        "for n in range(w, w + 20): c.add([key_of('f', b'%d' % n)], np.full((1, 2), n, 'f4'))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), start])
        for start in ("0", "20")
    ]
    assert [process.wait() for process in running] == [0, 0]
    vectors, known = cache.find(keys(*map(str, range(40))))
    assert known.all()
    assert vectors[:, 0].tolist() == list(range(40))


def test_a_disk_that_cannot_be_written_is_a_storage_error(tmp_path, monkeypatch):
    cache = VectorCache("f", 2, tmp_path)
    cache.add(keys("a"), rows(1))

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genrec.encoders.cache.save_file", full)
    with pytest.raises(StorageError, match="No space left"):
        cache.add(keys("b"), rows(2))
    assert cache.find(keys("a"))[1].all()
    assert len(list(cache.folder.iterdir())) == 1
