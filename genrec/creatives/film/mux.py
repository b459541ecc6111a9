"""Frames to a film file that any phone plays: written whole or not at all.

Constant frame rate, 4:2:0, the index first so that it plays while it loads. The same frames give
the same bytes nearly always: libx264 with AVX-512 was seen to choose otherwise in one of a thousand
films, which then looks the same and is other bytes.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from genrec.creatives.film.options import AUTO
from genrec.errors import ConfigError, InputError, MissingExtra
from genrec.workspace import storage_errors

# Of each codec its encoders, best first, and what they are told.
_ENCODERS: dict[str, dict[str, dict[str, str]]] = {
    "h264": {
        "libx264": {"preset": "veryfast", "crf": "20", "profile": "high"},
        "libopenh264": {"b": "4000k"},
    },
    "vp9": {"libvpx-vp9": {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "6"}},
    "av1": {"libsvtav1": {"crf": "32", "preset": "10"}, "libaom-av1": {"crf": "32", "b": "0"}},
}


@dataclass(frozen=True)
class Encoded:
    """A film's bytes.

    Attributes:
        encoder: that made it, such as ``libx264``.
        frames: how many there are.
        fps: frames per second.
    """

    content: bytes
    codec: str
    encoder: str
    frames: int
    fps: int
    size: tuple[int, int]

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def encoder_for(codec: str = AUTO) -> tuple[str, str]:
    """The codec and the encoder that this machine has for it.

    Raises:
        ConfigError: there is none.
        MissingExtra: PyAV is not installed.
    """
    av = _av()
    wanted = list(_ENCODERS) if codec == AUTO else [codec]
    for name in wanted:
        for encoder in _ENCODERS[name]:
            try:
                av.codec.Codec(encoder, "w")
            except (av.codec.codec.UnknownCodecError, ValueError):
                continue
            return name, encoder
    raise ConfigError(f"PyAV has no encoder here for {' or '.join(wanted)}; try film.codec: auto.")


def encode(
    frames: Iterable[np.ndarray], *, size: tuple[int, int], fps: int, codec: str = AUTO
) -> Encoded:
    """An MP4 of these frames, in memory.

    Args:
        frames: shape (height, width, 3), uint8 each.
        size: width and height, both even.

    Raises:
        InputError: no frames, or one of another size.
        ConfigError: there is no encoder.
        StorageError: the disk for temporary files is full.
    """
    av = _av()
    name, encoder = encoder_for(codec)
    # The index is moved to the front in a second pass, for which FFmpeg opens the file once more.
    with tempfile.TemporaryDirectory(prefix="genrec-film-") as folder:
        path = Path(folder) / "film.mp4"
        with storage_errors(path):
            count = _write(av, path, frames, size, fps, (name, encoder))
            return Encoded(path.read_bytes(), name, encoder, count, fps, size)


def _write(
    av: Any,
    path: Path,
    frames: Iterable[np.ndarray],
    size: tuple[int, int],
    fps: int,
    how: tuple[str, str],
) -> int:
    name, encoder = how
    count = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        stream: Any = film.add_stream(encoder, rate=fps, options=dict(_ENCODERS[name][encoder]))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        # More threads cut frames differently, and then bytes depend on the machine.
        stream.codec_context.thread_count = 1
        _declare_colours(stream.codec_context)
        for pixels in frames:
            if pixels.shape != (size[1], size[0], 3):
                raise InputError(
                    f"Frame {count + 1} has the shape {pixels.shape}, not {(size[1], size[0], 3)}."
                )
            frame = _frame(av, pixels)
            frame.pts, frame.time_base = count, Fraction(1, fps)
            for packet in stream.encode(frame):
                film.mux(packet)
            count += 1
        if not count:
            raise InputError("A film needs at least one frame.")
        for packet in stream.encode(None):
            film.mux(packet)
    return count


def _frame(av: Any, pixels: np.ndarray) -> Any:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return frame.reformat(
        format="yuv420p",
        src_colorspace="ITU709",
        dst_colorspace="ITU709",
        src_color_range="JPEG",
        dst_color_range="MPEG",
    )


def _declare_colours(context: Any) -> None:
    """BT.709, limited: players guess by size what is not said, and then reds differ."""
    for name, value in (
        ("color_range", 1),
        ("color_primaries", 1),
        ("color_trc", 1),
        ("colorspace", 1),
    ):
        setattr(context, name, value)


def _av() -> Any:
    try:
        import av
        import av.codec.codec
    except ModuleNotFoundError as error:
        raise MissingExtra("av", "media", "Films") from error
    return av


@dataclass(frozen=True)
class Seen:
    """What a film file says of itself, decoded from its first to its last frame."""

    codec: str
    pixel_format: str
    size: tuple[int, int]
    fps: Fraction
    frames: int
    seconds: float
    index_first: bool


def inspect(content: bytes) -> Seen:
    """Decodes a film whole.

    Raises:
        InputError: it cannot be played to its end.
    """
    av = _av()
    try:
        with av.open(io.BytesIO(content)) as film:
            stream = film.streams.video[0]
            frames = sum(1 for _ in film.decode(stream))
            return Seen(
                stream.codec_context.name,
                str(stream.pix_fmt),
                (stream.width, stream.height),
                Fraction(stream.average_rate),
                frames,
                float(stream.duration * stream.time_base),
                0 < content.find(b"moov") < content.find(b"mdat"),
            )
    # A stream of an unknown codec has no width; one that says no duration has none to multiply.
    except (av.error.FFmpegError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"The film cannot be played: {error}") from error


def frames_of(content: bytes) -> list[np.ndarray]:
    """All frames, each shape (height, width, 3), uint8."""
    with _av().open(io.BytesIO(content)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(film.streams.video[0])]
