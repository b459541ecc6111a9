import pytest

from genrec.errors import ConfigError, InputError
from genrec.profiles.build import build_profiles
from genrec.profiles.options import SegmentConfig
from genrec.profiles.segments import find_segments
from tests.profiles.shop import shop, visits_of


@pytest.fixture(scope="module")
def profiles():
    rows = []
    for number in range(30):
        rows += visits_of(f"tea{number}", [["Te0", "Te1"], ["Te2", "Br1"]] * 10, every=3)
        rows += visits_of(f"soap{number}", [["So0", "So1"], ["So2", "Pa1"]] * 10, every=3)
    for number in range(4):
        rows += visits_of(f"fruit{number}", [["Fr0", "Fr1"], ["Fr2", "Ch1"]] * 10, every=3)
    return build_profiles(shop(rows))


@pytest.fixture(scope="module")
def segments(profiles):
    return find_segments(profiles, SegmentConfig(segments=6, floor=10))


def test_those_of_one_taste_are_together_and_named_by_it(segments):
    tea = {segments.of(f"tea{number}").id for number in range(30)}
    soap = {segments.of(f"soap{number}").id for number in range(30)}
    assert len(tea) == len(soap) == 1
    assert tea != soap
    assert "Tea" in segments.of("tea0").name
    assert "Soap" in segments.of("soap0").name


def test_no_segment_is_smaller_than_the_floor_and_no_trait_named_by_fewer(segments):
    assert segments.segments
    for one in segments.segments:
        assert one.users >= 10
        assert len(segments.users(one.id)) == one.users
        for *_, share, overall in one.traits:
            assert share * one.users >= 10 - 0.01 * one.users
            assert share > overall


def test_a_taste_of_few_names_no_segment(segments):
    assert not [one for one in segments.segments if "Fruit" in one.name]


def test_every_user_is_in_one_segment_or_none(profiles, segments):
    assert segments.members["user_id"].is_unique().all()
    assert segments.members.height + segments.withheld == len(profiles)


def test_the_same_seed_gives_the_same_segments(profiles, segments):
    again = find_segments(profiles, SegmentConfig(segments=6, floor=10))
    assert again.segments == segments.segments
    assert again.members.equals(segments.members)


def test_fewer_users_than_the_floor_are_withheld(profiles):
    none = find_segments(profiles, SegmentConfig(floor=1000))
    assert none.segments == ()
    assert none.withheld == len(profiles)
    assert none.of("tea0") is None


def test_an_unknown_segment_is_an_error_that_lists_them(segments):
    assert segments.users(segments.segments[0].name) == segments.users("s1")
    with pytest.raises(InputError, match="there are: s1"):
        segments.users("s99")


def test_a_floor_of_one_is_refused():
    with pytest.raises(ConfigError, match="floor is 1"):
        SegmentConfig(floor=1)
