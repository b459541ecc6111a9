"""Film encoders: an image encoder's vectors of frames, averaged."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from genrec.data.pictures import LIMITS
from genrec.encoders.image import ImageEncoder
from genrec.encoders.loading import need
from genrec.encoders.media_encoder import MediaEncoder, Prepared
from genrec.errors import InputError


class VideoEncoder(MediaEncoder):
    """Vectors of items' films: the mean over frames that are spread evenly.

    Args:
        model: of ``ImageEncoder``.
        options: of ``MediaEncoderConfig``; ``frames`` says how many are looked at.
    """

    column = "video"

    @cached_property
    def _images(self) -> ImageEncoder:
        return ImageEncoder(self.config.model)

    @property
    def model(self) -> Any:
        return self._images.model

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "frames": self.config.frames}

    def sample(self) -> Prepared:
        one = self._images.sample()
        return {key: value[None] for key, value in one.items()}

    def prepare(self, content: bytes) -> Prepared:
        frames = [self._images.pixels(frame) for frame in sampled(content, self.config.frames)]
        return {key: np.stack([frame[key] for frame in frames]) for key in frames[0]}

    def forward(self, batch: dict[str, Any]) -> Any:
        films, frames = next(iter(batch.values())).shape[:2]
        flat = {key: value.flatten(0, 1) for key, value in batch.items()}
        return self._images.forward(flat).unflatten(0, (films, frames)).mean(1)


def sampled(content: bytes, count: int) -> list[Any]:
    """At most ``count`` frames of a film in RGB, from the middles of as many equal stretches.

    Raises:
        InputError: no film, damaged, without a frame, or with frames too large.
        MissingExtra: PyAV is not installed.
    """
    need("Reading films", ("av", "av", "media"))
    import av

    try:
        with av.open(io.BytesIO(content), "r") as film:
            if not film.streams.video:
                raise InputError("it has no pictures in it")
            stream = film.streams.video[0]
            if stream.width * stream.height > LIMITS.max_pixels:
                raise InputError(
                    f"its frames have {stream.width} x {stream.height} pixels; at most "
                    f"{LIMITS.max_pixels:,} are decoded"
                )
            found = [frame.to_image() for frame in _spread(film, stream, count)]
    # A stream of an unknown codec has no width, and says so as only Python objects do.
    except (av.FFmpegError, ValueError, OSError, AttributeError) as error:
        raise InputError(f"it is no film in a known format, or damaged: {error}") from error
    if not found:
        raise InputError("it has no frame that can be decoded")
    return found


def _spread(film: Any, stream: Any, count: int) -> Iterator[Any]:
    """Frames at the middles of ``count`` stretches, by time where it is known, else by number."""
    duration = float(stream.duration * stream.time_base) if stream.duration else 0.0
    if not duration and film.duration:
        duration = film.duration / 1_000_000
    wanted = [(number + 0.5) / count for number in range(count)]
    if duration:
        start = float((stream.start_time or 0) * stream.time_base)
        last = None
        for frame in film.decode(stream):
            at = 0.0 if frame.time is None else frame.time - start
            # A variable frame rate may leave a stretch without a frame of its own.
            while wanted and at >= wanted[0] * duration:
                wanted.pop(0)
                yield frame
            last = frame
            if not wanted:
                return
        if last is not None:
            yield from [last] * len(wanted)
        return
    frames = list(film.decode(stream))
    yield from (frames[int(share * len(frames))] for share in wanted if frames)
