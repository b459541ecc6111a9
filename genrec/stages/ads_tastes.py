"""What painters are told of a campaign's recipients: from the events that their profile rests on.

Events that no trait may use, such as those of sensitive items, are in no profile's evidence, and so
in no picture either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from genrec.creatives.artist import NOBODY, Artist, Liking
from genrec.creatives.audience import SEGMENT, USER
from genrec.creatives.photos import Photos
from genrec.creatives.picture_options import PictureOptions
from genrec.creatives.provenance import digest
from genrec.diffusion.words import liked_words
from genrec.errors import ConfigError
from genrec.profiles.profile import UserProfile
from genrec.profiles.segments import Segments
from genrec.stages.ads_desk import Desk
from genrec.stages.profile import segments_without_forgotten

# Of what somebody chose, the latest: what they chose long ago says less, and costs the same.
_LATEST = 24
# Side of the pictures that are compared with, and of image prompts, in pixels.
_SIDE = 256


@dataclass(frozen=True, eq=False)
class Known:
    """What a picture may know of one recipient."""

    profile: UserProfile | None
    liking: Liking
    key: str


@dataclass
class Tastes:
    """What pictures may know of each recipient, by number."""

    desk: Desk
    photos: Photos
    options: PictureOptions
    artist: Artist | None
    _known: dict[int, Known] = field(default_factory=dict, repr=False)
    _vectors: dict[int, np.ndarray | None] = field(default_factory=dict, repr=False)

    def of(self, recipient: int) -> Known:
        """What is known of a recipient; nothing where backgrounds are drawn by rule."""
        if recipient not in self._known:
            self._known[recipient] = self._find(recipient)
        return self._known[recipient]

    def _find(self, recipient: int) -> Known:
        profile = self.desk.audience.profile(recipient) if self.artist is not None else None
        if profile is None or not self.options.intensity:
            return Known(None, NOBODY, "")
        told = profile if self.options.words else None
        liking = self._liking(recipient, profile)
        words = [] if told is None else liked_words(told)
        return Known(told, liking, digest(words, liking.key) if words or liking.key else "")

    def _liking(self, recipient: int, profile: UserProfile) -> Liking:
        name = self.desk.audience.names[recipient]
        if self.desk.audience.kind == SEGMENT:
            # No event of any one user is in what is made for a segment.
            return Liking.of(None, adapter=self._adapter(name))
        chosen = self._chosen(name, profile)
        seen = [pixels for item in chosen if (pixels := self._small(item)) is not None]
        assert self.artist is not None
        taste = self._taste(chosen) if self.options.taste and self.artist.reads_taste else None
        return Liking.of(
            taste,
            seen[-self.options.liked :] if self.options.liked else (),
            self._adapter(name),
            seen,
        )

    def _chosen(self, name: str, profile: UserProfile) -> list[int]:
        """Items of the events that the profile rests on, in their order, each once."""
        events = sorted({number for trait in profile.traits for number in trait.evidence})
        history = self._histories[name]
        items = [int(history[number]) for number in events if number < len(history)]
        return list(dict.fromkeys(reversed(items)))[:_LATEST][::-1]

    def _taste(self, chosen: list[int]) -> np.ndarray | None:
        found = [one for item in chosen if (one := self._vector(item)) is not None]
        if not found:
            return None
        if self.artist is not None and len(found[0]) != self.artist.taste_dims:
            raise ConfigError(
                f"The model's profile prefix reads {self.artist.taste_dims} numbers, and "
                f"a shopper's taste has {len(found[0])} (palette). Train a prefix on palettes, or "
                "take picture.taste: false."
            )
        units = [one / max(float(np.linalg.norm(one)), 1e-12) for one in found]
        return np.asarray(np.mean(units, axis=0), np.float32)

    def _vector(self, item: int) -> np.ndarray | None:
        from genrec.encoders.palette import palette_vector

        if item not in self._vectors:
            pixels = self.photos.pixels(self.desk.dataset.catalog[item])
            self._vectors[item] = None if pixels is None else palette_vector(pixels)
        return self._vectors[item]

    def _small(self, item: int) -> np.ndarray | None:
        from PIL import Image

        pixels = self.photos.pixels(self.desk.dataset.catalog[item])
        if pixels is None:
            return None
        image = Image.fromarray(pixels)
        image.thumbnail((_SIDE, _SIDE))
        return np.asarray(image)

    def _adapter(self, name: str) -> str:
        """The adapter of a user's segment, or of a segment by its id or name; empty for none."""
        if not self.options.adapters:
            return ""
        if self.desk.audience.kind == USER:
            segment = self._segments.of(name)
        else:
            found = self._segments.segments
            segment = next((one for one in found if name in (one.id, one.name)), None)
        return segment.id if segment is not None and segment.id in self.options.adapters else ""

    @cached_property
    def _segments(self) -> Segments:
        return segments_without_forgotten(self.desk.run, self.desk.dataset)

    @cached_property
    def _histories(self) -> dict[str, np.ndarray]:
        wanted = set(self.desk.audience.names)
        sequences = self.desk.dataset.sequences
        return {
            str(name): history.items
            for name, history in zip(sequences.users, sequences, strict=True)
            if str(name) in wanted
        }
