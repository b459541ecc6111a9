"""A campaign from its file to a folder of ads; a killed one goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from genrec.bounds import outside
from genrec.creatives.ad import Ad
from genrec.creatives.ad_folder import (
    DELIVERIES,
    MANIFEST,
    REPORT,
    deliveries_of,
    left_table,
    manifest_of,
    one_ad,
    read_ads,
    summary_of,
    write_outputs,
)
from genrec.creatives.ad_store import AdStore
from genrec.creatives.campaign import Campaign
from genrec.creatives.copy import RANK
from genrec.creatives.credentials import Signer
from genrec.creatives.jobs import Plan
from genrec.creatives.media_store import MediaStore
from genrec.creatives.rates import Rate
from genrec.creatives.review import stored_decisions
from genrec.creatives.review_page import write_pages
from genrec.errors import ConfigError, InputError
from genrec.stages.ads_desk import Desk, PartWriter, ask_recommender
from genrec.stages.ads_media import (
    MadeAgain,
    MediaMade,
    make_media,
    media_again,
    media_at_most,
    signer_for,
)
from genrec.stages.ads_media_desk import check_adapters
from genrec.stages.ads_writing import Making, cost_of
from genrec.stages.engines import ENGINES
from genrec.stages.job_folder import JOB, begun_with, check_folder, claim
from genrec.stages.run import Run
from genrec.workspace import Workspace, write_text

WRITE, FILES = "Write ads", "Write files"
PARTS, RECOMMENDATIONS = "parts", "recommendations"
MEDIA_PARTS = "media"
# Raised when a campaign's folder comes to hold something else.
_VERSION = 1
_PART, _PART_BY_MODEL = 200, 5
_WORDS = {
    "base": "the copywriter, its prompts or the guard's policy have changed",
    "plan": "its users, items, or what is known of them have changed",
    "format": "another version of genrec made it",
    "campaign": "the campaign's file has changed",
}


@dataclass(frozen=True)
class AdOptions:
    """How a campaign is run; none of it decides an ad.

    Attributes:
        engine: ``local`` or ``ray``.
        workers: processes; 0 takes one (``local``) or one per core (``ray``).
        part_jobs: ads of one part: what a kill can cost; 0 takes 200, and 5 where a text model
            writes, which takes seconds for each.
        cache: folder of the ads that all campaigns share; ``None`` for none.
        folders: also write a folder for each ad.
        certificate: chain of the certificate that signs pictures and films, PEM; ``None`` takes
            that of the environment, or makes one on the spot.
        key: its private key, PEM.
    """

    engine: str = "local"
    workers: int = 0
    part_jobs: int = 0
    cache: Path | None = None
    folders: bool = True
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if problems := outside(self, workers="[0, inf)", part_jobs="[0, inf)"):
            raise ConfigError("The campaign cannot run so: " + "; ".join(problems))

    def size_of_parts(self, campaign: Campaign) -> int:
        """Ads of one part of this campaign."""
        asks_model = campaign.write.model and campaign.write.mode != RANK
        return self.part_jobs or (_PART_BY_MODEL if asks_model else _PART)


def plan_ads(run: Run, campaign: Campaign, into: Path, options: AdOptions) -> dict[str, Any]:
    """What a campaign would write, take and cost; writes nothing.

    Returns:
        ``deliveries``, ``distinct``, ``cached``, ``to_write``, and, where it was measured
        before, ``seconds``, ``tokens_in``, ``tokens_out`` and ``cost``.

    Raises:
        InputError: the campaign asks for what is not there; lists all of it.
        ConfigError: an adapter of a segment does not fit.
        ArtefactError: the run lacks an artefact, or a folder holds no adapter.
    """
    started = time.perf_counter()
    desk = Desk.open(_as_begun(run, into), campaign)
    check_adapters(desk)
    best = desk.stored_best(into / RECOMMENDATIONS)
    if campaign.what.best is not None and best is None:
        most = len(desk.audience.names) * campaign.what.best.n * len(desk.variants)
        return {
            "deliveries": most,
            **media_at_most(campaign, most),
            "at_most": True,
            "distinct": None,
            "cached": None,
            "to_write": None,
            "planned_in": round(time.perf_counter() - started, 3),
        }
    plan = desk.plan(best)
    store = _store(desk, into, options)
    to_write = plan.without(store.held()).height
    rate = Rate.read(store.shared)
    return {
        "deliveries": len(plan),
        **media_at_most(campaign, len(plan)),
        "at_most": False,
        "distinct": plan.jobs.height,
        "cached": plan.jobs.height - to_write,
        "to_write": to_write,
        **rate.estimate(to_write, campaign.budget, workers=max(options.workers, 1)),
        "planned_in": round(time.perf_counter() - started, 3),
    }


def make_ads(run: Run, campaign: Campaign, into: Path, options: AdOptions) -> dict[str, Any]:
    """Writes the ads of a campaign; what is there already is not written again.

    Args:
        into: folder of the ads; goes on there after a kill or when a budget was spent, with the
            version of the run that it began with.

    Returns:
        What ``report.json`` holds.

    Raises:
        InputError: the campaign asks for what is not there; lists all of it.
        ConfigError: the folder holds something else, or another process writes to it, or the
            version that it began with is not there any more, or an adapter of a segment does not
            fit.
        ArtefactError: the run lacks an artefact, or a folder holds no adapter.
        StorageError: the disk is full; what was written is kept.
    """
    execute = ENGINES.load(options.engine)
    started = time.perf_counter()
    into = into.resolve()
    # What was asked for beside the texts before is still asked for.
    campaign = campaign.with_media(stored_media(into))
    signer = signer_for(options.certificate, options.key) if campaign.media else None
    run = _as_begun(run, into)
    desk = Desk.open(run, campaign)
    about = {"format": _VERSION, "campaign": campaign.about, "base": desk.writer.base}
    planned = _planned_before(into)
    media = {"media": campaign.media} if campaign.media else {}
    checked = partial(check_folder, into, holds="ads", words=_WORDS, beside=("media",))
    checked({**about, "plan": planned})
    claimed = partial(claim, into, version=run.workspace.version)
    check_adapters(desk)
    with Workspace(into).lock():
        if planned is None:
            claimed({**about, "plan": None, **media})
        plan = desk.plan(ask_recommender(run, campaign, into / RECOMMENDATIONS))
        about["plan"] = plan.key
        if planned is not None:
            checked(about)
        claimed({**about, **media})
        store = _store(desk, into, options)
        store.clean()
        run.observer.started(WRITE)
        writing = time.perf_counter()
        making = Making(run, plan, store, campaign.budget, started)
        # A desk does not travel; in this process the open one will do.
        here = options.engine == "local" and options.workers < 2
        opened = partial(PartWriter, desk.job(store), desk if here else None)
        size = options.size_of_parts(campaign)
        making.run(partial(execute, opened), part_jobs=size, workers=options.workers)
        share = making.cached / max(plan.jobs.height, 1)
        note = f"{making.records.height:,} ads, {share:.1%} of them from earlier"
        taken = time.perf_counter() - writing
        run.observer.finished(WRITE, note, taken, reused=not making.written[0])
        report = _finish(desk, plan, store, making, into, options, about, signer)
    report["seconds"] = round(time.perf_counter() - started, 2)
    write_text(into / REPORT, json.dumps(report, indent=1, ensure_ascii=False))
    return report


def _finish(
    desk: Desk,
    plan: Plan,
    store: AdStore,
    making: Making,
    into: Path,
    options: AdOptions,
    about: Mapping[str, Any],
    signer: Signer | None,
) -> dict[str, Any]:
    names, items = list(desk.audience.names), desk.dataset.catalog.ids
    records = making.records
    made = plan.table.join(records, on="key", how="semi", maintain_order="left")
    deliveries = deliveries_of(made, plan, names, items)
    left_table(deliveries_of(making.missing, plan, names, items), into)
    ads = [Ad.from_json(record) for record in records["record"]]
    titles = {item: desk.dataset.catalog[item].title for item in {ad.item for ad in ads}}
    beside: MediaMade | None = None
    if signer is not None:
        beside = make_media(
            desk,
            ads,
            made,
            into,
            media_store(into, options),
            signer=signer,
            engine=options.engine,
            workers=options.workers,
        )
    observer, began = desk.run.observer, time.perf_counter()
    observer.started(FILES)
    hashes = write_outputs(
        into,
        deliveries,
        records,
        titles=titles,
        folders=options.folders,
        beside=beside.problems if beside else (),
        progress=lambda done, total: observer.progressed(FILES, done, total, "folders"),
    )
    shown = beside.shown if beside else {}
    if beside:
        hashes |= beside.files
    write_pages(into, desk.campaign.name, ads, deliveries, titles, stored_decisions(into), shown)
    failed = sum(bool(ad.failure) for ad in ads)
    manifest = manifest_of(about, plan, len(ads), failed, hashes)
    # Last, so that a folder with a manifest is a whole one.
    write_text(into / MANIFEST, json.dumps(manifest, indent=1))
    seconds = time.perf_counter() - began
    observer.finished(FILES, f"tables and review page of {len(ads):,} ads", seconds, reused=False)
    written, read, wrote = making.written
    if written:
        Rate.of(written, making.writing_seconds, options.workers, read, wrote).keep(store.shared)
    return {
        "campaign": desk.campaign.name,
        "into": str(into),
        "run": str(desk.run.workspace.folder.resolve()),
        **{name: manifest[name] for name in ("deliveries", "distinct", "ads", "failed", "left")},
        "stopped": making.stopped,
        "written": written,
        "cached": making.cached,
        "cached_share": round(making.cached / max(plan.jobs.height, 1), 6),
        "tokens_in": read,
        "tokens_out": wrote,
        "cost": round(cost_of((written, read, wrote), desk.campaign.budget), 6),
        "cost_of_folder": round(cost_of(store.spent(), desk.campaign.budget), 6),
        "writing_seconds": round(making.writing_seconds, 3),
        "broken_parts": store.broken,
        "problems": summary_of(ads, beside.problems if beside else ()),
        **({"media": dict(beside.report)} if beside else {}),
    }


def make_again(folder: Path, ad_id: str, run: Run, campaign: Campaign) -> tuple[Ad, Ad]:
    """One ad of a folder, made again alone: as it lies there, and as it comes out now.

    Its text; ``make_media_again`` makes its pictures and films.

    Raises:
        InputError: there is no such ad, or what it was made from has changed; says what.
        ArtefactError: the folder holds no campaign.
    """
    ads = read_ads(folder)
    stored = one_ad(ads, ad_id)
    desk = Desk.open(_at_begun(run, folder), campaign)
    plan = desk.plan(desk.stored_best(folder / RECOMMENDATIONS))
    rows = plan.jobs.filter(pl.col("key") == stored.id)
    if rows.is_empty():
        table = pl.read_parquet(folder / DELIVERIES, glob=False)
        recipients = table.filter(pl.col("ad_id") == stored.id)["recipient"].to_list()
        raise InputError(
            f"The ad {stored.id} cannot be made again: what it was made from has changed. "
            "Restore it, or run the campaign again.",
            desk.differences(stored, recipients),
        )
    (again,) = desk.write(rows)
    return stored, again


def make_media_again(folder: Path, ad_id: str, run: Run, campaign: Campaign) -> list[MadeAgain]:
    """An ad's pictures and films, each made again alone; none if the campaign has none.

    Raises:
        InputError: there is no such ad.
        ArtefactError: the folder holds no campaign.
    """
    stored = one_ad(read_ads(folder), ad_id)
    campaign = campaign.with_media(stored_media(folder))
    if not campaign.media:
        return []
    desk = Desk.open(_at_begun(run, folder), campaign)
    plan = desk.plan(desk.stored_best(folder / RECOMMENDATIONS))
    rows = plan.table.filter(pl.col("key") == stored.id)
    return media_again(desk, folder, stored, rows, media_store(folder, AdOptions()))


def run_of(folder: Path) -> Path:
    """The run that a campaign was written from.

    Raises:
        ConfigError: the folder does not say.
    """
    try:
        return Path(json.loads((folder / REPORT).read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder} does not say from which run it is: name it by --run."
        ) from error


def stored_job(folder: Path) -> dict[str, Any]:
    """What a folder's ``_job.json`` asks for."""
    try:
        return dict(json.loads((folder / JOB).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder} is no folder of ads: it has no {JOB}.") from error


def _as_begun(run: Run, into: Path) -> Run:
    """The run at the version of an unfinished campaign; as it is open for any other."""
    try:
        finished = not json.loads((into / MANIFEST).read_text(encoding="utf-8"))["left"]
    except (OSError, ValueError, KeyError, TypeError):
        finished = False
    return run if finished else _at_begun(run, into)


def _at_begun(run: Run, folder: Path) -> Run:
    return replace(run, workspace=begun_with(folder, run.workspace))


def stored_media(folder: Path) -> dict[str, Any]:
    """What a folder's job asks for beside texts; nothing if it has none."""
    try:
        return dict(stored_job(folder).get("media") or {})
    except ConfigError:
        return {}


def media_store(into: Path, options: AdOptions) -> MediaStore:
    """Where a campaign's pictures and films lie before they are signed."""
    shared = None if options.cache is None else options.cache / MEDIA_PARTS
    return MediaStore(into / PARTS / MEDIA_PARTS, shared)


def _planned_before(into: Path) -> str | None:
    try:
        return stored_job(into).get("plan")
    except ConfigError:
        return None


def _store(desk: Desk, into: Path, options: AdOptions) -> AdStore:
    shared = None if options.cache is None else options.cache / desk.writer.writer_key[:16]
    return AdStore(into / PARTS, shared)
