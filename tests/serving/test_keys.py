import json
import math
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import ArtefactError, ConfigError
from genrec.serving.keys import ApiKey, KeyFile, RateLimits


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path / "keys.json")


def test_a_key_is_found_again_with_what_it_may_do(keys):
    plain, admin = keys.new("web shop"), keys.new("operator", admin=True, rate=30)
    assert plain != admin
    found = keys.find(admin)
    assert (found.name, found.admin, found.rate) == ("operator", True, 30)
    assert keys.find(plain).name == "web shop"
    assert not keys.find(plain).admin


def test_the_file_does_not_hold_the_secret_and_is_the_owners_alone(keys):
    key = keys.new("web shop")
    secret = key.split("_", 2)[2]
    assert len(secret) >= 43, "less than 256 bits"
    assert secret not in keys.path.read_text()
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


def test_equal_secrets_would_have_unequal_hashes(keys):
    keys.new("a")
    keys.new("b")
    first, second = json.loads(keys.path.read_text())["keys"]
    assert first["salt"] != second["salt"]


def test_a_changed_letter_is_another_key(keys):
    key = keys.new("web shop")
    for place in range(len(key)):
        other = key[:place] + ("x" if key[place] != "x" else "y") + key[place + 1 :]
        if place >= key.index("_"):
            assert keys.find(other) is None


@pytest.fixture(scope="module")
def one_key(tmp_path_factory):
    keys = KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")
    keys.new("the only one")
    return keys


@given(text=st.text() | st.from_regex(r"gr_[0-9a-f]{8}_.*", fullmatch=True))
def test_no_text_but_the_key_is_let_in(one_key, text):
    assert one_key.find(text) is None


def test_a_key_that_another_process_removes_is_refused_at_once(keys):
    key = keys.new("web shop")
    assert keys.find(key) is not None
    KeyFile(keys.path).remove("web shop")
    assert keys.find(key) is None


def test_a_key_that_another_process_makes_is_known_at_once(keys):
    assert keys.all() == []
    key = KeyFile(keys.path).new("web shop")
    assert keys.find(key).name == "web shop"


def test_a_file_that_is_gone_lets_nobody_in(keys):
    key = keys.new("web shop")
    assert keys.find(key)
    keys.path.unlink()
    assert keys.find(key) is None


def test_keys_made_at_the_same_time_are_all_kept(keys):
    threads = [
        threading.Thread(target=KeyFile(keys.path).new, args=(f"key {number}",))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.name for key in keys.all()) == sorted(f"key {n}" for n in range(12))


def test_names_are_unique_and_removal_takes_a_name_or_an_id(keys):
    keys.new("web shop")
    with pytest.raises(ConfigError, match="web shop"):
        keys.new("web shop")
    with pytest.raises(ConfigError, match="did you mean 'web shop'"):
        keys.remove("web shp")
    keys.remove(keys.all()[0].id)
    assert keys.all() == []


@pytest.mark.parametrize("rate", [-1, math.nan, math.inf])
def test_a_rate_that_is_no_number_from_0_is_refused(keys, rate):
    with pytest.raises(ConfigError, match=f"rate is {rate}"):
        keys.new("web shop", rate=rate)
    assert keys.all() == []


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("rate", math.nan, "rate is nan"),
        ("rate", "many", r"keys\.0\.rate"),
        ("salt", "no hex", r"keys\.0\.salt"),
        ("limit", 3, r"keys\.0\.limit"),
    ],
)
def test_a_file_that_was_edited_wrongly_is_told_and_left_as_it_is(keys, option, value, told):
    key = keys.new("web shop", rate=30)
    content = json.loads(keys.path.read_text())
    content["keys"][0][option] = value
    keys.path.write_text(json.dumps(content))
    for work in (lambda: keys.find(key), lambda: keys.new("another")):
        with pytest.raises(ArtefactError, match=told) as caught:
            work()
        assert content["keys"][0]["digest"] not in str(caught.value)
    assert keys.path.read_text() == json.dumps(content)


def test_a_number_in_quotes_is_read_as_one(keys):
    key = keys.new("web shop", rate=30)
    keys.path.write_text(keys.path.read_text().replace('"rate": 30', '"rate": "60"'))
    assert keys.find(key).rate == 60


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1, "keys": [{"id": 3}]}'])
def test_a_damaged_file_is_named_and_not_overwritten(keys, content):
    keys.path.write_text(content)
    for work in (keys.all, lambda: keys.find("gr_1_2"), lambda: keys.new("a")):
        with pytest.raises(ArtefactError, match=r"keys\.json"):
            work()
    assert keys.path.read_text() == content


def test_a_file_of_a_newer_format_is_refused(keys):
    keys.path.write_text('{"format": 2, "keys": []}')
    with pytest.raises(ArtefactError, match="format 2"):
        keys.all()


def test_a_bucket_holds_a_minutes_requests_and_fills_evenly():
    now = [100.0]
    limits = RateLimits(lambda: now[0])
    key = ApiKey("1", "a", "", "", rate=3)
    assert [limits.take(key) for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    now[0] += 19
    assert limits.take(key) == pytest.approx(1)
    now[0] += 1
    assert limits.take(key) == 0
    assert limits.take(key) > 0
    now[0] += 3600
    assert [limits.take(key) for _ in range(4)].count(0) == 3


def test_keys_have_buckets_of_their_own_and_no_rate_is_no_limit():
    limits = RateLimits(lambda: 0.0)
    one, other = (ApiKey(number, "a", "", "", rate=1) for number in "12")
    assert (limits.take(one), limits.take(other)) == (0, 0)
    assert limits.take(one) > 0
    free = ApiKey("3", "a", "", "")
    assert not any(limits.take(free) for _ in range(1000))
