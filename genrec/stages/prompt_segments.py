"""Segments of users' profiles as groups of soft prefixes or adapters: ``prompt.group_by``."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from genrec.data.dataset import Dataset
from genrec.errors import ConfigError
from genrec.recommenders.groups import PROFILE_SEGMENTS
from genrec.stages.profile import segments_without_forgotten
from genrec.stages.run import Run


def with_segments(run: Run, known: Dataset) -> Dataset:
    """The data set with each user's segment in its users' table, if the recipe groups by segments.

    Segments are found in the events of ``known`` alone, so that what is held out takes no part in
    them, by the recipe's sections ``profiles`` and ``segments``. They are called by what lifts
    them. Users in none have no value.

    Args:
        known: what the recommender is trained on.

    Raises:
        ConfigError: no segment is found.
        MissingExtra: faiss is not installed.
    """
    if run.recipe.prompt.group_by != PROFILE_SEGMENTS:
        return known
    with run.watched("Find segments") as stage:
        found = segments_without_forgotten(run, known)
        stage.note = f"{len(found.segments)} segments, {found.withheld:,} users in none"
    if not found.segments:
        raise ConfigError(
            f"prompt.group_by is '{PROFILE_SEGMENTS}', and no {found.config.floor:,} users of "
            f"{known.name} share a like that sets them apart. Fewer visits or a smaller lift make "
            "more likes (profiles.visits, profiles.lift), segments.floor smaller segments; or "
            "leave prompt.group_by out."
        )
    names = {one.id: one.name for one in found.segments}
    members = found.members.select(
        pl.col("user_id").cast(pl.String),
        pl.col("segment").replace_strict(names, return_dtype=pl.String).alias(PROFILE_SEGMENTS),
    )
    table = known.user_table
    if table is None:
        return replace(known, user_table=members)
    rest = table.drop(PROFILE_SEGMENTS, strict=False).with_columns(
        pl.col("user_id").cast(pl.String)
    )
    joined = rest.join(
        members, on="user_id", how="full", coalesce=True, maintain_order="left_right"
    )
    return replace(known, user_table=joined)
