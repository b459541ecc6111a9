import io
import weakref
from fractions import Fraction

import av
import numpy as np
import polars as pl
import pytest
from PIL import Image

from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.encoders.audio import AudioEncoder, waveform
from genrec.encoders.image import ImageEncoder
from genrec.encoders.video import VideoEncoder, evenly, sampled
from genrec.errors import InputError
from tests.small_towers import AUDIO_TOWERS, audio_folder, vision_folder


def tone(pitch, *, seconds=1.0, rate=22_050, kind="wav"):
    """A sound file with a sine wave of so many Hz."""
    time = np.arange(int(seconds * rate)) / rate
    samples = (0.5 * np.sin(2 * np.pi * pitch * time) * 32767).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as file:
        stream = file.add_stream("pcm_s16le" if kind == "wav" else "flac", rate=rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return buffer.getvalue()


class Wire:
    """Bytes that go out and cannot be gone back to, as those of a live film."""

    def __init__(self):
        self.parts = []

    def write(self, content):
        self.parts.append(bytes(content))
        return len(content)


def film(colours, *, rate=10, live=False, every=1):
    """A film with one second of each colour.

    Args:
        live: written without going back, so that its header does not say how long it is.
        every: seconds that pass between two frames, times the rate.
    """
    wire, buffer = Wire(), io.BytesIO()
    kind, options = ("matroska", {"live": "1"}) if live else ("mp4", {})
    with av.open(wire if live else buffer, "w", format=kind, options=options) as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number, colour in enumerate(colour for colour in colours for _ in range(rate)):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 64), colour))
            frame.pts, frame.time_base = number * every, Fraction(1, rate)
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return b"".join(wire.parts) if live else buffer.getvalue()


def catalog(folder, column, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    ids = [str(number) for number in range(len(files))]
    table = pl.DataFrame({"item_id": ids, "title": ids, column: list(files)})
    return Catalog(table, media=MediaFolder.at(folder))


@pytest.mark.parametrize("name", AUDIO_TOWERS)
def test_any_sound_tower_tells_tones_apart_and_lists_what_is_broken(name, tmp_path):
    files = {"low": tone(220), "high": tone(1760, kind="flac"), "broken": b"x" * 500}
    encoder = AudioEncoder(audio_folder(name, tmp_path / name), cache=tmp_path / "c", seconds=1)
    found = encoder.encode(catalog(tmp_path / "sounds", "audio", files))
    assert found.mask.tolist() == [True, True, False]
    assert found.vectors.shape == (3, 32)
    assert np.abs(found.vectors[0] - found.vectors[1]).max() > 1e-3
    assert "no sound in a known format" in found.problems[0].problem


def test_a_sound_is_brought_to_one_channel_at_the_models_rate():
    wave = waveform(tone(440, seconds=0.5, rate=44_100), 16_000)
    assert len(wave) == pytest.approx(8000, abs=20)
    spectrum = np.abs(np.fft.rfft(wave))
    assert spectrum.argmax() * 16_000 / len(wave) == pytest.approx(440, abs=4)
    assert np.abs(wave).max() == pytest.approx(0.5, abs=0.02)


def test_a_film_is_seen_at_even_distances():
    frames = sampled(film(["red", "green", "blue", "white"]), 4)
    seen = [np.asarray(frame).reshape(-1, 3).mean(0).argmax() for frame in frames[:3]]
    assert (len(frames), seen) == (4, [0, 1, 2])
    assert np.asarray(frames[3]).mean() > 230


def test_a_live_film_without_a_length_is_seen_at_even_distances():
    content = film(["red", "green", "blue", "white"], rate=30, live=True)
    with av.open(io.BytesIO(content)) as opened:
        assert not opened.duration
        assert not opened.streams.video[0].duration
    frames = sampled(content, 4)
    seen = [np.asarray(frame).reshape(-1, 3).mean(0).argmax() for frame in frames[:3]]
    assert (len(frames), seen) == (4, [0, 1, 2])
    assert np.asarray(frames[3]).mean() > 230


class Frame:
    """One that can be watched."""

    def __init__(self, number):
        self.number = number


@pytest.mark.parametrize(("total", "count", "most"), [(1200, 8, 32), (1000, 3, 7), (33, 8, 32)])
def test_frames_of_an_unknown_number_are_few_at_a_time_and_in_their_stretches(total, count, most):
    alive = weakref.WeakSet()
    largest = 0

    def frames():
        nonlocal largest
        for number in range(total):
            frame = Frame(number)
            alive.add(frame)
            largest = max(largest, len(alive))
            yield frame

    found = [frame.number for frame in evenly(frames(), count, most=most)]
    assert [number * count // total for number in found] == list(range(count))
    # The one that was handed on, and the one that is being made.
    assert largest <= most + 2


@pytest.mark.parametrize("total", [1, 5, 31, 32])
def test_frames_that_can_all_be_held_are_taken_at_the_exact_middles(total):
    found = evenly(iter(range(total)), 8, most=32)
    assert found == [int((number + 0.5) / 8 * total) for number in range(8)]
    assert evenly(iter(()), 8, most=32) == []


@pytest.mark.parametrize("live", [False, True])
def test_a_film_of_more_than_an_hour_is_refused(live):
    with pytest.raises(InputError, match="longer than 3,600 seconds"):
        sampled(film(["red"] * 5, rate=1, live=live, every=1000), 4)


def test_a_film_shorter_than_the_frames_wanted_repeats_them():
    assert len(sampled(film(["red"], rate=2), 8)) == 8


@pytest.mark.parametrize("content", [b"no film at all", tone(440)])
def test_what_is_no_film_is_refused(content):
    with pytest.raises(InputError, match="no film in a known format|no pictures in it"):
        sampled(content, 4)


def test_a_films_vector_is_the_mean_of_its_frames(tmp_path):
    tower = vision_folder("clip", tmp_path / "clip")
    encoder = VideoEncoder(tower, cache=tmp_path / "c", frames=2, normalise=False)
    content = film(["red", "blue"])
    found = encoder.encode(catalog(tmp_path / "films", "video", {"a.mp4": content, "b": b"no"}))
    assert found.mask.tolist() == [True, False]
    frames = []
    for frame in sampled(content, 2):
        buffer = io.BytesIO()
        frame.save(buffer, "PNG")
        frames.append(buffer.getvalue())
    images = ImageEncoder(tower, normalise=False).encode_contents(frames)
    np.testing.assert_allclose(found.vectors[0], images.mean(0), atol=2e-2)
