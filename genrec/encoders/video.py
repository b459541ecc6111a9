"""Film encoders: an image encoder's vectors of frames, averaged."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from genrec.data.pictures import LIMITS
from genrec.encoders.image import ImageEncoder
from genrec.encoders.loading import need
from genrec.encoders.media_encoder import MediaEncoder, Prepared
from genrec.errors import InputError

MAX_SECONDS = 3600.0
# An hour of 60 a second: measures what has no times in it.
MAX_FRAMES = 216_000
TOO_LONG = f"it is longer than {MAX_SECONDS:,.0f} seconds or {MAX_FRAMES:,} frames"
# Frames held for each one that is wanted while the length of a film is not known: the more, the
# nearer they come to even distances. Fewer of large ones, but never less than 2.
HELD = 4
HELD_PIXELS = 64_000_000

T = TypeVar("T")


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
        InputError: no film, damaged, without a frame, too long, or with frames too large.
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
    if duration > MAX_SECONDS:
        raise InputError(TOO_LONG)
    frames = _decoded(film, stream)
    if not duration:
        pixels = max(stream.width * stream.height, 1)
        most = max(2 * count, min(HELD * count, HELD_PIXELS // pixels))
        yield from evenly((frame for _, frame in frames), count, most=most)
        return
    wanted = [(number + 0.5) / count for number in range(count)]
    last = None
    for at, frame in frames:
        # A variable frame rate may leave a stretch without a frame of its own.
        while wanted and at >= wanted[0] * duration:
            wanted.pop(0)
            yield frame
        last = frame
        if not wanted:
            return
    if last is not None:
        yield from [last] * len(wanted)


def _decoded(film: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    """Seconds since the start, 0 where the film does not tell, and the frame.

    Raises:
        InputError: the film goes on for too long, whatever its header says.
    """
    start = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    for number, frame in enumerate(film.decode(stream)):
        at = 0.0 if frame.time is None else frame.time - start
        if number >= MAX_FRAMES or at > MAX_SECONDS:
            raise InputError(TOO_LONG)
        yield at, frame


def evenly(frames: Iterable[T], count: int, *, most: int) -> list[T]:
    """``count`` of the frames, near the middles of as many equal stretches, in one pass.

    How many there are is known at the end only, so every n-th is held, and n doubles whenever
    ``most`` are held. Of up to ``most`` frames it takes exactly those at the middles.

    Args:
        most: frames that are held at a time, at least 2.
    """
    held: list[T] = []
    stride, total = 1, 0
    for frame in frames:
        if total % stride == 0 and len(held) == most:
            held, stride = held[::2], 2 * stride
        if total % stride == 0:
            held.append(frame)
        total += 1
    middles = [int((number + 0.5) / count * total) for number in range(count)]
    # Halves go down, so that with a stride of 1 nothing is rounded.
    rows = [min((middle + (stride - 1) // 2) // stride, len(held) - 1) for middle in middles]
    return [held[row] for row in rows] if held else []
