"""Judging a picture tower: retrieval in both directions, and attributes by linear probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data.catalog import Catalog
from genrec.data.item_split import drawn_order, hold_out
from genrec.data.media import MediaProblem
from genrec.encoders.base import ItemVectors
from genrec.encoders.image import ImageEncoder
from genrec.errors import ConfigError, nearest
from genrec.evaluation.retrieval import Retrieval, retrieve
from genrec.evaluation.tower_report import TowerReport
from genrec.stages.judge_probes import SeenPhotos, read_attributes, see
from genrec.stages.run import Stage

# Share of a collection's items that probes are tested on where the tower has seen none of them.
PROBED = 0.2


@dataclass(frozen=True, eq=False)
class JudgedItems:
    """Positions in a catalogue.

    Attributes:
        searched: whose titles and photos are searched; the tower has seen none of them.
        learned: whose attributes probes learn from.
        tested: whose attributes probes guess.
    """

    searched: np.ndarray
    learned: np.ndarray
    tested: np.ndarray

    @staticmethod
    def of_training(catalog: Catalog, held_out: int, *, seed: int) -> JudgedItems:
        """Of the collection that the tower was trained on: the held-out items are judged."""
        train, test = hold_out(catalog.ids, held_out, seed=seed)
        return JudgedItems(test, train, test)

    @staticmethod
    def of_others(catalog: Catalog) -> JudgedItems:
        """Of a collection that the tower has never seen; probes have learned elsewhere."""
        everything = np.arange(len(catalog))
        return JudgedItems(everything, np.array([], np.int64), everything)

    @staticmethod
    def of_others_alone(catalog: Catalog, *, seed: int) -> JudgedItems:
        """Of such a collection, where probes learn from four fifths of it and guess the rest."""
        held = max(2, round(PROBED * len(catalog)))
        learned, tested = hold_out(catalog.ids, held, seed=seed)
        return JudgedItems(np.arange(len(catalog)), learned, tested)

    @property
    def all(self) -> np.ndarray:
        return np.unique(np.concatenate([self.searched, self.learned, self.tested]))


def judge_tower(
    tower: Path,
    catalog: Catalog,
    items: JudgedItems,
    *,
    probes: Sequence[str],
    pool: int,
    seed: int,
    title: str,
    stage: Stage,
    before: Sequence[MediaProblem] = (),
    lessons: Catalog | None = None,
) -> TowerReport:
    """A tower's report on the items of a catalogue.

    Args:
        tower: its folder, opened as any encoder's model is.
        probes: attributes that are read from the vectors.
        pool: items that a title is searched among.
        seed: of the order in which items are cut into pools.
        before: files that training left out, to be listed too.
        lessons: items of another catalogue that probes learn from, instead of those in ``items``.

    Raises:
        ConfigError: the catalogue has no such attribute.
    """
    unknown = [name for name in probes if name not in catalog.attribute_names]
    if unknown:
        raise ConfigError(
            f"The catalogue has no attribute '{unknown[0]}' to probe; "
            f"{nearest(unknown[0], catalog.attribute_names)}"
        )
    encoder = ImageEncoder(str(tower), batch_size=64)
    needed = items.all if probes else items.searched
    part = catalog.take(needed)
    found = encoder.encode(
        part, progress=lambda done, total: stage.progress(done, total, "encoding pictures")
    )
    usable = needed[found.mask]
    left_out = {one.item_id: one for one in (*before, *found.problems)}
    values: dict[str, Any] = {"judged": len(items.searched), "left_out": len(left_out)}
    tables: dict[str, list[dict[str, Any]]] = {}
    headlines = []
    if encoder.reads_text:
        rows = np.searchsorted(needed, np.intersect1d(items.searched, usable))
        both = _retrieval(encoder, part, found, rows, pool=pool, seed=seed)
        tables["Retrieval"] = [_row(name, result) for name, result in both.items()]
        tables["Retrieval"].append(_row("chance", both["title to photo"], chance=True))
        values |= {name.replace(" ", "_"): _values(result) for name, result in both.items()}
        forward = both["title to photo"]
        times = forward.recall[10] / forward.chance[10]
        values["photo_recall10_over_chance"] = times
        headlines.append(
            f"Title to photo R@10 {forward.recall[10]:.3f} among {forward.pool:,} photos that were "
            f"never trained on, {times:.1f} times chance ({forward.chance[10]:.3f})."
        )
    if probes:
        seen = see(part, found, stage)
        own = needed[seen.rows]
        if lessons is None:
            learned = seen.take(np.isin(own, items.learned))
        else:
            learned = _lessons(encoder, lessons, stage)
        read = read_attributes(
            learned,
            seen.take(np.isin(own, items.tested)),
            probes,
            stage=stage,
        )
        values["probes"] = read.accuracy
        values["probed"] = read.counts
        tables["Attributes by linear probe, accuracy"] = [
            {"attribute": name, **figures, "value not learned": read.counts[name]["unknown"]}
            for name, figures in read.accuracy.items()
        ]
        headlines += [_claim(name, figures) for name, figures in values["probes"].items()]
    return TowerReport(
        title=title,
        headline=" ".join(headlines) or "Nothing was judged: no words and no probes.",
        protocol=_protocol(items, lessons, probes, pool),
        tables=tables,
        values=values,
        problems=sorted(left_out.values(), key=lambda one: catalog.position(one.item_id)),
    )


def _protocol(items: JudgedItems, lessons: Catalog | None, probes: Sequence[str], pool: int) -> str:
    """How a tower was judged, in one line."""
    said = (
        f"{len(items.searched):,} items in pools of {min(pool, len(items.searched)):,}; only "
        "the item's own photo or title is a hit, ties fall at random"
    )
    if not probes:
        return said
    learned = f"{len(items.learned):,} items"
    if lessons is not None:
        learned = f"{len(lessons):,} items that the tower was trained on"
    return f"{said}; probes learn from {learned} and guess {len(items.tested):,}"


def _lessons(encoder: ImageEncoder, lessons: Catalog, stage: Stage) -> SeenPhotos:
    found = encoder.encode(
        lessons, progress=lambda done, total: stage.progress(done, total, "encoding lessons")
    )
    return see(lessons, found, stage)


def _retrieval(
    encoder: ImageEncoder,
    part: Catalog,
    found: ItemVectors,
    rows: np.ndarray,
    *,
    pool: int,
    seed: int,
) -> dict[str, Retrieval]:
    # Another order than that which held items out, so that pools do not depend on it.
    rows = rows[drawn_order([part.ids[row] for row in rows], seed=seed + 1)]
    titles = part.table["title"].to_list()
    words, pictures = encoder.encode_texts([titles[row] for row in rows]), found.vectors[rows]
    return {
        "title to photo": retrieve(words, pictures, pool=pool),
        "photo to title": retrieve(pictures, words, pool=pool),
    }


def _row(name: str, result: Retrieval, *, chance: bool = False) -> dict[str, Any]:
    figures = result.chance if chance else result.recall
    return {"direction": name, **{f"R@{cutoff}": value for cutoff, value in figures.items()}}


def _values(result: Retrieval) -> dict[str, Any]:
    return {
        **{f"recall@{cutoff}": value for cutoff, value in result.recall.items()},
        **{f"chance@{cutoff}": value for cutoff, value in result.chance.items()},
        "queries": result.queries,
        "pool": result.pool,
    }


def _claim(name: str, figures: dict[str, float]) -> str:
    best = max((kind for kind in figures if kind != "tower"), key=lambda kind: figures[kind])
    verb = "beats" if figures["tower"] > figures[best] else "does not beat"
    return (
        f"A linear probe of {name} ({figures['tower']:.3f}) {verb} its best control, {best} "
        f"({figures[best]:.3f})."
    )
