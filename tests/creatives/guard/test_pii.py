import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.creatives.guard.pii import PiiFinder, iban, luhn


def found(text, names=()):
    return [(text[start:end], what) for start, end, what in PiiFinder(names).find(text)]


@pytest.mark.parametrize(
    ("text", "said", "what"),
    [
        ("write to jo.doe@mail.example.com now", "jo.doe@mail.example.com", "an email address"),
        ("jo[at]example.com", "jo[at]example.com", "an email address"),
        ("call (555) 123-4567 now", "(555) 123-4567", "a phone number"),
        ("call +49 30 1234567", "+49 30 1234567", "a phone number"),
        ("card 4111 1111 1111 1111.", "4111 1111 1111 1111", "a card number"),
        ("to de89 3704 0044 0532 0130 00", "de89 3704 0044 0532 0130 00", "a bank account (IBAN)"),
        ("at 221b baker street, london", "221b baker street,", "a street address"),
        ("hauptstr. 12", "hauptstr. 12", "a street address"),
    ],
)
def test_personal_data_are_found(text, said, what):
    assert found(text) == [(said, what)]


@pytest.mark.parametrize(
    "text",
    ["4111 1111 1111 1112", "de00370400440532013000", "1-1/2 x 3/4 in", "5 st", "iso 9001",
     "part 132-14", "10-20-30", "2,800 pages", "model 64083"],
)  # fmt: skip
def test_other_numbers_are_not(text):
    assert found(text) == []


def test_names_are_those_that_the_caller_gives():
    assert found("hi anna, mark it", ["Anna", "Mark Twain"]) == [("anna", "a person's name")]
    assert found("hi anna") == []


@given(st.lists(st.integers(0, 9), min_size=12, max_size=18), st.data())
def test_one_wrong_digit_fails_the_check_of_cards(digits, data):
    whole = next(said for end in range(10) if luhn(said := "".join(map(str, [*digits, end]))))
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != whole[place]]))
    assert not luhn(whole[:place] + other + whole[place + 1 :])


def test_published_examples_pass_their_checks():
    assert luhn("79927398713") is False  # too short for a card
    assert luhn("4539 1488 0343 6467")
    assert iban("GB82 WEST 1234 5698 7654 32")
    assert not iban("GB83 WEST 1234 5698 7654 32")


@given(st.text("0123456789", min_size=10, max_size=21))
def test_the_check_of_cards_is_the_published_one(said):
    total = 0
    for place, sign in enumerate(reversed(said)):
        value = int(sign) * (1 + place % 2)
        total += sum(map(int, str(value)))
    assert luhn(said) == (13 <= len(said) <= 19 and total % 10 == 0)


@pytest.mark.parametrize(("length", "right"), [(12, False), (13, True), (19, True), (20, False)])
def test_cards_have_thirteen_to_nineteen_digits(length, right):
    assert luhn("0" * length) is right


@pytest.mark.parametrize(("length", "right"), [(14, False), (15, True), (34, True), (35, False)])
def test_accounts_have_fifteen_to_thirty_four_signs(length, right):
    body = "1" * (length - 4)
    # One in 97 has the right remainder.
    numbers = (f"GB{check:02d}{body}" for check in range(2, 99))
    assert sum(map(iban, numbers)) == int(right)


def test_a_number_is_one_thing_only_and_names_are_of_two_letters_at_least():
    assert [what for _, what in found("card 4111 1111 1111 1111")] == ["a card number"]
    assert found("i am x", ["X", "", "  "]) == []
    assert found("i am xi", ["Xi"]) == [("xi", "a person's name")]
    both = found("pay by 4111 1111 1111 1111 or call +49 30 1234567")
    assert [what for _, what in both] == ["a card number", "a phone number"]
