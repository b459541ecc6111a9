"""What the shop thinks of a shopper and why, with the items that each thought rests on."""

from __future__ import annotations

from collections.abc import Iterable

from genrec.data.sequences import History
from genrec.profiles.sentences import addressed
from genrec.serving.conversation.shop import Shop
from genrec.serving.conversation.state import ChatState
from genrec.serving.shopfront_schemas import Evidence, ProfileAnswer, TraitAnswer

# Traits, and items of each, that are shown.
TRAITS, SHOWN = 12, 6


def profile_view(shop: Shop, state: ChatState) -> ProfileAnswer:
    """The profile of a session's user, and what the session itself has learned."""
    profile = shop.profile(state.user) if state.user else None
    answer = ProfileAnswer(
        user=state.user,
        known=profile is not None,
        events=0,
        left_out=0,
        likes=_items(shop, state.likes),
        rejected=_items(shop, state.rejected),
        where=dict(state.where),
    )
    if profile is None:
        return answer
    # The profile's evidence is numbered within the data set, not within what came later.
    past = shop.dataset.history(state.user)
    traits = [
        TraitAnswer(
            kind=trait.kind,
            text=addressed(trait.text),
            strength=round(trait.strength, 2),
            events=trait.events,
            evidence=_events(shop, past, trait.evidence),
        )
        for trait in profile.traits[:TRAITS]
    ]
    return answer.model_copy(
        update={"events": profile.events, "left_out": profile.left_out, "traits": traits}
    )


def _items(shop: Shop, ids: Iterable[str]) -> list[Evidence]:
    known = [one for one in ids if shop.catalog.has(one)]
    return [Evidence(item=one, title=shop.item(one).title, time=None) for one in known[-SHOWN:]]


def _events(shop: Shop, past: History, numbers: Iterable[int]) -> list[Evidence]:
    """The latest events of these numbers, each title once."""
    found: dict[str, Evidence] = {}
    for number in sorted(numbers, reverse=True):
        if number >= len(past) or len(found) == SHOWN:
            continue
        item = shop.catalog[int(past.items[number])]
        when = None if past.times is None else int(past.times[number])
        # Items of one title look like one to a shopper.
        found.setdefault(item.title, Evidence(item=item.id, title=item.title, time=when))
    return list(found.values())
