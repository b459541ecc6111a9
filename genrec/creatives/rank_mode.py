"""Rank mode: verified statements, the ones that matter most to the shopper, in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from genrec.creatives.channels import Field
from genrec.creatives.plan import Draft, Option, Plan
from genrec.creatives.statements import Sayable


def rank(plan: Plan, *, candidate: int = 0, seed: int = 0) -> Draft:
    """The draft that says the weightiest statements.

    Args:
        candidate: 0 takes the tone's own wordings; later ones vary wordings and, below the first
            statement, their order.
        seed: of those variations.
    """
    if candidate == 0:
        return plan.written(weightiest)
    varied = replace(plan, sayings=_reworded(plan, candidate, seed))
    return varied.written(weightiest)


def weightiest(place: Field, begun: str, options: Sequence[Option]) -> int:
    """The first option: options come weightiest first."""
    del place, begun, options
    return 0


def _reworded(plan: Plan, candidate: int, seed: int) -> list[Sayable]:
    """The same statements with other wordings first, and weights a little apart."""
    sayings = []
    for one in plan.sayings:
        drawn = _drawn(seed, candidate, one.rule, *one.values)
        turn = drawn % len(one.full)
        jitter = 0.7 + 0.6 * ((drawn >> 16) % 1000) / 1000
        full = (*one.full[turn:], *one.full[:turn])
        sayings.append(replace(one, full=full, turn=jitter))
    return sayings


def _drawn(*parts: object) -> int:
    """A number that the parts alone decide, on every machine."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
