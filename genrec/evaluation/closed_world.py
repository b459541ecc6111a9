"""Pictures for shoppers of the toy shop, marked by an oracle that knows tastes and drawings.

What marks them (``genrec.data.toy_oracle``) shares nothing with what paints them. Knows no model: a
painter is any function from jobs to pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from genrec.data.dataset import Dataset
from genrec.data.pictures import open_picture
from genrec.data.toy_oracle import Seen, read_picture
from genrec.data.toy_pictures import COLOURS, PATTERNS, SHAPES
from genrec.diffusion.copies import copied
from genrec.diffusion.picture import PictureJob, seed_again
from genrec.diffusion.taste import taste_vector
from genrec.encoders.base import ItemVectors
from genrec.errors import InputError

Paint = Callable[[Sequence[PictureJob]], Sequence[np.ndarray]]
Combination = tuple[str, str, str]


@dataclass(frozen=True)
class Wins:
    """How often a picture meets its user's known taste better than another's.

    Attributes:
        apart: against users who share neither a colour nor the pattern; ties count half.
        anybody: against any other user; ties count half.
        colour: share of pictures in a colour that the user likes.
        pattern: share in the pattern that the user likes.
        kind: share that shows the kind that was asked for.
    """

    apart: float
    anybody: float
    colour: float
    pattern: float
    kind: float


@dataclass(frozen=True)
class ClosedWorld:
    """What the oracle says of a painter.

    Attributes:
        pictures: of each task.
        taste: pictures of a kind for a user's taste.
        no_taste: the same without the taste.
        shuffled: the same with another user's taste.
        attributes_kept: share of pictures in which kind, colour and pattern are as the prompt says
            while the taste says otherwise.
        unseen_kept: the same of combinations that were never trained on; None if there are none.
        kept: share of kind, of colour and of pattern by itself.
        near_copies: share of pictures for a taste that are near-copies of a picture in the user's
            history (``genrec.diffusion.copies``) although they were painted anew, as ads are.
        near_copies_first: the same of what the painter gave at first.
        near_copies_apart: the same of those of them whose kind, colour and pattern nothing
            in the history has together; what has all of them alike is alike however it is drawn.
        drawn_copies: share of fresh drawings of the same attributes that the check takes for
            near-copies: what an artist who never saw the history would get.
    """

    pictures: int
    taste: Wins
    no_taste: Wins
    shuffled: Wins
    attributes_kept: float
    unseen_kept: float | None
    kept: dict[str, float]
    near_copies: float
    near_copies_first: float
    near_copies_apart: float
    drawn_copies: float

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def judge_closed_world(
    dataset: Dataset,
    vectors: ItemVectors,
    users: Sequence[str],
    paint: Paint,
    *,
    pictures: int,
    unseen: Iterable[Combination] = (),
    attempts: int = 3,
    seed: int = 0,
) -> ClosedWorld:
    """Paints for users whom the painter never met and reads what came of it.

    Args:
        dataset: the toy shop with its pictures.
        vectors: of its items, of the encoder that the painter's prefix reads.
        users: whose choices were not trained on.
        pictures: of each of the tasks.
        unseen: combinations of kind, colour and pattern that were not trained on.
        attempts: how often a picture is painted, each time with another seed, until it is no
            near-copy of its user's history; the last is taken as it is.

    Raises:
        InputError: it is no toy shop, or there are fewer than two users.
    """
    if "tastes" not in dataset.extras or "oracle" not in dataset.extras:
        raise InputError("Only the toy shop has known tastes. Load it: data.source: toy_shop")
    if len(users) < 2:
        raise InputError(f"{len(users)} users cannot be told apart; hold out at least 2.")
    world = _World(dataset, vectors, list(users))
    rng = np.random.default_rng(seed)
    asked = [
        (world.users[number % len(users)], list(SHAPES)[int(rng.integers(len(SHAPES)))])
        for number in range(pictures)
    ]
    jobs = [
        PictureJob(
            f"a {kind}",
            seed=1000 + number,
            taste=world.taste(user),
            history=tuple(world.history_pictures(user)),
        )
        for number, (user, kind) in enumerate(asked)
    ]
    first = paint(jobs)
    copies = [
        bool(copied(picture, world.history_pictures(user)))
        for picture, (user, _) in zip(first, asked, strict=True)
    ]
    for_taste, left = _painted_anew(world, asked, jobs, paint, first, copies, attempts)
    plain = paint([replace(job, taste=None) for job in jobs])
    strangers = [world.other(user, rng) for user, _ in asked]
    crossed = paint(
        [replace(job, taste=world.taste(who)) for job, who in zip(jobs, strangers, strict=True)]
    )
    wanted, kept = _told(world, asked, paint, rng, list(unseen))
    seen = [read_picture(picture) for picture in first]
    apart = [
        (one.kind, one.colour, one.pattern) not in world.history(user)
        for one, (user, _) in zip(seen, asked, strict=True)
    ]
    drawn = [
        bool(copied(world.drawing(one, 7_000_000 + number), world.history_pictures(user)))
        for number, (one, (user, _)) in enumerate(zip(seen, asked, strict=True))
    ]
    every = [all(row) for row in kept]
    fresh = [
        good for good, combination in zip(every, wanted, strict=True) if combination in set(unseen)
    ]
    return ClosedWorld(
        pictures=pictures,
        taste=_wins(world, asked, for_taste, seed),
        no_taste=_wins(world, asked, plain, seed),
        shuffled=_wins(world, asked, crossed, seed),
        attributes_kept=float(np.mean(every)),
        unseen_kept=float(np.mean(fresh)) if fresh else None,
        kept=dict(zip(("kind", "colour", "pattern"), np.mean(kept, axis=0).tolist(), strict=True)),
        near_copies=float(np.mean(left)),
        near_copies_first=float(np.mean(copies)),
        near_copies_apart=float(np.mean(np.array(copies)[apart])) if any(apart) else 0.0,
        drawn_copies=float(np.mean(drawn)),
    )


def _painted_anew(
    world: _World,
    asked: Sequence[tuple[str, str]],
    jobs: Sequence[PictureJob],
    paint: Paint,
    first: Sequence[np.ndarray],
    copies: Sequence[bool],
    attempts: int,
) -> tuple[list[np.ndarray], list[bool]]:
    """Pictures with near-copies painted anew, and which of them are near-copies still."""
    pictures, copied_still = list(first), list(copies)
    for attempt in range(1, attempts):
        again = [number for number, copy in enumerate(copied_still) if copy]
        if not again:
            break
        wanted = [jobs[number] for number in again]
        painted = paint([replace(job, seed=seed_again(job.seed, attempt)) for job in wanted])
        for number, picture in zip(again, painted, strict=True):
            pictures[number] = picture
            history = world.history_pictures(asked[number][0])
            copied_still[number] = bool(copied(picture, history))
    return pictures, copied_still


class _World:
    """Users, tastes and histories of a toy shop."""

    def __init__(self, dataset: Dataset, vectors: ItemVectors, users: list[str]) -> None:
        self.users = users
        self._vectors, self._catalog = vectors, dataset.catalog
        rows = dataset.extras["tastes"].iter_rows(named=True)
        self.known = {row["user_id"]: row for row in rows if row["user_id"] in set(users)}
        self._histories = {
            user: list(dict.fromkeys(dataset.history(user).items.tolist())) for user in users
        }
        oracle = {row["item_id"]: row for row in dataset.extras["oracle"].iter_rows(named=True)}
        self._drawn = [
            (oracle[item]["kind"], oracle[item]["colour"], oracle[item]["pattern"])
            for item in dataset.catalog.ids
        ]
        self._pixels: dict[int, np.ndarray] = {}

    def taste(self, user: str) -> np.ndarray:
        chosen = [self._catalog.ids[item] for item in self._histories[user]]
        found = taste_vector(self._vectors, chosen)
        assert found is not None
        return found

    def history(self, user: str) -> set[Combination]:
        return {self._drawn[item] for item in self._histories[user]}

    def history_pictures(self, user: str) -> list[np.ndarray]:
        return [self._picture(item) for item in self._histories[user]]

    def _picture(self, item: int) -> np.ndarray:
        if item not in self._pixels:
            name, media = self._catalog.files("image")[item], self._catalog.media
            if media is None or name is None:
                raise InputError("The toy shop has no pictures. Set data.options.pictures: true")
            self._pixels[item] = np.asarray(open_picture(media.read(name)))
        return self._pixels[item]

    def drawing(self, seen: Seen, seed: int) -> np.ndarray:
        from genrec.data.toy_pictures import draw

        return np.asarray(draw(seen.kind, seen.colour, seen.pattern, seed=seed))

    def other(self, user: str, rng: np.random.Generator, *, apart: bool = False) -> str:
        """Another user; ``apart``: one who shares neither a colour nor the pattern, if there is."""
        own = self.known[user]
        others = [name for name in self.users if name != user]
        if apart:
            far = [
                name
                for name in others
                if not set(self.known[name]["colours"]) & set(own["colours"])
                and self.known[name]["pattern"] != own["pattern"]
            ]
            others = far or others
        return others[int(rng.integers(len(others)))]

    def score(self, seen: Seen, user: str) -> float:
        """As shoppers weigh what they see: a point for the colour, half for the pattern."""
        taste = self.known[user]
        return (seen.colour in taste["colours"]) + 0.5 * (seen.pattern == taste["pattern"])


def _wins(
    world: _World, asked: Sequence[tuple[str, str]], pictures: Sequence[np.ndarray], seed: int
) -> Wins:
    rng = np.random.default_rng([seed, 2])
    rows = []
    for picture, (user, kind) in zip(pictures, asked, strict=True):
        seen = read_picture(picture)
        own = world.score(seen, user)
        against = [
            world.score(seen, world.other(user, rng, apart=apart)) for apart in (True, False)
        ]
        won = [0.5 + 0.5 * float(np.sign(own - other)) for other in against]
        taste = world.known[user]
        rows.append(
            (
                *won,
                seen.colour in taste["colours"],
                seen.pattern == taste["pattern"],
                seen.kind == kind and seen.sure,
            )
        )
    return Wins(*np.mean(np.array(rows, float), axis=0).tolist())


def _told(
    world: _World,
    asked: Sequence[tuple[str, str]],
    paint: Paint,
    rng: np.random.Generator,
    unseen: Sequence[Combination],
) -> tuple[list[Combination], list[tuple[bool, bool, bool]]]:
    """Pictures whose prompt names everything, for users whose taste is another; half are unseen."""
    wanted: list[Combination] = []
    kinds, colours = list(SHAPES), list(COLOURS)
    for number in range(len(asked)):
        if unseen and number % 2:
            wanted.append(unseen[int(rng.integers(len(unseen)))])
        else:
            kind = kinds[int(rng.integers(len(kinds)))]
            colour = colours[int(rng.integers(len(colours)))]
            wanted.append((kind, colour, PATTERNS[int(rng.integers(len(PATTERNS)))]))
    jobs = [
        PictureJob(f"a {colour} {kind}, {pattern}", seed=5000 + number, taste=world.taste(user))
        for number, ((kind, colour, pattern), (user, _)) in enumerate(
            zip(wanted, asked, strict=True)
        )
    ]
    kept = []
    for picture, (kind, colour, pattern) in zip(paint(jobs), wanted, strict=True):
        seen = read_picture(picture)
        kept.append(
            (seen.kind == kind and seen.sure, seen.colour == colour, seen.pattern == pattern)
        )
    return wanted, kept
