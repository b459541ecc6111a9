import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from genrec.creatives.product.photo import read_photo
from genrec.errors import InputError


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_alpha_of_a_file_is_kept():
    picture = Image.new("RGBA", (20, 30), (200, 30, 40, 0))
    picture.paste((200, 30, 40, 255), (5, 5, 15, 25))
    pixels = read_photo(saved(picture, "PNG"))
    assert pixels.shape == (30, 20, 4)
    assert pixels[10, 10].tolist() == [200, 30, 40, 255]
    assert pixels[0, 0, 3] == 0


def test_cmyk_becomes_rgb():
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = read_photo(saved(picture, "JPEG", quality=95))
    assert pixels.shape == (16, 16, 3)
    assert pixels[8, 8, 0] > 200
    assert pixels[8, 8, 1:].max() < 60


def test_an_embedded_profile_is_converted_and_a_damaged_one_left_aside():
    picture = Image.new("RGB", (16, 16), (120, 80, 40))
    plain = read_photo(saved(picture, "PNG"))
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (
        np.abs(read_photo(saved(picture, "PNG", icc_profile=same)).astype(int) - plain).max() <= 1
    )
    assert (read_photo(saved(picture, "PNG", icc_profile=b"damaged")) == plain).all()


@pytest.mark.parametrize(
    "content", [b"", b"no picture", saved(Image.new("RGB", (64, 64)), "PNG")[:60]]
)
def test_broken_files_are_refused_in_words(content):
    with pytest.raises(InputError):
        read_photo(content)
