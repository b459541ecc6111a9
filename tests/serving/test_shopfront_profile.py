"""What the shop thinks of a shopper, as the shopper reads it."""

import re

import pytest

from genrec.profiles.sentences import addressed
from tests.serving.conversation.shop import corner_shop


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Often buys tea (category): on 3 of 4 visits.",
            "You often buy tea (category): on 3 of 4 visits.",
        ),
        (
            "Comes every 17 days (median of 6 gaps); others every 11 days.",
            "You come every 17 days; others every 11 days.",
        ),
        (
            "Was last here 41 days before the data end.",
            "You were last here 41 days before the data end.",
        ),
        (
            "Half of all purchases cost 2.00 to 3.00 each.",
            "Half of your purchases cost 2.00 to 3.00 each.",
        ),
        (
            "In milk stays with Alpine: 4 of 5 purchases; others 20%.",
            "In milk you stay with Alpine: 4 of 5 purchases; others 20%.",
        ),
        ("Likes it.", "Likes it."),
    ],
)
def test_a_shopper_is_spoken_to_and_not_about(said, told):
    assert addressed(said) == told


def test_every_sentence_of_a_shops_profiles_speaks_to_the_shopper():
    shop = corner_shop()
    profiles = [shop.profile(str(user)) for user in shop.dataset.users]
    told = [addressed(trait.text) for one in profiles if one for trait in one.traits]
    assert told
    assert not [text for text in told if not re.match("You [a-z]|Half of your |In .* you ", text)]
