import io

import numpy as np
import polars as pl
import pytest

pytest.importorskip("scipy", reason="needs the extra 'ads'")

from PIL import Image, ImageCms

from genrec.creatives.photos import Photos
from genrec.data.catalog import Catalog
from genrec.data.media import MediaFolder
from genrec.data.toy_pictures import draw
from genrec.errors import InputError


def photos(folder, **files):
    """A catalogue whose items have these files."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    ids = [*files, "none"]
    table = pl.DataFrame(
        {
            "item_id": ids,
            "title": ids,
            "image": pl.Series([*files, None], dtype=pl.String),
        }
    )
    return Photos(Catalog(table, media=MediaFolder(folder)))


def test_colours_of_an_embedded_profile_are_converted(tmp_path):
    # A profile whose red and green are each other's: what is stored as green is seen as red.
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    mug = draw("mug", "green", "plain")
    found = photos(tmp_path, one=file(mug, "PNG", icc_profile=bytes(swapped)))
    cut = found.cut_out(found.catalog["one"])
    red, green, _ = np.median(cut.pixels[cut.alpha == 255], axis=0)
    assert red > green + 30


def file(picture, kind, **how):
    target = io.BytesIO()
    picture.save(target, kind, **how)
    return target.getvalue()


def test_cmyk_grey_and_transparent_photos_are_cut_out(tmp_path):
    mug = draw("mug", "red", "plain")
    clear = mug.convert("RGBA")
    alpha = np.zeros((mug.height, mug.width), np.uint8)
    alpha[40:130, 35:110] = 255
    clear.putalpha(Image.fromarray(alpha))
    found = photos(
        tmp_path,
        cmyk=file(mug.convert("CMYK"), "JPEG"),
        grey=file(mug.convert("L"), "PNG"),
        alpha=file(clear, "PNG"),
    )
    for name in ("cmyk", "grey", "alpha"):
        made = found.cut_out(found.catalog[name])
        assert made.pixels.shape[2] == 3
        assert made.alpha.any()
    assert found.cut_out(found.catalog["alpha"]).how == "given alpha"
    assert np.array_equal(found.cut_out(found.catalog["alpha"]).alpha > 128, alpha > 128)


def test_a_photo_is_cut_out_once(tmp_path):
    found = photos(tmp_path, mug=file(draw("mug", "red", "plain"), "PNG"))
    assert found.cut_out(found.catalog["mug"]) is found.cut_out(found.catalog["mug"])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("broken", b"\x89PNG\r\n\x1a\n" + bytes(30), "cannot be used"),
        ("text", b"this is no picture at all", "no picture in a known format"),
        ("empty", b"", "it is empty"),
        ("tiny", file(Image.new("RGB", (3, 3)), "PNG"), "3 x 3 pixels"),
        ("wide", file(Image.new("1", (20_000, 10)), "PNG"), "20000 x 10 pixels"),
    ],
)
def test_a_photo_that_cannot_be_used_says_why(tmp_path, name, content, told):
    found = photos(tmp_path, **{name: content})
    with pytest.raises(InputError, match=told):
        found.cut_out(found.catalog[name])
    assert len(found.digest(found.catalog[name])) == 64


def test_an_item_without_a_photo_says_so(tmp_path):
    found = photos(tmp_path, mug=file(draw("mug", "red", "plain"), "PNG"))
    with pytest.raises(InputError, match="has no photo"):
        found.cut_out(found.catalog["none"])
    without = Photos(Catalog(found.catalog.table))
    with pytest.raises(InputError, match=r"data\.options\.media"):
        without.cut_out(without.catalog["mug"])


def test_a_photo_on_a_busy_background_is_shown_whole_and_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    found = photos(tmp_path, noise=file(Image.fromarray(noise), "PNG"))
    made = found.cut_out(found.catalog["noise"])
    assert made.framed
    assert made.warnings


def test_a_model_cuts_out_what_no_rule_can(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    cover = np.zeros((200, 200), np.uint8)
    cover[50:150, 60:140] = 255
    found = photos(tmp_path, noise=file(Image.fromarray(noise), "PNG"))
    made = Photos(found.catalog, lambda pixels: cover).cut_out(found.catalog["noise"])
    assert (made.how, made.framed) == ("matting model", False)
    assert np.array_equal(made.alpha > 128, cover > 128)
