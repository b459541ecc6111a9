"""Simulated shoppers: what they say is true, what they mark is counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genrec.evaluation.shopper_wants import wants_of
from genrec.evaluation.shoppers import Said, Shopper, Want, meet
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.conversers import Assistant, PopularOnly, RetrievalOnly
from tests.serving.conversation.shop import corner_shop

SHOP = corner_shop()
TRAINING, TEST = SHOP.dataset.split("last-out")
WANTS = wants_of(TRAINING, TEST, 20, seed=1)


@dataclass(frozen=True)
class Fixed:
    """Shows the same items whatever is said."""

    items: tuple[str, ...]
    name: str = "fixed"

    def begin(self, user: str) -> int:
        return 0

    def say(self, state: int, text: str) -> Said:
        return Said(state + 1, self.items)

    def hide(self, state: int, item: str) -> Said:
        return Said(state + 1, self.items)


def test_a_want_is_met_by_its_own_target_and_only_by_items_that_have_all_of_it() -> None:
    for want in WANTS:
        assert want.suits[SHOP.catalog.position(want.target)]
        for position in np.flatnonzero(want.suits):
            item = SHOP.catalog[int(position)]
            assert all(item.attributes[name] == value for name, value in want.values.items())
            assert want.most is None or item.price <= want.most
            assert item.attributes["in_stock"]


def test_an_assistant_that_shows_the_target_at_once_succeeds_in_one_turn() -> None:
    for want in WANTS[:5]:
        verdict, _ = meet(Fixed((want.target,)), [want], SHOP.catalog, stock="in_stock")
        assert verdict.success[1] == 1.0 and verdict.target_shown == 1.0
        assert verdict.real_items == 1.0 and verdict.questions == 0.0


def test_unknown_items_broken_conditions_and_repeats_are_counted() -> None:
    want = WANTS[0]
    wrong = next(item.id for item in SHOP.catalog if not want.suits[SHOP.catalog.position(item.id)])
    talks = [
        Shopper(want, SHOP.catalog, stock="in_stock", seed=seed).talk(Fixed((wrong, "ghost")), 8)
        for seed in range(20)
    ]
    shown = sum(talk.shown for talk in talks)
    assert shown == 2 * 8 * 20 and sum(talk.real for talk in talks) <= shown / 2
    assert sum(talk.repeats for talk in talks) > 0 and not any(talk.turns for talk in talks)
    assert sum(talk.kept for talk in talks) < shown


def test_equal_seeds_give_equal_conversations_and_others_do_not() -> None:
    chat = Assistant(Conversation(SHOP))
    _, first = meet(chat, WANTS, SHOP.catalog, stock="in_stock", seed=3)
    _, again = meet(chat, WANTS, SHOP.catalog, stock="in_stock", seed=3)
    _, other = meet(chat, WANTS, SHOP.catalog, stock="in_stock", seed=4)
    assert [talk.lines for talk in first] == [talk.lines for talk in again]
    assert [talk.lines for talk in first] != [talk.lines for talk in other]


def test_the_chat_keeps_what_was_said_and_beats_both_controls() -> None:
    many = wants_of(TRAINING, TEST, 60, seed=2)
    verdicts = [
        meet(one, many, SHOP.catalog, stock="in_stock")[0]
        for one in (Assistant(Conversation(SHOP)), RetrievalOnly(SHOP), PopularOnly(SHOP))
    ]
    chat, retrieval, popular = verdicts
    assert chat.real_items == 1.0 and chat.constraints_kept == 1.0
    assert chat.rejected_repeats == 0
    assert chat.success[5] >= retrieval.success[5] > popular.success[5]


def test_a_want_without_a_price_is_never_said_to_have_one() -> None:
    want: Want = replace(WANTS[0], most=None, values={})
    talk = Shopper(want, SHOP.catalog, seed=5).talk(Fixed(("i000",)), 5)
    assert not any("under" in line or "max" in line for line in talk.lines if line[0] == ">")
