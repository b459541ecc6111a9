from collections import Counter
from dataclasses import replace

import pytest

from genrec.errors import ConfigError, InputError
from genrec.profiles.build import Builder
from genrec.profiles.liked_items import liked_items
from genrec.profiles.options import ProfileConfig, SegmentConfig
from genrec.profiles.segments import find_segments
from tests.creatives.small_shop import THINGS, shop


@pytest.fixture(scope="module")
def known():
    builder = Builder.of(shop(users=42), ProfileConfig())
    profiles = builder.profiles()
    return builder, profiles, find_segments(profiles, SegmentConfig(segments=4, floor=3))


def test_a_segment_s_items_are_what_enough_of_its_users_chose(known):
    builder, profiles, segments = known
    for segment in segments.segments:
        found, rows = liked_items(*known, segment.name, most=100)
        assert found == segment
        chosen = Counter()
        for user in segments.users(segment.id):
            history = builder.history(user)
            events = {n for trait in profiles[user].traits for n in trait.evidence}
            chosen.update({int(history.items[n]) for n in events})
        assert sorted(rows.tolist()) == sorted(item for item, n in chosen.items() if n >= 3)
        assert {THINGS[row % 4] for row in rows} == set(segment.name.split(" + "))


def test_the_first_are_those_that_most_chose(known):
    _, many = liked_items(*known, "s1", most=100)
    _, few = liked_items(*known, "s1", most=2)
    assert few.tolist() == many[:2].tolist()
    assert len(many) > 2


def test_a_segment_that_is_not_there_is_named(known):
    with pytest.raises(InputError, match="no segment 'bakers'"):
        liked_items(*known, "bakers", most=5)


def test_nothing_is_learned_of_what_too_few_users_chose(known):
    builder, profiles, segments = known
    strict = replace(segments, config=SegmentConfig(floor=40))
    with pytest.raises(ConfigError, match=r"chosen by 40 users .* Lower segments\.floor"):
        liked_items(builder, profiles, strict, "s1", most=5)
