import errno
import tempfile

import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra 'media'")

from genrec.creatives.film.making import Film, make_film
from genrec.creatives.film.motion import WHOLE, Move
from genrec.creatives.film.mux import encode, encoder_for, frames_of, inspect
from genrec.creatives.film.options import FilmOptions
from genrec.creatives.film.overlay import Overlay
from genrec.creatives.film.scenes import Scene, Shot
from genrec.errors import ConfigError, InputError, StorageError


def frames(count, size=(64, 48)):
    """A block that wanders over a grey wall."""
    width, height = size
    for n in range(count):
        pixels = np.full((height, width, 3), 120, np.uint8)
        pixels[10:30, (n * 3) % (width - 16) :][:, :16] = (200, 40, 60)
        yield pixels


@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_a_film_has_exactly_its_frames_length_and_size_and_plays_while_it_loads(codec):
    try:
        encoder_for(codec)
    except ConfigError:
        pytest.skip(f"this PyAV has no encoder for {codec}")
    made = encode(frames(36), size=(64, 48), fps=12, codec=codec)
    seen = inspect(made.content)
    assert (seen.frames, seen.size, seen.fps) == (36, (64, 48), 12)
    assert seen.seconds == made.seconds == 3
    assert seen.pixel_format == "yuv420p"
    assert seen.index_first
    for shown, meant in zip(frames_of(made.content), frames(36), strict=True):
        assert np.abs(shown.astype(int) - meant).mean() < 8


def test_the_same_frames_give_the_same_film():
    one, same = (frames_of(encode(frames(9), size=(64, 48), fps=3).content) for _ in range(2))
    # Bytes are equal but for one in a thousand times; what is seen always is.
    assert np.abs(np.stack(one).astype(int) - np.stack(same)).mean() < 1


def test_no_frames_and_frames_of_another_size_are_refused():
    with pytest.raises(InputError, match="at least one frame"):
        encode([], size=(64, 48), fps=12)
    with pytest.raises(InputError, match="Frame 1 has the shape"):
        encode(frames(2, (32, 32)), size=(64, 48), fps=12)
    with pytest.raises(InputError, match="cannot be played"):
        inspect(encode(frames(9), size=(64, 48), fps=3).content[:700])


def still_film(**changes) -> Film:
    options = FilmOptions(**{"format": "square", "side": 64, "fps": 4, **changes})
    picture = next(frames(1, options.size))
    shots = [Shot(role, 0.5, Move(WHOLE, WHOLE), role) for role in ("opening", "offer")]
    overlay = Overlay.none(options.size)
    product = picture[..., 0] == 200
    return make_film([Scene(shot, picture, product, overlay) for shot in shots], options)


def test_both_lengths_and_all_formats_come_out_as_asked():
    for seconds in (6, 15):
        for name, size in (("square", (64, 64)), ("story", (64, 114)), ("wide", (114, 64))):
            film = still_film(seconds=seconds, format=name, fps=2)
            seen = inspect(film.content)
            assert (seen.size, seen.seconds, seen.frames) == (size, seconds, seconds * 2)
            assert sum(check.frames for check in film.checks) == seconds * 2


def test_a_film_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    import os

    film = still_film()
    path = film.save(tmp_path / "films" / "a.mp4")
    assert path.read_bytes() == film.content
    path.write_bytes(b"before")

    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        film.save(path)
    assert path.read_bytes() == b"before"
    assert [one.name for one in path.parent.iterdir()] == ["a.mp4"]


def test_a_full_disk_while_encoding_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def bursting():
        yield from frames(3)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        encode(bursting(), size=(64, 48), fps=12)
    assert list(tmp_path.iterdir()) == []


def test_a_film_without_scenes_or_of_another_size_is_refused():
    with pytest.raises(InputError, match="there are none"):
        make_film([], FilmOptions())
    scene = Scene(
        Shot("opening", 1, Move(WHOLE, WHOLE), "x"),
        np.zeros((32, 32, 3), np.uint8),
        np.ones((32, 32), bool),
        Overlay.none((32, 32)),
    )
    with pytest.raises(InputError, match="opening"):
        make_film([scene], FilmOptions())
