"""Wishes that no item says: the toy shop, whose pictures alone show colours and patterns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from genrec.data import toy_shop
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.picture_array import decode_pictures
from genrec.data.toy_pictures import draw
from genrec.encoders.finder import Finder
from genrec.encoders.image import ImageEncoder
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.serving.conversation import Cards, ChatState, Done, Message, Token
from genrec.serving.conversation.conversation import Conversation
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.word_index import WordIndex
from genrec.training.image_text import train_image_text
from genrec.training.options import FitConfig
from genrec.training.pretrain_options import ImageTextConfig

ITEMS, SIDE = 160, 16


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    """A shop with towers that were taught which words go with which pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    known = toy_shop.load(items=ITEMS, shoppers=30).extras["oracle"]
    for row in known.iter_rows(named=True):
        small = draw(row["kind"], row["colour"], row["pattern"], seed=row["image_seed"], side=48)
        small.save(folder / f"{row['item_id']}.png")
    data = toy_shop.load(items=ITEMS, shoppers=30, image_folder=folder)
    taught = Catalog(
        data.catalog.table.with_columns(known["colour"], known["pattern"]),
        media=data.catalog.media,
    )
    towers = train_image_text(
        taught,
        decode_pictures(taught, range(ITEMS), side=SIDE, progress=lambda *_: None),
        config=ImageTextConfig(
            tower="tiny",
            side=SIDE,
            patch=4,
            fields=["colour", "pattern"],
            title_share=0.0,
            augment=0.0,
            vocabulary=300,
        ),
        fit_config=FitConfig(steps=120, batch_size=32, learning_rate=2e-3, warmup_steps=10),
        folder=tmp_path_factory.mktemp("fit"),
    )
    towers.write(folder / "tower")
    encoder = ImageEncoder(str(folder / "tower"), cache=folder / "cache")
    finder = Finder.of({"image": encoder}, {"image": encoder.encode(data.catalog)})
    return Conversation(Shop(Cooccurrence.train(data), data, finder=finder).open())


def said(chat: Conversation, *turns: str) -> tuple[list[dict[str, Any]], str, ChatState]:
    """What the oracle says of the last turn's cards, its words, and the state after it."""
    state, events = ChatState(), []
    for text in turns:
        events = list(chat.turn(state, Message(text)))
        done = events[-1]
        assert isinstance(done, Done) and done.state is not None
        state = done.state
    data: Dataset = chat.shop.dataset
    oracle: Mapping[str, dict[str, object]] = {
        row["item_id"]: row for row in data.extras["oracle"].iter_rows(named=True)
    }
    cards = [card for event in events if isinstance(event, Cards) for card in event.cards]
    words = "".join(event.text for event in events if isinstance(event, Token))
    return [{**oracle[card.item], "price": card.price} for card in cards], words, state


def test_what_only_pictures_show_is_found_by_its_words(seeing: Conversation) -> None:
    index = seeing.shop.index
    assert index.having(["blue"]) == index.having(["dots"]) == 0
    found, words, state = said(seeing, "blue with dots")
    # One item in 32 is both.
    assert sum(card["colour"] == "blue" and card["pattern"] == "dots" for card in found) >= 2
    assert len(found) == 4 and "No item says “blue” or “dots”, so I went by pictures." in words
    assert state.wish == "blue dots"


def test_a_wish_in_pictures_stays_within_the_kind_and_the_price_that_are_said(
    seeing: Conversation,
) -> None:
    found, _, state = said(seeing, "a red lamp", "under 50")
    assert found and state.wish == "red lamp"
    assert {card["kind"] for card in found} == {"lamp"}
    assert all(card["price"] < 50 for card in found)
    assert found[0]["colour"] == "red", found


def test_where_items_say_all_of_a_wish_no_others_are_shown(seeing: Conversation) -> None:
    found, words, _ = said(seeing, "vases")
    assert {card["kind"] for card in found} == {"vase"} and "pictures" not in words


def test_without_vectors_an_unknown_word_finds_nothing(seeing: Conversation) -> None:
    blind = Conversation(replace(seeing.shop, finder=None).open())
    found, words, _ = said(blind, "blue with dots")
    assert not found and words.startswith("I have nothing for “blue” or “dots”")


def test_of_two_words_that_name_things_the_last_says_what_it_is():
    titles = ["Grapes red", "Apples red", "Delicious red", "Italian wine", "French wine"]
    titles += [
        "Beans green",
        "Peppers green",
        "Onions green",
        "Black tea",
        "White tea",
        "Plain mug",
    ]
    titles += ["Tall mug"] + ["Frozen pizza"] * 17
    items = pl.DataFrame({"item_id": [str(row) for row in range(len(titles))], "title": titles})
    index = WordIndex(Catalog(items))
    assert index.thing(["red", "wine"]) == "wine"
    assert index.thing(["green", "tea"]) == "tea"
    assert index.thing(["mug", "shiny"]) == "mug"
    # Hardly anything is called a mug beside so many pizzas.
    assert index.thing(["pizza", "mug"]) == "pizza"
    assert index.thing(["shiny"]) == ""
