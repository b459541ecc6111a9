"""What is said, asked and done about an item that was shown."""

from __future__ import annotations

from dataclasses import replace

from genrec.serving.conversation import (
    AdMade,
    Chosen,
    Explanation,
    replies,
)
from tests.serving.conversation.talk import SHOP, Talk


def test_why_cites_the_items_own_facts_and_the_shoppers_own_choices() -> None:
    talk = Talk("u1").say("blue mugs").say("why?")
    why = talk.one(Explanation)
    assert isinstance(why, Explanation)
    assert {"category", "colour"} <= set(why.facts)
    mine = {SHOP.catalog.ids[int(one)] for one in SHOP.history("u1").items}
    assert set(why.evidence) <= mine
    assert SHOP.item(why.item).attributes["colour"] in why.text


def test_why_says_of_an_earlier_card_only_what_holds_for_it() -> None:
    talk = Talk("u1").say("blue mugs").say("leather bags under 1").say("why the first?")
    why = talk.one(Explanation)
    assert isinstance(why, Explanation) and SHOP.item(why.item).attributes["category"] == "mugs"
    assert "fits" not in why.text and "costs" not in why.text and "bag" not in why.text


def test_an_ad_is_made_for_the_item_meant_and_says_only_what_the_guard_passes() -> None:
    talk = Talk().say("mugs").say("make me an ad for the second one")
    made = talk.one(AdMade)
    assert isinstance(made, AdMade) and made.item == talk.state.cards[1]
    item = SHOP.item(made.item)
    assert item.title in made.fields["title"] and SHOP.may_say(" ".join(made.statements), item)


def test_an_ad_says_whether_it_is_made_for_the_shopper_or_for_anybody() -> None:
    known = Talk("u1").say("mugs").say("make me an ad for it").one(AdMade)
    guest = Talk("").say("mugs").say("make me an ad for it").one(AdMade)
    assert isinstance(known, AdMade) and known.personal
    assert isinstance(guest, AdMade) and not guest.personal


def test_an_item_is_taken_when_it_is_plain_which_and_nothing_else_changes() -> None:
    talk = Talk().say("mugs").say("buy it")
    assert talk.one(Chosen) is None and talk.text == replies.WHICH
    shown, where = talk.state.cards, talk.state.where
    talk.say("the second one").say("I'll take it")
    taken = talk.one(Chosen)
    assert isinstance(taken, Chosen) and taken.item == shown[1]
    assert SHOP.item(shown[1]).title in talk.text and "Nothing is ordered" in talk.text
    assert (talk.state.cards, talk.state.where) == (shown, where)
    pressed = Talk().say("mugs").do("buy", shown[1])
    assert pressed.one(Chosen) == taken


def test_what_is_named_in_one_breath_is_taken_told_and_hidden_together() -> None:
    talk = Talk().say("mugs")
    first, _, third, _ = talk.state.cards
    talk.say("compare the first and the third")
    assert [one.item for one in talk.events if isinstance(one, Explanation)] == [first, third]
    talk.say("buy the first and the third")
    assert [one.item for one in talk.events if isinstance(one, Chosen)] == [first, third]
    talk.say("hide the first and the third")
    assert set(talk.state.rejected) == {first, third} and "They won't" in talk.text
    talk = Talk().say("mugs").say("hide the first but show me more like the third")
    assert len(talk.state.rejected) == 1


def test_what_was_not_shown_is_looked_for_when_it_is_to_be_bought() -> None:
    talk = Talk().say("mugs").say("buy the green vase")
    assert talk.one(Chosen) is None
    assert talk.each("category") == {"vases"} and talk.each("colour") == {"green"}


def test_what_is_asked_of_an_item_that_says_nothing_of_it_is_not_passed_over() -> None:
    talk = Talk().say("mugs").say("is the second one machine washable?")
    assert "says nothing of “machine” or “washable”" in talk.text
    assert "says nothing" not in talk.say("what about the second one").text


def test_a_picture_is_named_only_where_there_are_pictures() -> None:
    drawn = replace(SHOP.catalog[0], image="i000.png")
    assert SHOP.picture_of(drawn) == ""


def test_buttons_of_a_card_do_what_the_words_do() -> None:
    spoken = Talk().say("mugs").say("more like the second one")
    pressed = Talk().say("mugs")
    pressed.do("more_like", pressed.cards[1])
    assert spoken.cards == pressed.cards and spoken.state == pressed.state
