"""What a campaign's pictures and films are made from, opened; and the jobs that its ads ask for.

Each process that paints opens its own; what travels are jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from genrec.creatives.ad import Ad
from genrec.creatives.artist import NOBODY
from genrec.creatives.campaign import Campaign
from genrec.creatives.credentials import Ingredient
from genrec.creatives.look import Look
from genrec.creatives.media import FILM, PICTURE, MediaJob, Medium, Says, media_key
from genrec.creatives.media_store import MediaStore
from genrec.creatives.photos import Photos
from genrec.creatives.picture_options import AUTO, DRAWN, PictureOptions
from genrec.creatives.provenance import digest, item_digest
from genrec.creatives.studio import Order, Studio
from genrec.data.dataset import Dataset
from genrec.data.media import MediaFolder
from genrec.data.toy_shop import draw_pictures
from genrec.encoders.loading import model_facts
from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.shipped import user_cache
from genrec.stages.ads_desk import Desk
from genrec.stages.ads_tastes import Tastes
from genrec.stages.engines import Progress
from genrec.stages.profile import segments_without_forgotten
from genrec.stages.run import Run
from genrec.stages.segment_adapters import adapters_by_segment
from genrec.workspace import Workspace

if TYPE_CHECKING:
    from genrec.creatives.artist import Artist
    from genrec.creatives.film.making import Animator
    from genrec.creatives.product.cutout import Matting

TOY_SHOP = "toy_shop"
# Pictures of one part are painted together; more of them would only fill the memory.
PICTURES_TOGETHER, FILMS_TOGETHER = 32, 4
# Options that stand in a picture's name by a hash of what they name, and only where they do.
_BY_CONTENT = ("logo", "fonts", "matting", "safety", "safety_threshold", "allow_unsafe")
# Those that the painter's own version holds.
_OF_PAINTER = (
    "image_adapter_file",
    "image_encoder",
    "tiny_vae",
    "dtype",
    "compile",
    "cache",
    "cache_threshold",
    "slice_attention",
    "tile_vae",
    "offload",
)
LINKS = {
    "recipient": pl.String,
    "ad_id": pl.String,
    "kind": pl.String,
    "layout": pl.String,
    "media_id": pl.String,
}


@dataclass(frozen=True)
class MediaWork:
    """What a process needs to make pictures and films, in values that travel.

    Attributes:
        run: open at the version that the campaign keeps to.
    """

    run: Workspace
    recipe: Recipe
    campaign: Campaign
    store: MediaStore


@dataclass(frozen=True)
class MediaPart:
    """Jobs that are made together."""

    jobs: tuple[MediaJob, ...]

    @property
    def size(self) -> int:
        """How many."""
        return len(self.jobs)


class MediaMaker:
    """An open desk that makes parts; every engine goes through it."""

    def __init__(self, work: MediaWork, desk: MediaDesk | None = None) -> None:
        self.store = work.store
        if desk is None:
            desk = MediaDesk.open(Desk.open(Run(work.recipe, work.run), work.campaign))
        self.desk = desk

    def __call__(self, part: MediaPart, progress: Progress) -> None:
        """Makes one part; each picture or film is kept as soon as it is whole."""
        for medium, content in self.desk.make(part.jobs):
            self.store.write(medium, content)
            progress(1)


@dataclass
class MediaDesk:
    """Everything that a campaign's pictures and films are made from."""

    desk: Desk
    photos: Photos
    studio: Studio
    tastes: Tastes

    @staticmethod
    def open(desk: Desk) -> MediaDesk:
        """Finds the photos and loads the models.

        Raises:
            ConfigError: a model cannot be loaded.
            InputError: logo or fonts cannot be read any more.
            MissingExtra: a package is not installed.
        """
        options = _with_adapters(desk, desk.campaign.picture or PictureOptions())
        photos = Photos(_with_photos(desk.dataset).catalog, _matting(options))
        artist = _artist(options, desk.dataset)
        studio = Studio(
            photos,
            options,
            desk.campaign.film,
            artist=artist,
            animator=_animator(desk.campaign),
            look=Look.of(options),
        )
        return MediaDesk(desk, photos, studio, Tastes(desk, photos, options, artist))

    def work(self, store: MediaStore) -> MediaWork:
        """For other processes."""
        run = self.desk.run
        workspace = run.workspace.at(run.workspace.version)
        return MediaWork(workspace, run.recipe, self.desk.campaign, store)

    def jobs(
        self, ads: Mapping[str, Ad], deliveries: pl.DataFrame
    ) -> tuple[list[MediaJob], pl.DataFrame]:
        """Distinct jobs in the order of the plan, and which delivery shows which.

        Args:
            ads: by id.
            deliveries: rows of the plan: ``recipient`` (a number), ``item``, ``key``.
        """
        jobs: dict[str, MediaJob] = {}
        links: list[tuple[str, str, str, str, str]] = []
        names = self.desk.audience.names
        for recipient, key in deliveries.select("recipient", "key").iter_rows():
            ad = ads.get(key)
            if ad is None or ad.failure:
                continue
            for job in self._of(ad, recipient):
                jobs.setdefault(job.id, job)
                links.append((names[recipient], ad.id, job.kind, job.layout, job.id))
        return list(jobs.values()), pl.DataFrame(links, schema=LINKS, orient="row")

    def _of(self, ad: Ad, recipient: int) -> Iterator[MediaJob]:
        campaign, item = self.desk.campaign, self.desk.dataset.catalog[ad.item]
        if ad.id not in self._says:
            self._says[ad.id] = Says.of(ad, item, campaign.brief)
        says, known = self._says[ad.id], self.tastes.of(recipient)
        wanted = [(PICTURE, one) for one in campaign.picture.layouts] if campaign.picture else []
        wanted += [(FILM, campaign.film.format)] if campaign.film else []
        for kind, layout in wanted:
            draft = MediaJob(
                id="",
                kind=kind,
                item=ad.item,
                recipient=recipient if known.key else -1,
                language=ad.language,
                seed=ad.provenance.seed,
                layout=layout,
                says=says,
            )
            place = self.studio.layout_of(draft)
            key = media_key(
                kind,
                options=self._decides[kind],
                photo=self.photos.digest(item),
                item=item_digest(item),
                known=known.key,
                says=asdict(says),
                language=ad.language,
                seed=ad.provenance.seed,
                layout=[place.name, place.style, place.tone, self._template(place.template)],
            )
            yield replace(draft, id=key)

    @cached_property
    def _says(self) -> dict[str, Says]:
        return {}

    def _template(self, template: Any) -> str:
        key = id(template)
        if key not in self._templates:
            self._templates[key] = digest(template.model_dump(mode="json"))
        return self._templates[key]

    @cached_property
    def _templates(self) -> dict[int, str]:
        return {}

    @cached_property
    def _decides(self) -> dict[str, Any]:
        """Of each kind, all that decides every one of its media alike."""
        campaign, studio = self.desk.campaign, self.studio
        options = asdict(studio.pictures)
        # How many at once, and which layouts there are beside this one, decides nothing; files and
        # models count by what is in them.
        for name in (
            "batch_size",
            "layouts",
            "model",
            "segment_adapters",
            *_BY_CONTENT,
            *_OF_PAINTER,
        ):
            del options[name]
        if studio.artist is None:
            kept = ("style", "tone", "file", "attempts")
            options = {name: options[name] for name in kept}
        else:
            options["artist"] = studio.artist.identity
            if studio.pictures.safety:
                options["safety"] = _checked_by(studio.pictures)
        if studio.pictures.matting:
            options["matting"] = model_facts(studio.pictures.matting)
        options |= studio.look.identity
        film = None if campaign.film is None else {**asdict(campaign.film)}
        if film is not None and studio.animator is not None:
            film["animator"] = studio.animator.identity
        return {PICTURE: options, FILM: {**options, "film": film}}

    def make(self, jobs: Sequence[MediaJob]) -> Iterator[tuple[Medium, bytes]]:
        """Each job's medium and content, as they are ready."""
        catalog = self.desk.dataset.catalog
        orders = []
        for job in jobs:
            known = self.tastes.of(job.recipient) if job.recipient >= 0 else None
            orders.append(
                Order(
                    job,
                    catalog[job.item],
                    None if known is None else known.profile,
                    NOBODY if known is None else known.liking,
                )
            )
        yield from self.studio.make(orders)

    def ingredient(self, item_id: str) -> Ingredient | None:
        """An item's photograph as it is."""
        try:
            return self.photos.ingredient(self.desk.dataset.catalog[item_id])
        except InputError:
            return None


def parts_of(jobs: Sequence[MediaJob]) -> list[MediaPart]:
    """Jobs in parts: pictures before films, those of one shape, item and shopper side by side."""
    ordered = sorted(
        jobs, key=lambda job: (job.kind == FILM, job.layout, job.item, job.recipient, job.id)
    )
    parts: list[MediaPart] = []
    for kind, together in ((PICTURE, PICTURES_TOGETHER), (FILM, FILMS_TOGETHER)):
        own = [job for job in ordered if job.kind == kind]
        parts += [MediaPart(tuple(own[at : at + together])) for at in range(0, len(own), together)]
    return parts


def _with_photos(dataset: Dataset) -> Dataset:
    """The data set with a folder of photos; the toy shop's are drawn where there is none."""
    if dataset.catalog.media is not None or dataset.name != TOY_SHOP:
        return dataset
    folder = user_cache("toy_shop", f"ads-{dataset.fingerprint}")
    draw_pictures(dataset, folder)
    return replace(dataset, catalog=dataset.catalog.with_media(MediaFolder(folder)))


def check_adapters(desk: Desk) -> None:
    """Looks whether the adapters of segments fit, before anything is written or loaded.

    Raises:
        ArtefactError: a folder holds no adapter.
        ConfigError: an adapter is of no segment that there is, or a segment has two.
    """
    _with_adapters(desk, desk.campaign.picture or PictureOptions())


def _with_adapters(desk: Desk, options: PictureOptions) -> PictureOptions:
    """The options with each segment's adapter by the id that the segment has today."""
    if not options.segment_adapters:
        return options
    segments = segments_without_forgotten(desk.run, desk.dataset)
    found = adapters_by_segment(options.segment_adapters, segments)
    if twice := sorted(found.keys() & options.adapters.keys()):
        raise ConfigError(
            f"The segment '{twice[0]}' has an adapter in picture.adapters and one in "
            "picture.segment_adapters. Leave one of them out."
        )
    return replace(options, adapters={**options.adapters, **found})


def _matting(options: PictureOptions) -> Matting | None:
    if not options.matting:
        return None
    from genrec.creatives.product.matting import MattingModel

    return MattingModel.load(options.matting)


def _checked_by(options: PictureOptions) -> list[str]:
    """What decides whether a background is shown."""
    told = (options.safety_threshold, options.allow_unsafe)
    return [model_facts(options.safety), *map(str, told)]


def _artist(options: PictureOptions, dataset: Dataset) -> Artist | None:
    model = options.model
    if model == AUTO:
        model = shipped_model() if dataset.name == TOY_SHOP else DRAWN
    if model == DRAWN:
        return None
    from genrec.creatives.artist import Artist
    from genrec.diffusion.small import model_place

    return Artist(options, model_place(model))


def shipped_model() -> str:
    """The folder of the toy shop's own small model; ``none`` where it did not come along."""
    from genrec.diffusion.small import TOY, model_place

    try:
        folder = Path(model_place(TOY))
    except ConfigError:
        return DRAWN
    return str(folder) if (folder / "model_index.json").is_file() else DRAWN


def _animator(campaign: Campaign) -> Animator | None:
    if campaign.film is None or not campaign.film.model:
        return None
    from genrec.creatives.film.video_model import VideoModel

    return VideoModel.load(campaign.film)
