import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from genrec.data.pictures import PictureLimits, open_picture
from genrec.errors import InputError


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def plain(colour="red", size=(20, 30), mode="RGB"):
    return Image.new(mode, size, colour)


def mean_of(content, **options):
    return np.asarray(open_picture(content, **options)).reshape(-1, 3).mean(0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures_of_every_format_come_in_rgb_at_their_size(kind):
    found = open_picture(encoded(plain(), kind))
    assert (found.mode, found.size) == ("RGB", (20, 30))
    np.testing.assert_allclose(np.asarray(found).reshape(-1, 3).mean(0), [255, 0, 0], atol=4)


def test_cmyk_keeps_its_colours():
    content = encoded(plain("red").convert("CMYK"), "JPEG", quality=95)
    np.testing.assert_allclose(mean_of(content), [255, 0, 0], atol=12)


def test_what_is_transparent_is_white():
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    np.testing.assert_array_equal(mean_of(encoded(clear)), [255, 255, 255])
    palette = plain("blue").convert("P")
    content = encoded(palette, transparency=palette.getpixel((0, 0)))
    np.testing.assert_array_equal(mean_of(content), [255, 255, 255])


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped():
    grey = Image.fromarray(np.full((20, 20), 32768, np.uint16))
    np.testing.assert_allclose(mean_of(encoded(grey)), [128, 128, 128], atol=1)


def test_of_a_film_the_first_frame_is_taken():
    content = encoded(plain("red"), "GIF", save_all=True, append_images=[plain("blue")] * 3)
    np.testing.assert_allclose(mean_of(content), [255, 0, 0], atol=4)


def test_a_turned_photo_is_set_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(encoded(plain(size=(40, 10)), "JPEG", exif=exif)).size == (10, 40)


def test_a_large_jpeg_is_decoded_at_a_fraction():
    content = encoded(plain(size=(1600, 1200)), "JPEG")
    assert open_picture(content, side=100).size == (200, 150)
    assert open_picture(content).size == (1600, 1200)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"hello, I am text in a file named .jpg", "no picture in a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture in a known format"),
        (b"%PDF-1.4", "no picture in a known format"),
        (encoded(plain())[:60], "damaged or truncated"),
        (encoded(plain(size=(300, 300)), "JPEG")[:700], "damaged or truncated"),
        (encoded(plain(size=(1, 1))), "1 x 1 pixels; each side needs at least 8"),
        (encoded(plain(size=(4, 500))), "4 x 500 pixels"),
        (encoded(plain(size=(30_000, 10)), "PNG"), "30000 x 10 pixels; at most 16,384"),
    ],
)
def test_what_cannot_be_seen_is_refused_with_the_reason(content, problem):
    with pytest.raises(InputError, match=problem):
        open_picture(content)


def bomb(side):
    """A PNG of a few hundred bytes that says it has side x side pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\0") + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [12_000, 30_000, 2_000_000])
def test_a_decompression_bomb_is_refused_by_its_header(side):
    with pytest.raises(InputError, match=r"pixels; at most 16,384 a side and 50,000,000 in"):
        open_picture(bomb(side))


def test_the_limits_can_be_set():
    with pytest.raises(InputError, match="each side needs at least 25"):
        open_picture(encoded(plain()), PictureLimits(min_side=25))
