"""Pictures and films of a campaign whose texts are written; a killed run goes on where it was."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genrec.creatives.ad import Ad
from genrec.creatives.campaign import Budget, Campaign
from genrec.creatives.certificate import SigningCertificate
from genrec.creatives.credentials import Signer
from genrec.creatives.film.mux import frames_of
from genrec.creatives.media import FILM, PICTURE, Medium
from genrec.creatives.media_folder import (
    Shown,
    media_problems,
    media_report,
    read_media,
    shown_of,
    write_media,
)
from genrec.creatives.media_store import MediaStore
from genrec.errors import StorageError
from genrec.stages.ads_desk import Desk
from genrec.stages.ads_media_desk import MediaDesk, MediaMaker, parts_of
from genrec.stages.ads_writing import BudgetSpent
from genrec.stages.engines import ENGINES
from genrec.stages.run import Run

STAGE = "Make pictures and films"
_COUNTED = ((PICTURE, "pictures"), (FILM, "films"))


@dataclass(frozen=True)
class MediaMade:
    """What a campaign has beside its texts.

    Attributes:
        shown: pictures and films of each ad, by its id.
        problems: ad, kind and words of each thing that went otherwise.
        report: counts, for ``report.json``.
        files: SHA-256 of the tables.
    """

    shown: Mapping[str, Sequence[Shown]]
    problems: Sequence[tuple[str, str, str]]
    report: Mapping[str, Any]
    files: Mapping[str, str]


def make_media(
    desk: Desk,
    ads: Sequence[Ad],
    deliveries: pl.DataFrame,
    into: Path,
    store: MediaStore,
    *,
    signer: Signer,
    engine: str,
    workers: int,
) -> MediaMade:
    """Makes what is not there yet, signs it, and writes the tables.

    Args:
        ads: those that are written.
        deliveries: rows of the plan that they are for.

    Raises:
        StorageError: the disk is full; what was made is kept.
    """
    run, started = desk.run, time.perf_counter()
    run.observer.started(STAGE)
    store.clean()
    media_desk = MediaDesk.open(desk)
    jobs, links = media_desk.jobs({ad.id: ad for ad in ads}, deliveries)
    before = store.counts()
    making = _Making(run, desk.campaign.budget, store, len(jobs), started)
    there = store.find(job.id for job in jobs)
    wanted = [job for job in jobs if job.id not in there]
    cached = len(jobs) - len(wanted)
    here = engine == "local" and workers < 2
    opened = partial(MediaMaker, media_desk.work(store), media_desk if here else None)
    left = making.run(wanted, partial(ENGINES.load(engine), opened), workers)
    found = store.find(job.id for job in jobs)
    media = [found[job.id] for job in jobs if job.id in found]
    files = write_media(
        into,
        links.filter(pl.col("media_id").is_in(list(found))),
        media,
        store,
        signer,
        ingredient=media_desk.ingredient,
        progress=lambda done, total: run.observer.progressed(STAGE, done, total, "signed"),
    )
    now = store.counts()
    report = {
        **media_report(media, signer),
        "made": sum(now.values()) - sum(before.values()),
        "cached": cached,
        "left": left,
        "stopped": making.stopped,
        "broken": store.broken,
        "seconds": round(time.perf_counter() - started, 2),
    }
    note = f"{report['pictures']:,} pictures, {report['films']:,} films, {cached:,} from earlier"
    run.observer.finished(STAGE, note, report["seconds"], reused=not report["made"])
    return MediaMade(shown_of(links, found), list(media_problems(links, found)), report, files)


class _Making:
    """One run over the media that are left, watched by the budget."""

    def __init__(
        self, run: Run, budget: Budget, store: MediaStore, total: int, started: float
    ) -> None:
        self.run_, self.budget, self.store = run, budget, store
        self.total, self.started = total, started
        self.done = 0
        self.stopped = ""

    def run(self, wanted: Sequence[Any], execute: Any, workers: int) -> int:
        """Makes them; returns how many are left by the budget."""
        jobs = self._affordable(wanted)
        self.done = self.total - len(wanted)
        for _ in range(2):
            try:
                if parts := parts_of(jobs):
                    self._progress(0)
                    execute(parts, workers, self._progress)
            except BudgetSpent as spent:
                self.stopped = str(spent)
            # A second round makes what turns out to be damaged when it is read.
            found = self.store.find(job.id for job in jobs)
            jobs = [job for job in jobs if job.id not in found]
            if not jobs or self.stopped:
                left = len(wanted) - sum(job.id in found for job in wanted)
                self.stopped = self.stopped if left else ""
                return left
        raise StorageError(
            f"{len(jobs):,} pictures or films are not whole after they were written. See that no "
            "other program changes the folder and repeat the command."
        )

    def _affordable(self, wanted: Sequence[Any]) -> list[Any]:
        counts = self.store.counts()
        kept: list[Any] = []
        for kind, name in _COUNTED:
            own = [job for job in wanted if job.kind == kind]
            limit = getattr(self.budget, name)
            if limit is not None:
                most = max(limit - counts.get(kind, 0), 0)
                if most < len(own):
                    self.stopped = f"budget.{name}: {limit:,} are made"
                    own = own[:most]
            kept += own
        return kept

    def _progress(self, more: int) -> None:
        self.done += more
        self.run_.observer.progressed(STAGE, self.done, self.total, "made")
        seconds = time.perf_counter() - self.started
        if self.budget.seconds is not None and seconds >= self.budget.seconds:
            raise BudgetSpent(f"budget.seconds: {self.budget.seconds:g} s are over")


def media_at_most(campaign: Campaign, deliveries: int) -> dict[str, int]:
    """The most pictures and films that a plan can come to; equal ones are made once."""
    return {
        name: deliveries * count
        for name, count in (
            ("pictures_at_most", len(campaign.picture.layouts) if campaign.picture else 0),
            ("films_at_most", 1 if campaign.film else 0),
        )
        if count
    }


def signer_for(certificate: Path | None, key: Path | None) -> Signer:
    """Whoever signs the campaign's pictures and films.

    Raises:
        ConfigError: the certificate cannot be used.
        MissingExtra: the packages for credentials are not installed.
    """
    return Signer(SigningCertificate.found(certificate, key))


@dataclass(frozen=True)
class MadeAgain:
    """A picture or film as it lies in a folder, and as it comes out now.

    Attributes:
        same: the files are equal byte by byte, before credentials are put into them.
        apart: the largest difference of a colour, of 255, where they are not; -1 where they
            cannot be compared.
    """

    stored: Medium
    made: Medium | None
    same: bool
    apart: int = 0

    @property
    def words(self) -> str:
        """What came of it."""
        what = f"{self.stored.kind} {self.stored.id[:12]} ({self.stored.layout})"
        if self.same:
            return f"{what}: identical before signing"
        if self.made is None:
            return f"{what}: what it was made from has changed"
        if self.made.failure:
            return f"{what}: it cannot be made any more: {self.made.failure}"
        if self.apart < 0:
            return f"{what}: it came out in another size"
        return f"{what}: colours are up to {self.apart}/255 apart"


def media_again(
    desk: Desk, folder: Path, ad: Ad, deliveries: pl.DataFrame, store: MediaStore
) -> list[MadeAgain]:
    """An ad's pictures and films made again, each alone.

    Args:
        deliveries: rows of the plan that get the ad.
    """
    stored = [one.medium for one in read_media(folder).get(ad.id, [])]
    if not stored:
        return []
    media_desk = MediaDesk.open(desk)
    jobs = {job.id: job for job in media_desk.jobs({ad.id: ad}, deliveries)[0]}
    again = []
    for medium in stored:
        if medium.id not in jobs:
            again.append(MadeAgain(medium, None, same=False))
            continue
        ((made, content),) = media_desk.make([jobs[medium.id]])
        same = made.content == medium.content and made.failure == medium.failure
        apart = 0 if same else _apart(store, medium, made, content)
        again.append(MadeAgain(medium, made, same, apart))
    return again


def _apart(store: MediaStore, stored: Medium, made: Medium, content: bytes) -> int:
    if made.failure or stored.failure or stored.id not in store.find([stored.id]):
        return -1
    before, after = (_pixels(made.kind, one) for one in (store.read(stored), content))
    if before.shape != after.shape:
        return -1
    return int(np.abs(before.astype(np.int16) - after).max())


def _pixels(kind: str, content: bytes) -> np.ndarray:
    if kind == FILM:
        return np.stack(frames_of(content))
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
