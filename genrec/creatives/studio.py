"""Orders to finished pictures and films: backgrounds in one batch, products locked, words laid out.

One order's trouble is its own: what cannot be made comes back with the reason, and the others are
made. Knows nothing of campaigns, folders or credentials.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.creatives.artist import Artist, Liking, Wish, prompt_hash
from genrec.creatives.credentials import COMPOSITE, SYNTHETIC
from genrec.creatives.layout import Content, Layout, Poster
from genrec.creatives.layout.composing import covering
from genrec.creatives.look import Look
from genrec.creatives.media import FILM, MediaJob, Medium, Says
from genrec.creatives.picture_options import PNG, PictureOptions
from genrec.creatives.provenance import digest
from genrec.creatives.statements import short_name
from genrec.data.catalog import Item
from genrec.diffusion.picture import UNSAFE
from genrec.diffusion.words import liked_words
from genrec.errors import InputError

if TYPE_CHECKING:
    from genrec.creatives.film.making import Animator
    from genrec.creatives.film.options import FilmOptions
    from genrec.creatives.photos import Photos
    from genrec.creatives.product.parts import CutOut, Staged
    from genrec.diffusion.picture import Picture
    from genrec.profiles.profile import UserProfile

PAINTED, DRAWN_BACKGROUND, PLAIN = "painted", "drawn", "plain"
_WEBP_QUALITY = 92
# Of a film's room for the product, how much it fills at first, and how far its foot is above.
_FILM_SHARE, _FILM_FOOT = 0.8, 0.06
# Which layout a film's texts follow.
FILM_LAYOUTS = {"square": "square", "story": "story", "wide": "landscape"}


@dataclass(frozen=True, eq=False)
class Order:
    """One picture or film with what it is made from."""

    job: MediaJob
    item: Item
    profile: UserProfile | None
    liking: Liking

    @property
    def words(self) -> list[str]:
        """What of the profile a prompt may say."""
        return [] if self.profile is None else liked_words(self.profile)


@dataclass(frozen=True, eq=False)
class Stage:
    """A product in front of its background, before any word."""

    staged: Staged
    seed: int
    painted: tuple[Picture, ...]
    prompt: str

    @property
    def background(self) -> str:
        if self.staged.plain:
            return PLAIN
        return PAINTED if self.painted else DRAWN_BACKGROUND

    @property
    def shown(self) -> Picture | None:
        """What the model painted of the picture; ``None`` where nothing of it is seen."""
        if self.staged.attempt is None or not self.painted:
            return None
        return self.painted[self.staged.attempt]

    @property
    def shown_flagged(self) -> str:
        """What a check spoke against and the campaign allows, in words; empty if nothing."""
        if self.shown is None or not self.shown.flags:
            return ""
        told = f"{', '.join(self.shown.flags)}: {self.shown.note}"
        return f"a flagged background is shown, since allow_unsafe is set ({told})"


class Studio:
    """Makes what is ordered.

    Args:
        artist: paints backgrounds; ``None`` draws them by rule.
        animator: moves films; ``None`` moves a window over the picture.
        look: logo and fonts; by default no logo and the shipped fonts.
    """

    def __init__(
        self,
        photos: Photos,
        pictures: PictureOptions,
        films: FilmOptions | None = None,
        *,
        artist: Artist | None = None,
        animator: Animator | None = None,
        look: Look | None = None,
    ) -> None:
        self.photos, self.pictures, self.films = photos, pictures, films
        self.artist, self.animator = artist, animator
        self.look = look or Look()

    def make(
        self, orders: Sequence[Order], progress: Callable[[int], None] = lambda _more: None
    ) -> Iterator[tuple[Medium, bytes]]:
        """Each order's medium and its file's content, in the order in which they are ready."""
        groups: dict[str, list[Order]] = {}
        for order in orders:
            groups.setdefault(self._scene_key(order), []).append(order)
        firsts = {key: group[0] for key, group in groups.items()}
        cut: dict[str, CutOut] = {}
        for key, order in firsts.items():
            try:
                cut[key] = self.photos.cut_out(order.item)
            except InputError as error:
                for failed in groups[key]:
                    yield _failed(failed.job, _one_line(error)), b""
                    progress(1)
        painted = self._painted({key: firsts[key] for key in cut})
        for key, cutout in cut.items():
            try:
                stage = self._stage(firsts[key], cutout, painted.get(key))
            except InputError as error:
                for failed in groups[key]:
                    yield _failed(failed.job, _one_line(error)), b""
                    progress(1)
                continue
            for order in groups[key]:
                yield self._made(order, stage)
                progress(1)

    def layout_of(self, job: MediaJob) -> Layout:
        """Where everything stands in one picture."""
        name = FILM_LAYOUTS[job.layout] if job.kind == FILM else job.layout
        return Layout.load(
            name,
            style=self.pictures.style,
            tone=self.pictures.tone,
            language=job.language,
            seed=job.seed,
        )

    def _scene_key(self, order: Order) -> str:
        layout = self.layout_of(order.job)
        return digest(
            order.job.kind == FILM,
            order.item.id,
            order.liking.key,
            order.words,
            order.job.seed,
            layout.picture_size,
            layout.product_box,
            layout.horizon,
        )

    def _wish(self, order: Order) -> Wish:
        size = self.layout_of(order.job).picture_size
        return Wish(order.profile, order.liking, size, _seed(order))

    def _painted(self, orders: Mapping[str, Order]) -> dict[str, Picture]:
        """The first background of each scene, all of them in as few batches as there can be."""
        if self.artist is None or not orders:
            return {}
        made = self.artist.paint([self._wish(order) for order in orders.values()])
        return dict(zip(orders, made, strict=True))

    def _stage(self, order: Order, cutout: CutOut, first: Picture | None) -> Stage:
        from genrec.creatives.product import draw_scene, staged

        layout, seed = self.layout_of(order.job), _seed(order)
        left, _, right, _ = layout.product_box
        painted: list[Picture] = []
        allowed = {UNSAFE} if self.pictures.allow_unsafe else set()

        def draw(attempt: int) -> np.ndarray:
            if self.artist is None:
                return draw_scene(
                    _colour(cutout),
                    layout.picture_size,
                    seed=seed + attempt,
                    horizon=layout.horizon,
                    middle=(left + right) / 2 / layout.picture_size[0],
                )
            one = (
                first
                if attempt == 0 and first is not None
                else self.artist.paint([self._wish(order)], attempt=attempt)[0]
            )
            painted.append(one)
            if set(one.flags) - allowed:
                # Nobody is shown what a check spoke against; the next one may be harmless.
                raise InputError(f"{', '.join(one.flags)}: {one.note}")
            return covering(one.pixels, layout.picture_size)

        made = staged(
            cutout,
            draw,
            size=layout.picture_size,
            box=_with_room(layout.product_box) if order.job.kind == FILM else layout.product_box,
            tries=self.pictures.attempts,
        )
        prompt = "" if self.artist is None else prompt_hash(self.artist.job(self._wish(order)))
        return Stage(made, seed, tuple(painted), prompt)

    def _made(self, order: Order, stage: Stage) -> tuple[Medium, bytes]:
        try:
            if order.job.kind == FILM:
                return self._film(order, stage)
            return self._picture(order, stage)
        except InputError as error:
            return _failed(order.job, _one_line(error)), b""

    def _picture(self, order: Order, stage: Stage) -> tuple[Medium, bytes]:
        poster, notes = self.poster(order, stage.staged.locked.pixels, _content(order.job.says))
        content = encoded(poster.pixels, self.pictures.file)
        steps = (
            ("c2pa.addedText", f"layout {poster.layout}, style {poster.style}"),
            ("c2pa.edited", "shadow under the product"),
        )
        medium = self._medium(order, stage, content, self.pictures.file)
        height, width = poster.pixels.shape[:2]
        return (
            replace(
                medium,
                width=width,
                height=height,
                steps=steps,
                notes=(*medium.notes, *notes, *poster.notes),
                details={**medium.details, "style": poster.style, "tone": poster.tone},
            ),
            content,
        )

    def poster(
        self, order: Order, picture: np.ndarray, content: Mapping[str, str]
    ) -> tuple[Poster, tuple[str, ...]]:
        """The words laid out around a picture; shorter ones where they do not fit.

        Raises:
            InputError: not even the shortest fit.
        """
        layout, job = self.layout_of(order.job), order.job
        plain = Content(headline="", picture=picture, language=job.language, seed=job.seed)
        short = short_name(order.item.title)
        smaller: list[dict[str, Any]] = [
            dict(content),
            {**content, "body": ""},
            {**content, "body": "", "headline": job.says.headline},
            {**content, "body": "", "headline": short},
        ]
        told = ("", "the body", "the line", "the whole title")
        problem: InputError | None = None
        for texts, missing in zip(smaller, told, strict=True):
            try:
                made = self.look.laid_out(replace(plain, **texts), layout)
            except InputError as error:
                problem = problem or error
                continue
            # A layout without room for a body says so itself.
            note = (f"{layout.name}: {missing} did not fit and is left out",) if missing else ()
            return made, note if content.get("body") or missing != "the body" else ()
        assert problem is not None
        raise problem

    def _film(self, order: Order, stage: Stage) -> tuple[Medium, bytes]:
        from genrec.creatives.film.director import film_of

        assert self.films is not None
        film, notes = film_of(self, order, stage, self.films)
        medium = self._medium(order, stage, film.content, "mp4")
        model = next((one.made_by for one in film.checks if one.made_by == self._animates), "")
        return (
            replace(
                medium,
                width=film.size[0],
                height=film.size[1],
                seconds=film.seconds,
                model=", ".join(dict.fromkeys(name for name in (medium.model, model) if name)),
                source=COMPOSITE if model else medium.source,
                steps=(("c2pa.addedText", "lines of each scene"), ("c2pa.transcoded", film.codec)),
                notes=(*medium.notes, *film.notes, *notes),
                details={
                    **medium.details,
                    "encoder": film.encoder,
                    "frames": film.frames,
                    "fps": film.fps,
                    "scenes": [
                        {
                            "role": one.role,
                            "frames": one.frames,
                            "made_by": one.made_by,
                            "drift": round(one.drift, 4),
                            "rejected": one.rejected,
                        }
                        for one in film.checks
                    ],
                },
            ),
            film.content,
        )

    @property
    def _animates(self) -> str:
        return "" if self.animator is None else self.animator.name

    def _medium(self, order: Order, stage: Stage, content: bytes, ending: str) -> Medium:
        job, shown, made = order.job, stage.shown, stage.staged
        return Medium(
            id=job.id,
            kind=job.kind,
            item=job.item,
            language=job.language,
            layout=job.layout,
            file=ending,
            content=hashlib.sha256(content).hexdigest(),
            seed=stage.seed if shown is None else shown.seed,
            source=SYNTHETIC if shown is None else COMPOSITE,
            model="" if shown is None or self.artist is None else self.artist.model,
            prompt_hash="" if shown is None else stage.prompt,
            background=stage.background,
            tries=tuple(tuple(defect.kind for defect in one.defects) for one in made.tries),
            flags=tuple(dict.fromkeys(flag for one in stage.painted for flag in one.flags)),
            notes=tuple(
                dict.fromkeys(
                    note for note in (*made.notes, made.reason, stage.shown_flagged) if note
                )
            ),
            details=self._details(order, shown),
        )

    def _details(self, order: Order, shown: Picture | None) -> dict[str, Any]:
        """What is to be said of a painted background; nothing of one that is not seen."""
        if shown is None:
            return {}
        told: dict[str, Any] = {"flags": list(shown.flags)} if shown.flags else {}
        if order.liking.adapter and self.pictures.intensity:
            # Not whose: a file that anybody may read would tell what is known of the shopper.
            told["adapter"] = True
        return told


def _content(says: Says) -> dict[str, str]:
    return {
        "headline": says.headline,
        "body": says.lines[0] if says.lines else "",
        "call": says.call,
        "price": says.price,
        "disclosure": says.disclosure,
        "brand": says.brand,
    }


def _seed(order: Order) -> int:
    """One seed for each item and seed of the campaign: what differs between two shoppers' pictures
    is then what is known of them.
    """
    return int(digest("picture", order.job.seed, order.item.id)[:12], 16)


def _with_room(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """A smaller box on the same foot, so that a camera can come closer without touching words."""
    left, top, right, bottom = box
    across = round((right - left) * (1 - _FILM_SHARE) / 2)
    foot = round((bottom - top) * _FILM_FOOT)
    tall = round((bottom - top) * _FILM_SHARE)
    return left + across, bottom - foot - tall, right - across, bottom - foot


def _colour(cutout: CutOut) -> tuple[int, int, int]:
    """The product's own colour, which its drawn background takes up."""
    covered = cutout.pixels[cutout.alpha >= 128]
    red, green, blue = np.median(covered if len(covered) else cutout.pixels[0], axis=0)
    return int(red), int(green), int(blue)


def encoded(pixels: np.ndarray, file: str) -> bytes:
    """A picture as a file's bytes, the same for the same pixels."""
    from PIL import Image

    target = io.BytesIO()
    how: dict[str, Any] = (
        {"format": "PNG", "compress_level": 6}
        if file == PNG
        else {"format": "WEBP", "quality": _WEBP_QUALITY, "method": 4}
    )
    Image.fromarray(pixels).save(target, **how)
    return target.getvalue()


def _failed(job: MediaJob, why: str) -> Medium:
    return Medium(job.id, job.kind, job.item, job.language, job.layout, failure=why)


def _one_line(error: InputError) -> str:
    return "; ".join([str(error).splitlines()[0], *error.problems])
