"""A trait's row as a sentence that a shopkeeper understands. Every number in it is measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OFTEN = 0.2
"""The share of visits from which something is bought often."""


_VERBS = ("buy", "come", "stay", "pay", "leave", "redeem", "choose", "change")
# How the sentences below begin, and how they are said to the shopper. The first that fits counts.
_TO_YOU = tuple(
    (re.compile(rf"^{said}\b"), told)
    for said, told in (
        ("Often (buy|come)s", r"You often \1"),
        *((f"{verb}s".capitalize(), f"You {verb}") for verb in _VERBS),
        ("Has stayed", "You have stayed"),
        ("Was last here", "You were last here"),
        ("Half of all purchases", "Half of your purchases"),
        ("In (.+?) stays with", r"In \1 you stay with"),
    )
)
_ASIDE = re.compile(r" \(median of [^)]*\)")


def sentence(row: Mapping[str, Any]) -> str:
    """What a trait says, in words.

    Args:
        row: with the columns of ``found.SCHEMA``; ``kind`` may end with ``share``.
    """
    kind, _, way = row["kind"].partition(" ")
    if way:
        return _share(row)
    return _WORDS[kind](row)


def addressed(text: str) -> str:
    """A sentence as it is said to the shopper rather than of them."""
    text = _ASIDE.sub("", text)
    for said, told in _TO_YOU:
        if said.match(text):
            return said.sub(told, text, count=1)
    return text


def _like(row: Mapping[str, Any]) -> str:
    what = f"{row['value']} ({row['name']})"
    if row["count"] < OFTEN * row["of"]:
        return f"Buys {what} more than others: {_visits(row)}."
    return f"Often buys {what}: {_visits(row)}."


def _share(row: Mapping[str, Any]) -> str:
    return (
        f"Buys more {row['value']} ({row['name']}) than others: "
        f"{_percent(row['count'], row['of'])} of all purchases; others "
        f"{_percent(row['expected'], row['of'])}."
    )


def _favourite(row: Mapping[str, Any]) -> str:
    does = "Comes for" if row["count"] >= OFTEN * row["of"] else "Comes back for"
    return f"{does} {row['value']}: {_visits(row)}."


def _visits(row: Mapping[str, Any]) -> str:
    expected = row["expected"]
    usual = "hardly one" if expected < 0.1 else f"{expected:.{1 if expected < 10 else 0}f}"
    shown = f"on {_count(row['count'])} of {_count(row['of'])} visits"
    return f"{shown}; {usual} is usual with such baskets"


def _loyalty(row: Mapping[str, Any]) -> str:
    if row["name"] == "brands in general":
        more = row["value"] == "stays with brands"
        share = row["count"] if more else row["of"] - row["count"]
        usual = row["expected"] if more else row["of"] - row["expected"]
        does = "Stays with a brand" if more else "Changes brands"
        return (
            f"{does}: {_percent(share, row['of'])} of {_count(row['of'])} next purchases of a kind "
            f"{'are of the same brand' if more else 'are of another brand'}; others' "
            f"{_percent(usual, row['of'])}."
        )
    return (
        f"In {row['name']} stays with {row['value']}: {_count(row['count'])} of "
        f"{_count(row['of'])} purchases; others {_percent(row['expected'], row['of'])}."
    )


def _price(row: Mapping[str, Any]) -> str:
    if row["name"] == "range":
        return f"Half of all purchases cost {row['count']:.2f} to {row['of']:.2f} each."
    apart = abs(row["count"] - 1)
    across = f"over {_count(row['of'])} kinds ({row['name'].removeprefix('for its ')})"
    if row["value"] == "about the usual":
        return f"Pays about what others pay, {across}."
    side = "less" if row["count"] < 1 else "more"
    return f"Chooses what costs {apart:.0%} {side} than others' choice of its kind, {across}."


def _rhythm(row: Mapping[str, Any]) -> str:
    if row["name"] == "days between visits":
        return (
            f"Comes every {_every(row['count'])} (median of {_count(row['of'])} gaps); "
            f"others every {_every(row['expected'])}."
        )
    where = f"on {row['value']}" if row["name"] == "weekday" else row["value"]
    return (
        f"Often comes {where}: {_percent(row['count'], row['of'])} of {_count(row['of'])} "
        f"visits; others {_percent(row['expected'], row['of'])}."
    )


def _recency(row: Mapping[str, Any]) -> str:
    since = _days(row["count"])
    if row["value"] == "lapsed":
        return (
            f"Has stayed away for {since}, longer than ever before; used to come every "
            f"{_every(row['of'])}."
        )
    return f"Was last here {since} before the data end."


def _promotion(row: Mapping[str, Any]) -> str:
    sent = f"{_count(row['of'])} campaign{'' if row['of'] == 1 else 's'}"
    return (
        f"{'Redeems' if row['value'] == 'redeems coupons' else 'Leaves'} coupons: "
        f"{_count(row['count'])} redeemed from {sent} received; others with the same campaigns "
        f"{_about(row['expected'])}."
    )


def _habit(row: Mapping[str, Any]) -> str:
    known = row["value"].startswith("comes back")
    return (
        f"{'Comes back to what they know' if known else 'Tries new things'}: "
        f"{_percent(row['count'], row['of'])} of {_count(row['of'])} choices are "
        f"{'items bought before' if known else 'new to them'}; others' "
        f"{_percent(row['expected'], row['of'])}."
    )


_WORDS = {
    "like": _like,
    "favourite": _favourite,
    "loyalty": _loyalty,
    "price": _price,
    "rhythm": _rhythm,
    "recency": _recency,
    "promotion": _promotion,
    "habit": _habit,
}


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _about(number: float) -> str:
    """An expectation: no more digits than it deserves."""
    if number < 0.1:
        return "hardly any"
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _percent(part: float, whole: float) -> str:
    share = part / whole if whole else 0.0
    return f"{share:.1%}" if 0 < share < 0.02 else f"{share:.0%}"


def _days(number: float) -> str:
    return "1 day" if number == 1 else f"{number:g} days"


def _every(number: float) -> str:
    return "day" if number <= 1 else f"{number:g} days"
