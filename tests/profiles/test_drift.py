import pytest

from genrec.errors import InputError
from genrec.profiles.build import build_profiles
from genrec.profiles.drift import Window, drift
from tests.profiles.shop import DAY, MONDAY, shop, visits_of


@pytest.fixture(scope="module")
def profiles():
    rows = [
        *visits_of("turned", [["Te0", "Br0"]] * 20 + [["So0", "Br0"]] * 20, every=3),
        *visits_of("same", [["Te0", "Br0"]] * 40, every=3),
        *visits_of("slower", [["Te0"]] * 20, every=2),
        *visits_of("slower", [["Te0"]] * 10, every=8, start=MONDAY + 60 * DAY),
        *visits_of("once", [["Te0"]]),
    ]
    rows = [(u, i, t, f"{u}-{t}") for u, i, t, _ in rows]
    return build_profiles(shop(rows))


def names(traits):
    return {one.value for one in traits}


def test_what_came_and_what_went(profiles):
    found = drift(profiles, "turned")
    assert "Soap by Acorn" in names(found.came)
    assert "Tea by Acorn" in names(found.went)
    assert "Bread by Acorn" in names(found.stayed)
    assert "Bread by Acorn" not in names(found.came) | names(found.went)


def test_who_does_the_same_does_not_drift(profiles):
    found = drift(profiles, "same")
    assert not found.came
    assert not found.went
    assert "Nothing that is more than chance" in str(found)


def test_a_slower_rhythm_is_seen(profiles):
    found = drift(profiles, "slower")
    assert ("days between visits", "2") in {(one.name, one.value) for one in found.went}
    assert ("days between visits", "8") in {(one.name, one.value) for one in found.came}


def test_windows_may_be_chosen(profiles):
    windows = Window(MONDAY, MONDAY + 30 * DAY), Window(MONDAY + 30 * DAY, MONDAY + 60 * DAY)
    found = drift(profiles, "turned", windows=windows)
    assert found.earlier.events == found.later.events == 20
    assert not found.came


def test_windows_that_overlap_or_are_empty_are_refused(profiles):
    with pytest.raises(InputError, match="overlap"):
        drift(profiles, "same", windows=(Window(0, MONDAY + DAY), Window(MONDAY, MONDAY + DAY)))
    with pytest.raises(InputError, match="no events in the earlier window"):
        drift(profiles, "same", windows=(Window(0, 1), Window(MONDAY, MONDAY + DAY)))


def test_one_event_has_no_two_windows(profiles):
    with pytest.raises(InputError, match="1 events"):
        drift(profiles, "once")
