"""What a campaign is written from, opened: data, recipients, items and the copywriter.

Each process that writes opens a desk of its own; what travels between them is a campaign and the
numbers of its jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from genrec.creatives.ad import Ad
from genrec.creatives.ad_store import AdStore, table_of
from genrec.creatives.audience import SEGMENT, USER, Audience, SegmentProfiles, named
from genrec.creatives.campaign import ALL, Campaign
from genrec.creatives.channels import load_channels
from genrec.creatives.jobs import Plan, Variant, plan_jobs, variants_of
from genrec.creatives.provenance import item_digest
from genrec.creatives.writer import AdRequest, AdWriter
from genrec.creatives.writers import languages_of, open_writer
from genrec.data.dataset import Dataset
from genrec.data.filters import FilterCompiler
from genrec.errors import InputError
from genrec.profiles.storage import Tombstones
from genrec.recipe import Recipe
from genrec.stages.batch import recommend_all
from genrec.stages.batch_folder import BatchOptions
from genrec.stages.engines import Progress
from genrec.stages.prepare import stored_data
from genrec.stages.profile import builder_of, segments_without_forgotten
from genrec.stages.run import Run
from genrec.workspace import Workspace


@dataclass(frozen=True)
class AdJob:
    """What a process needs to write ads, in values that travel.

    Attributes:
        run: open at the version that the campaign keeps to.
    """

    run: Workspace
    recipe: Recipe
    campaign: Campaign
    store: AdStore


@dataclass(frozen=True)
class WritePart:
    """Jobs that are written together: rows of a plan."""

    rows: pl.DataFrame

    @property
    def size(self) -> int:
        """How many."""
        return self.rows.height


class PartWriter:
    """An open desk that writes parts; every engine goes through it.

    Args:
        desk: one that is open in this process already.
    """

    def __init__(self, job: AdJob, desk: Desk | None = None) -> None:
        self.store = job.store
        self.desk = desk or Desk.open(Run(job.recipe, job.run), job.campaign)

    def __call__(self, part: WritePart, progress: Progress) -> None:
        """Writes one part, and keeps it as a whole or not at all."""
        before = self.desk.writer.writer.tokens
        ads = self.desk.write(part.rows)
        read, written = (
            now - was for now, was in zip(self.desk.writer.writer.tokens, before, strict=True)
        )
        # What a batch took is put down with its first ad: a server does not say it ad by ad.
        tokens = [(read, written), *[(0, 0)] * (len(ads) - 1)]
        rows = [(ad.id, ad.to_json(), *took) for ad, took in zip(ads, tokens, strict=True)]
        self.store.write(table_of(rows))
        progress(part.size)


@dataclass
class Desk:
    """Everything that a campaign's ads are made from."""

    run: Run
    campaign: Campaign
    dataset: Dataset
    audience: Audience
    writer: AdWriter

    @staticmethod
    def open(run: Run, campaign: Campaign) -> Desk:
        """Reads the run's data and opens the copywriter.

        Raises:
            InputError: the campaign asks for what is not there; lists all of it.
            ArtefactError: the run has no data set.
        """
        dataset = stored_data(run)
        languages = languages_of(campaign.write.mode)
        campaign.check(dataset.catalog, channels=load_channels(), languages=languages)
        writer = AdWriter(campaign, open_writer(campaign.write))
        audience = _audience(run, dataset, campaign)
        return Desk(run, campaign, dataset, audience, writer)

    def job(self, store: AdStore) -> AdJob:
        """For other processes."""
        workspace = self.run.workspace
        return AdJob(workspace.at(workspace.version), self.run.recipe, self.campaign, store)

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(
            variants_of(
                self.campaign.placements, self.campaign.languages, self.campaign.write.seeds
            )
        )

    def plan(self, best: pl.DataFrame | None = None) -> Plan:
        """All jobs.

        Args:
            best: ``user`` and ``item_id``, best first, where the recommender chooses the items.

        Raises:
            InputError: there are none, or too many.
        """
        who, what = self._chosen(best) if best is not None else self._all_pairs()
        digests = [""] * len(self.dataset.catalog)
        for position in np.unique(what).tolist():
            digests[position] = item_digest(self.dataset.catalog[position])
        return plan_jobs(
            (who, what),
            self.variants,
            base=self.writer.base,
            recipients=self.audience.digests,
            items=digests,
        )

    def _all_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        positions = self._positions
        users = len(self.audience.names)
        return np.repeat(np.arange(users), len(positions)), np.tile(positions, users)

    @cached_property
    def _positions(self) -> np.ndarray:
        catalog, what = self.dataset.catalog, self.campaign.what
        if isinstance(what.items, tuple):
            return catalog.positions(what.items)
        allowed = FilterCompiler(catalog).compile(what.where).allowed
        return np.arange(len(catalog)) if allowed is None else np.flatnonzero(allowed)

    def _chosen(self, best: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        numbers = {name: number for number, name in enumerate(self.audience.names)}
        # Whoever is forgotten since is no recipient any more.
        best = best.filter(pl.col("user").is_in(list(numbers)))
        who = np.fromiter((numbers[user] for user in best["user"]), np.int64, best.height)
        return who, self.dataset.catalog.positions(best["item_id"].to_list())

    def stored_best(self, folder: Path) -> pl.DataFrame | None:
        """What the recommender chose when the campaign ran; ``None`` if it has not."""
        if self.campaign.what.best is None or not (folder / "_manifest.json").is_file():
            return None
        return read_best(folder)

    def write(self, rows: pl.DataFrame) -> list[Ad]:
        """The ads of these rows of the plan."""
        requests = [
            AdRequest(
                key,
                self.dataset.catalog[item],
                self.audience.profile(recipient),
                self.variants[variant],
            )
            for recipient, item, variant, key in rows.select(
                "recipient", "item", "variant", "key"
            ).iter_rows()
        ]
        return self.writer.make(requests)

    def differences(self, stored: Ad, recipients: Sequence[str]) -> list[str]:
        """What has changed since an ad was written, in words.

        Args:
            recipients: whom it was written for.
        """
        numbers = {name: number for number, name in enumerate(self.audience.names)}
        if not self.dataset.catalog.has(stored.item):
            return [f"the catalogue has no item '{stored.item}' any more"]
        known = [numbers[name] for name in recipients if name in numbers]
        if not known:
            return [f"'{recipients[0]}' is no recipient any more"]
        variant = Variant(stored.channel, stored.language, stored.provenance.seed)
        request = AdRequest(
            stored.id, self.dataset.catalog[stored.item], self.audience.profile(known[0]), variant
        )
        return stored.provenance.differences(self.writer.provenance(request)) or [
            "the campaign's placements, languages, seeds or items"
        ]


def ask_recommender(run: Run, campaign: Campaign, folder: Path) -> pl.DataFrame | None:
    """The items that the recommender chooses for each user; ``None`` where none are asked for.

    They are kept as shards in a folder, so that a killed campaign does not choose anew.
    """
    best = campaign.what.best
    if best is None:
        return None
    options = BatchOptions(n=best.n, new=best.new, where=best.where)
    recommend_all(run, folder, options, users=campaign.named_users())
    return read_best(folder)


def read_best(folder: Path) -> pl.DataFrame:
    """``user`` and ``item_id``, in the order of users, best first."""
    return pl.concat(
        pl.read_parquet(part, columns=["user", "item_id"], glob=False)
        for part in sorted(folder.glob("part-*"))
    )


def _audience(run: Run, dataset: Dataset, campaign: Campaign) -> Audience:
    """Who gets ads and what is known of them; of the forgotten nothing is, and they get none."""
    quiet = campaign.brief.intensity == "none"
    wanted = campaign.who.segments
    if wanted is not None:
        groups = SegmentProfiles(segments_without_forgotten(run, dataset))
        names = named(None if wanted == ALL else wanted, groups.ids, SEGMENT, also=groups)
        if not names:
            raise InputError("who.segments: too few users are alike for a segment; name users.")
        return Audience(names, SEGMENT, None if quiet else groups)
    gone = Tombstones.read(run.workspace).among(dataset.users)
    there = [str(user) for user in dataset.users if str(user) not in gone]
    names = named(campaign.named_users(), there, USER)
    return Audience(names, USER, None if quiet else builder_of(run, dataset).profiles())
