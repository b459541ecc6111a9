"""Groups of users with like traits, named by what lifts them, none smaller than a floor.

A user is a vector over the commonest traits, each as strong as the trait is; likes of narrow
things (an article, a type) count for the kind that they belong to, or no two users were alike.
K-means (faiss, by way of the quantiser of semantic IDs) groups the vectors. Groups below the floor
are dissolved: each of their users goes to the nearest group that is left. Users who show none of
the traits are in no segment, nor is anybody if fewer than the floor show any. Nothing is said of a
segment that fewer than the floor of its users show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from genrec.errors import InputError, MissingExtra
from genrec.profiles.build import Profiles
from genrec.profiles.crowd import parents
from genrec.profiles.options import SegmentConfig

COMPARED = ("like", "like share", "price", "rhythm", "promotion", "habit", "loyalty")
_GENERAL = {
    "loyalty": ("brands in general",),
    "price": ("for its",),
    "rhythm": ("weekday", "time of day"),
}
NAMED = 3
LIFT = 1.3
SHOWN = 0.15
"""A trait lifts a segment when so many of its users show it, ``LIFT`` times the share of all."""
TYPICAL = 0.25
"""It is part of the segment's name when so many do."""
ROUNDS = 20


@dataclass(frozen=True)
class Segment:
    """One group of users.

    Attributes:
        id: ``s1`` is the largest.
        name: what lifts it.
        traits: of those that lift it: kind, name, value, share here, share of all users.
    """

    id: str
    name: str
    users: int
    traits: tuple[tuple[str, str, str, float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        keys = ("kind", "name", "value", "share", "share_of_all")
        return {
            "id": self.id,
            "name": self.name,
            "users": self.users,
            "traits": [dict(zip(keys, one, strict=True)) for one in self.traits],
        }


@dataclass(frozen=True)
class Segments:
    """All segments, the largest first.

    Attributes:
        members: columns ``user_id``, ``segment``.
        withheld: users in no segment: they show too little, or too few are like them.
    """

    segments: tuple[Segment, ...]
    members: pl.DataFrame
    withheld: int
    config: SegmentConfig

    def of(self, user: str) -> Segment | None:
        """The segment of a user, ``None`` if none."""
        found = self.members.filter(pl.col("user_id") == str(user))["segment"]
        return next((one for one in self.segments if len(found) and one.id == found[0]), None)

    def users(self, segment: str) -> list[str]:
        """The users of a segment, by id (``s1``) or name.

        Raises:
            InputError: there is no such segment.
        """
        ids = [one.id for one in self.segments if segment in (one.id, one.name)]
        if not ids:
            known = ", ".join(one.id for one in self.segments) or "none"
            raise InputError(f"There is no segment '{segment}'; there are: {known}")
        return self.members.filter(pl.col("segment") == ids[0])["user_id"].to_list()


def find_segments(profiles: Profiles, config: SegmentConfig | None = None) -> Segments:
    """Groups of users over their traits; the same for the same profiles and seed.

    Raises:
        MissingExtra: faiss is not installed.
    """
    config = config or SegmentConfig()
    features, table = _features(profiles, config)
    vectors, known = _vectors(table, len(features), len(profiles))
    group = np.full(len(profiles), -1)
    if known.sum() >= config.floor:
        found = _clusters(vectors[known], config)
        group[known] = found
    sizes = np.bincount(group[group >= 0])
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    segments = []
    label = np.full(len(profiles), "", dtype=object)
    overall = (vectors > 0).mean(axis=0) if len(vectors) else np.zeros(len(features))
    for place, cluster in enumerate(order, 1):
        inside = group == cluster
        label[inside] = f"s{place}"
        segments.append(_described(f"s{place}", vectors[inside], overall, features, config))
    users = profiles.users.select("user_id").with_columns(segment=pl.Series(label, dtype=pl.String))
    members = users.filter(pl.col("segment") != "")
    return Segments(_distinct_names(segments), members, len(profiles) - members.height, config)


def _features(profiles: Profiles, config: SegmentConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The commonest traits, and who has which how strongly."""
    name = pl.col("name")
    table = _rolled_up(profiles).filter(pl.col("kind").is_in(COMPARED))
    for kind, starts in _GENERAL.items():
        fits = pl.any_horizontal(name.str.starts_with(start) for start in starts)
        table = table.filter((pl.col("kind") != kind) | fits)
    table = table.filter(pl.col("value") != "about the usual")
    keys = ["kind", "name", "value"]
    table = table.group_by("user", *keys).agg(pl.col("strength").max())
    features = (
        table.group_by(keys)
        .agg(pl.len().alias("users"))
        .filter(pl.col("users") >= config.floor)
        .sort(["users", *keys], descending=[True, False, False, False])
        .head(config.features)
        .with_row_index("feature")
    )
    return features, table.join(features, on=keys).select("user", "feature", "strength")


def _rolled_up(profiles: Profiles) -> pl.DataFrame:
    """The traits, with likes of articles and narrow values as likes of their kind."""
    traits = profiles.traits.select("user", "kind", "name", "value", "strength")
    goods = None if profiles.builder is None else profiles.builder.goods
    if goods is None or goods.within is None:
        return traits
    within, parts = goods.within, []
    for attribute in [*goods.likes, goods.titles]:
        if len(attribute.values) <= len(within.values):
            continue
        narrow = pl.col("kind").is_in(["like", "favourite"]) & (pl.col("name") == attribute.name)
        part = traits.filter(narrow)
        traits = traits.filter(~narrow)
        above = parents(attribute, within, part["value"])
        parts.append(
            part.join(above, on="value").select(
                "user",
                pl.lit("like").alias("kind"),
                pl.lit(within.name).alias("name"),
                pl.col("parent").alias("value"),
                "strength",
            )
        )
    return pl.concat([traits, *parts])


def _vectors(table: pl.DataFrame, features: int, users: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.zeros((users, features), np.float32)
    # Logarithms, so that one extreme trait does not speak for all others.
    strength = np.log1p(table["strength"].to_numpy())
    vectors[table["user"].to_numpy(), table["feature"].to_numpy()] = strength
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-9), length[:, 0] > 0


def _clusters(vectors: np.ndarray, config: SegmentConfig) -> np.ndarray:
    """A group for each vector, none below the floor."""
    try:
        import faiss  # noqa: F401
    except ImportError as error:
        raise MissingExtra("faiss-cpu", "llm", "Segments") from error
    from genrec.semantic_ids.quantizer import ResidualKMeans

    wanted = min(config.segments, max(len(vectors) // config.floor, 1))
    kmeans = ResidualKMeans(levels=1, codebook_size=wanted, iterations=ROUNDS)
    kmeans.fit(vectors, seed=config.seed)
    centres = kmeans.codebooks[0]
    group = kmeans.encode(vectors)[:, 0].astype(np.int64)
    open_ = np.unique(group)
    while True:
        sizes = np.bincount(group, minlength=len(centres))
        small = open_[sizes[open_] < config.floor]
        if not len(small) or len(open_) == 1:
            return group
        # The smallest first: others may grow above the floor by it.
        gone = small[np.argmin(sizes[small])]
        open_ = open_[open_ != gone]
        rows = np.flatnonzero(group == gone)
        apart = ((vectors[rows, None] - centres[open_][None]) ** 2).sum(axis=2)
        group[rows] = open_[apart.argmin(axis=1)]


def _described(
    name: str,
    inside: np.ndarray,
    overall: np.ndarray,
    features: pl.DataFrame,
    config: SegmentConfig,
) -> Segment:
    shown = (inside > 0).sum(axis=0)
    share = shown / len(inside)
    ratio = share / np.maximum(overall, 1e-9)
    telling = (ratio >= LIFT) & (share >= SHOWN) & (shown >= config.floor)
    # Common within, and more common than elsewhere.
    order = np.argsort(-share * np.log(np.maximum(ratio, 1e-9)), kind="stable")
    rows = [int(row) for row in order if telling[row]][:8]
    traits = tuple(
        (*features.row(row)[1:4], round(float(share[row]), 3), round(float(overall[row]), 3))
        for row in rows
    )
    words = [_word(kind, value) for kind, _, value, here, _ in traits if here >= TYPICAL]
    words = list(dict.fromkeys(words))[:NAMED]
    return Segment(name, " + ".join(words) or "mixed tastes", len(inside), traits)


def _word(kind: str, value: str) -> str:
    if kind == "price":
        return f"prices {value}"
    return value


def _distinct_names(segments: list[Segment]) -> tuple[Segment, ...]:
    names = [one.name for one in segments]
    return tuple(
        Segment(
            one.id,
            one.name if names.count(one.name) == 1 else f"{one.name} ({one.id})",
            one.users,
            one.traits,
        )
        for one in segments
    )
