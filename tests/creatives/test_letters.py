import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.letters import COUNTS, cut


@pytest.mark.parametrize(
    ("count", "text", "length"),
    [
        ("graphemes", "naïve", 5),
        ("graphemes", "nai\u0308ve", 5),
        ("graphemes", "👩‍👩‍👧 ok", 4),
        ("utf16", "👍", 2),
        ("utf16", "é", 1),
        ("google", "パン bread", 10),
        ("google", "ｂ", 2),
        ("x", "hello", 5),
        ("x", "👩‍👩‍👧", 2),
        ("x", "日本", 4),
        ("x", "see https://example.com/a/very/long/path", 27),
        ("sms", "plain", 5),
        ("sms", "5 €", 4),
        ("sms", "日本", 5),
    ],
)
def test_lengths_are_what_the_platform_counts(count, text, length):
    assert COUNTS[count](text) == length


@given(st.text(max_size=80), st.integers(0, 40), st.sampled_from(sorted(COUNTS)))
def test_a_cut_text_fits_and_is_a_beginning(text, most, count):
    found = cut(text, most, COUNTS[count])
    assert COUNTS[count](found) <= most
    assert text.startswith(found)


def test_a_cut_ends_with_a_whole_word():
    assert cut("Frozen whipped topping, 12 oz", 24, COUNTS["graphemes"]) == "Frozen whipped topping"


def test_a_number_is_not_cut_from_its_unit():
    assert (
        cut("Pourable salad dressings, 12 oz", 30, COUNTS["google"]) == "Pourable salad dressings"
    )
    assert (
        cut("Soft drink, 2 liter bottle, 2 l", 30, COUNTS["google"]) == "Soft drink, 2 liter bottle"
    )
    assert cut("Popcorn, microwave, 12 x 3.3 oz", 25, COUNTS["google"]) == "Popcorn, microwave"
