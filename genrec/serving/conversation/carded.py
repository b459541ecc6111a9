"""Items as they are shown and as they are taken, each from its own record."""

from __future__ import annotations

import numpy as np

from genrec.data.sequences import History
from genrec.serving.conversation.events import Card, Cards, Chosen
from genrec.serving.conversation.evidence import Reasons, short_title
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState


def cards(shop: Shop, state: ChatState, history: History, items: np.ndarray, turn: int) -> Cards:
    """The cards of these positions, each with the first reason for it."""
    reasons = Reasons(shop, state, history)
    made = []
    for position in items.tolist():
        item = shop.catalog[position]
        made.append(
            Card(
                item=item.id,
                title=short_title(item),
                price=item.price,
                price_text=shop.price_text(item.price),
                image=shop.picture_of(item),
                why=reasons.short(position).text,
                facts=shop.short_facts(item),
            )
        )
    return Cards(tuple(made), turn)


def chosen(shop: Shop, item_id: str) -> Chosen:
    """That an item is taken."""
    item = shop.item(item_id)
    return Chosen(item.id, short_title(item), item.price, shop.price_text(item.price))
