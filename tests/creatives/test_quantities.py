import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.quantities import quantities


def keys(text):
    return [one.key for one in quantities(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 kg", "1000 g"),
        ("12 in", "1 ft"),
        ('1 5/8"', "1.625 inches"),
        ("2½ ft", "30 in"),
        ("pack of 12", "1 dozen"),
        ("12 ct", "set of 12"),
        ("2 lb", "32 ounces"),
        ("1 gallon", "4 qt"),
        ("1.5 l", "1500ml"),
        ("99 cents", "$0.99"),
        ("two hours", "120 minutes"),
        ("2,800 mm", "2.8 m"),
    ],
)
def test_amounts_that_say_the_same_have_one_key(one, other):
    assert keys(one) == keys(other)
    assert len(keys(one)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("1 kg", "1 lb"), ("5 in", "5 mm"), ("1 oz", "1 fl oz"), ("$5", "€5"), ("12 v", "12 w")],
)
def test_amounts_that_differ_have_two_keys(one, other):
    assert keys(one) != keys(other)


def test_numbers_in_a_row_share_the_unit_of_the_last():
    assert keys("5.5 x 8 x 2 inches") == keys("5.5 in, 8 in, 2 in")
    assert keys("10-12 ft") == keys("10 ft 12 ft")


def test_what_joins_amounts_is_kept_and_a_weight_that_begins_a_range_needs_the_next():
    def read(text):
        return [(one.joined, one.needs_the_next) for one in quantities(text)]

    assert read("6-8 oz") == [("-", True), ("", False)]
    assert read("6 to 8 oz") == [(" to ", True), ("", False)]
    assert read("6 x 8 oz") == [(" x ", True), ("", False)]
    assert read("6 or 8 oz") == [(" or ", False), ("", False)]
    assert read("10-12 ft") == [("-", False), ("", False)]
    assert read("6 oz - 8 oz") == [("", False), ("", False)]


def test_a_bare_number_has_the_words_around_it():
    (one,) = quantities("size 10 shoes")
    assert (one.number, one.lead, one.noun, one.unit) == ("10", "size", "shoes", None)


def test_what_is_measured_is_read_before_and_after():
    assert [one.measure for one in quantities("5 in wide, height: 3 in")] == ["width", "height"]


def test_codes_are_no_amounts():
    assert quantities("grade 304b, model m252dw") == []


def test_in_is_a_word_where_no_length_is_meant():
    (one,) = quantities("2 in the box")
    assert one.unit is None


@given(st.fractions(min_value=0, max_value=1000, max_denominator=1000))
def test_any_decimal_is_read_back(amount):
    shown = f"{float(amount):.3f}"
    (one,) = quantities(f"{shown} kg")
    (same,) = quantities(f"{float(shown) * 1000:.0f} g")
    assert one.key == same.key
