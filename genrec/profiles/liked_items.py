"""Items that lift what a segment's users chose over what all users did."""

from __future__ import annotations

import numpy as np
import polars as pl

from genrec.errors import ConfigError
from genrec.profiles.build import Builder, Profiles
from genrec.profiles.segments import Segment, Segments


def liked_items(
    builder: Builder, profiles: Profiles, segments: Segments, segment: str, *, most: int
) -> tuple[Segment, np.ndarray]:
    """A segment and the positions of items that its users like more than others do, best first.

    Of a user, those events count that a trait rests on, so that no sensitive item is among them. An
    item that fewer users than the segments' floor chose is left out.

    Args:
        segment: id or name.
        most: so many items at most.

    Raises:
        InputError: there is no such segment.
        ConfigError: no item reaches the floor.
    """
    members = set(segments.users(segment))
    chosen = _chosen(builder, profiles)
    users = profiles.users["user_id"].to_list()
    inside = chosen.filter(
        pl.col("user").is_in([n for n, name in enumerate(users) if name in members])
    )
    of_all = np.bincount(chosen["item"].to_numpy(), minlength=len(builder.dataset.catalog))
    own = np.bincount(inside["item"].to_numpy(), minlength=len(of_all))
    floor = segments.config.floor
    lift = (own / max(inside.height, 1)) / np.maximum(of_all / max(chosen.height, 1), 1e-12)
    fits = np.flatnonzero((own >= floor) & (lift > 1))
    if not len(fits):
        raise ConfigError(
            f"No item was chosen by {floor} users of the segment '{segment}' and more than by "
            f"others; the most of one item is {own.max(initial=0)} of {len(members)} users. Lower "
            "segments.floor in the recipe, or name items."
        )
    # What lifts most among the common: a rare item's lift is mostly chance.
    order = np.argsort(-own[fits] * np.log(lift[fits]), kind="stable")
    found = next(one for one in segments.segments if segment in (one.id, one.name))
    return found, fits[order][:most]


def _chosen(builder: Builder, profiles: Profiles) -> pl.DataFrame:
    """Who chose what by the events that traits rest on: ``user`` (a number) and ``item``, once."""
    sequences = builder.sequences
    events = (
        profiles.traits.select("user", pl.col("evidence").alias("event"))
        .explode("event")
        .drop_nulls()
        .unique()
        .sort("user", "event")
    )
    starts = sequences.offsets[events["user"].to_numpy()]
    items = sequences.items[starts + events["event"].to_numpy().astype(np.int64)]
    found = pl.DataFrame({"user": events["user"], "item": items})
    return found.unique(maintain_order=True)
