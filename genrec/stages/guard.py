"""A text about an item of a run, held against the item's facts and a policy."""

from __future__ import annotations

from genrec.creatives.facts import ItemFacts
from genrec.creatives.guard import Guard, Policy, Verdict
from genrec.stages.prepare import stored_data
from genrec.stages.run import Run


def guard_text(run: Run, item_id: str, text: str, *, policy: Policy, channel: str = "") -> Verdict:
    """The verdict on a text about an item; a text may name no brand but the item's own.

    Raises:
        InputError: the run's catalogue has no such item.
    """
    catalog = stored_data(run).catalog
    item = catalog[item_id]
    brands = catalog.table["brand"].drop_nulls() if "brand" in catalog.attribute_names else ()
    guard = Guard(policy, brands={str(brand) for brand in brands})
    return guard.check(text, ItemFacts.of(item), channel=channel)
