import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from genrec.creatives.layout.legibility import least_contrast
from genrec.creatives.product import CutOut, Shadow, cut_out, defects, draw_scene, lock, staged
from genrec.creatives.product.parts import WHOLE_PHOTO
from genrec.creatives.product.placing import resampled
from genrec.data.toy_pictures import draw
from genrec.errors import InputError


def disc(side=80, colour=(200, 40, 40), soft=2.0):
    y, x = np.mgrid[0:side, 0:side]
    far = side * 0.4 - np.hypot(x - side / 2, y - side / 2)
    alpha = np.clip(far / soft + 0.5, 0, 1)
    pixels = np.full((side, side, 3), colour, np.uint8)
    pixels[::7] //= 2
    return CutOut(pixels, np.round(alpha * 255).astype(np.uint8), "given alpha")


def wall(size=(240, 240), colour=(120, 170, 210)):
    return draw_scene(colour, size, seed=1, horizon=0.7, backdrop="table")


@settings(max_examples=25, deadline=None)
@given(st.integers(-30, 200), st.integers(-30, 200), st.integers(20, 160), st.integers(0, 5))
def test_the_product_inside_of_its_feather_is_the_placed_cut_out_bit_for_bit(x, y, side, feather):
    made = lock(disc(), wall(), box=(x, y, x + side, y + side), feather=feather)
    left, top, _, _ = made.placed_box
    rows, columns = np.nonzero(made.product_mask)
    assert (made.placed.alpha[rows - top, columns - left] == 255).all()
    assert (made.pixels[rows, columns] == made.placed.pixels[rows - top, columns - left]).all()


def test_at_its_own_size_the_product_has_the_pixels_of_the_photo():
    product = disc()
    rows, columns = np.nonzero(product.alpha >= 8)
    wide, tall = np.ptp(columns) + 1, np.ptp(rows) + 1
    made = lock(product, wall(), box=(50, 60, 50 + wide, 60 + tall))
    down, right = np.nonzero(made.product_mask)
    photo = product.pixels[down - 60 + rows.min(), right - 50 + columns.min()]
    assert len(down) > 1000
    assert (made.pixels[down, right] == photo).all()


def test_edges_mix_in_light_and_not_in_its_code():
    half = CutOut(
        np.full((20, 20, 3), 255, np.uint8), np.full((20, 20), 255, np.uint8), "given alpha"
    )
    half.alpha[:, :10] = 128
    black = np.zeros((20, 20, 3), np.uint8)
    made = lock(half, black, box=(0, 0, 20, 20), feather=0)
    # Half the light of white is 188 in sRGB, not 128.
    assert abs(int(made.pixels[10, 4, 0]) - 188) <= 1


def test_resampling_does_not_mix_in_what_is_transparent():
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :20] = (200, 30, 30)
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:, :20] = 255
    small, cover = resampled(pixels, alpha, (17, 17))
    assert np.abs(small[cover > 200].astype(int) - (200, 30, 30)).max() <= 3


@pytest.mark.parametrize("kind", ["mug", "lamp", "bag", "shirt", "cushion", "vase"])
def test_products_are_cut_from_the_shops_own_photos(kind):
    cut = cut_out(np.asarray(draw(kind, "teal", "plain", seed=3, side=200)))
    assert cut.how == "plain background"
    corners = cut.alpha[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()
    assert 0.05 < (cut.alpha > 127).mean() < 0.6


def test_a_given_alpha_is_used_and_an_empty_one_is_not():
    product = disc()
    given_alpha = cut_out(np.dstack([product.pixels, product.alpha]))
    assert given_alpha.how == "given alpha"
    assert (given_alpha.alpha == product.alpha).all()
    nothing = cut_out(np.dstack([product.pixels, np.full((80, 80), 255, np.uint8)]))
    assert nothing.how != "given alpha"
    assert any("nothing in it is transparent" in one for one in nothing.warnings)


def test_a_busy_background_is_not_cut_but_framed_and_says_why():
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    cut = cut_out(noise)
    assert cut.framed
    assert any("busy" in one for one in cut.warnings)
    assert any("sure of itself by 0.00; it needs 0.5" in one for one in cut.warnings)
    made = staged(cut, lambda attempt: wall(), size=(240, 240), box=(60, 60, 180, 200))
    assert made.plain
    assert "frame" in made.reason
    assert not made.tries


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((8, 8, 3), np.uint8), "at least 16"),
        (np.zeros((40, 40), np.uint8), "shape"),
        (np.zeros((40, 40, 3), np.float32), "uint8"),
        (np.zeros((40, 40, 5), np.uint8), "channels"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(pixels, says):
    with pytest.raises(InputError, match=says):
        cut_out(pixels)


def test_a_huge_photo_is_reduced_once_and_a_tiny_one_warned_of():
    huge = np.asarray(draw("bag", "red", "plain", side=160))
    large = cut_out(np.repeat(np.repeat(huge, 14, axis=0), 14, axis=1))
    assert max(large.pixels.shape) == 2048
    assert any("reduced" in one for one in large.warnings)
    assert any("soft" in one for one in cut_out(huge[::2, ::2]).warnings)


def test_a_good_scene_passes_and_its_background_is_kept():
    made = staged(disc(), lambda attempt: wall(), size=(240, 240), box=(70, 80, 170, 180))
    assert (made.attempt, made.reason) == (0, "")
    assert not made.plain


def found(product, background, box, **options):
    made = lock(product, background, box=box, **options)
    return {one.kind for one in defects(made, product)}


def test_each_defect_is_found_where_it_is_and_not_on_a_good_picture():
    box = (70, 80, 170, 180)
    product = disc()
    assert not found(product, wall(), box)
    assert "cut_off" in found(product, wall(), (180, 80, 280, 180))
    assert "too_small" in found(product, wall(), (100, 100, 120, 120))
    assert "floating" in found(product, wall(), box, shadow=Shadow(contact=0, cast=0))
    assert "flat" in found(product, np.full((240, 240, 3), 128, np.uint8), box)
    assert "indistinct" in found(
        product, wall(colour=(200, 40, 40)) * 0 + product.pixels[1, 1], box
    )
    noise = np.random.default_rng(1).integers(0, 256, (240, 240, 3), dtype=np.uint8)
    assert "busy" in found(product, noise, box)


def test_a_product_that_goes_on_in_the_background_is_overgrown():
    grown = wall()
    y, x = np.mgrid[0:240, 0:240]
    grown[np.hypot((x - 120) / 1.5, y - 130) < 44] = (200, 40, 40)
    assert "overgrowth" in found(disc(), grown, (70, 80, 170, 180))


def test_rows_of_signs_are_taken_for_writing():
    from PIL import ImageDraw

    picture = Image.fromarray(wall())
    for number in range(9):
        ImageDraw.Draw(picture).rectangle(
            (20 + 12 * number, 20, 26 + 12 * number, 34), fill=(20, 20, 20)
        )
    assert "letters" in found(disc(), np.asarray(picture), (70, 100, 170, 200))


def test_backgrounds_that_fail_are_drawn_again_and_then_a_plain_one_is_taken():
    asked = []

    def noisy(attempt):
        asked.append(attempt)
        return np.random.default_rng(attempt).integers(0, 256, (240, 240, 3), dtype=np.uint8)

    made = staged(disc(), noisy, size=(240, 240), box=(70, 80, 170, 180), tries=3)
    assert asked == [0, 1, 2]
    assert made.plain
    assert "background 3 failed" in made.reason
    assert "restless" in made.reason


def test_a_painter_that_fails_or_gives_another_size_costs_a_try_not_the_ad():
    def broken(attempt):
        if attempt == 0:
            raise InputError("the model has no more memory")
        return wall((100, 100)) if attempt == 1 else wall()

    made = staged(disc(), broken, size=(240, 240), box=(70, 80, 170, 180))
    assert made.attempt == 2
    assert "no more memory" in made.reason
    assert "was asked for" in made.reason


def test_scenes_are_the_same_again():
    first = draw_scene((200, 90, 60), (120, 90), seed=4)
    assert (first == draw_scene((200, 90, 60), (120, 90), seed=4)).all()
    assert (first != draw_scene((200, 90, 60), (120, 90), seed=5)).any()


def photo_of(colour, ground, kind, quality, side=240):
    """A shape on plain ground as its file gives it back, and where it truly is."""
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side - 0.5
    far = 0.3 - np.hypot(x, y)
    if kind == "box":
        far = 0.05 - np.hypot(np.maximum(abs(x) - 0.2, 0), np.maximum(abs(y) - 0.25, 0))
    cover = np.clip(far * side + 0.5, 0, 1)[..., None]
    flat = np.round(np.array(ground) * (1 - cover) + np.array(colour) * cover).astype(np.uint8)
    if quality:
        content = io.BytesIO()
        Image.fromarray(flat).save(content, "JPEG", quality=quality)
        flat = np.asarray(Image.open(content))
    return flat, far >= 0


@pytest.mark.parametrize("quality", [None, 75])
@pytest.mark.parametrize("kind", ["disc", "box"])
@pytest.mark.parametrize("ground", [(255, 255, 255), (226, 226, 228)])
@pytest.mark.parametrize("colour", [(60, 210, 135), (200, 40, 40), (145, 135, 195)])
def test_no_crumbs_of_the_old_ground_stay_around_a_squeezed_photo(colour, ground, kind, quality):
    pixels, product = photo_of(colour, ground, kind, quality)
    cut = cut_out(pixels)
    assert cut.how == "plain background"
    assert not (cut.alpha[ndimage.distance_transform_edt(~product) > 3] >= 64).any()
    inside = ndimage.distance_transform_edt(product) > 3
    assert (cut.alpha[inside] == 255).all()
    assert (cut.pixels[inside] == pixels[inside]).all()


def test_a_cut_whose_edge_fails_on_the_plain_ground_too_gives_way_to_the_whole_photo():
    product = disc(soft=1)
    ringed = product.pixels.copy()
    ringed[product.alpha < 255] = 255
    rim = ndimage.binary_dilation(product.alpha > 0, iterations=4)
    crumbs = np.where(rim, 255, 0).astype(np.uint8)
    cut = CutOut(ringed, crumbs, "plain background", 1.0, (), ringed)

    def broken(attempt):
        raise InputError("no paint")

    options = {"size": (240, 240), "box": (70, 80, 170, 180)}
    made = staged(cut, broken, plain=(30, 60, 30), **options)
    assert made.locked.placed.framed
    assert any("stands out" in one for one in made.notes)
    told = "the cut-out fails on a plain background too; the whole photo is shown in a frame"
    assert made.notes[-1] == told


@pytest.mark.parametrize(("ground", "rim"), [(250, 40), (5, 230)])
def test_a_rim_of_the_products_own_is_no_halo_and_the_old_ground_is(ground, rim):
    box = (70, 80, 170, 180)
    shape = disc(soft=1)
    edge = (shape.alpha > 0) & ~ndimage.binary_erosion(shape.alpha > 250, iterations=3)

    def cut(colour):
        pixels = np.full((80, 80, 3), 140, np.uint8)
        pixels[edge] = colour
        photo = np.where(shape.alpha[..., None] > 0, pixels, np.uint8(ground))
        return CutOut(pixels, shape.alpha, "plain background", 1.0, (), photo)

    assert "halo" not in found(cut(rim), wall(), box)
    assert "halo" in found(cut(ground), wall(colour=(110, 120, 130)), box)


@pytest.mark.parametrize("colour", [(255, 255, 255), (250, 235, 215), (200, 230, 255)])
def test_white_words_are_read_on_the_plain_ground_of_a_pale_product(colour):
    pale = np.full((60, 60, 3), colour, np.uint8)
    framed = CutOut(pale, np.full((60, 60), 255, np.uint8), WHOLE_PHOTO, 0.0, ())
    made = staged(framed, lambda _: pale, size=(300, 300), box=(120, 120, 180, 180))
    ground = np.concatenate([made.locked.pixels[:80], made.locked.pixels[230:]])
    assert least_contrast(ground, (255, 255, 255)) >= 4.5


def test_a_photo_that_shows_nothing_is_refused():
    blank = np.full((60, 60, 3), 240, np.uint8)
    with pytest.raises(InputError, match="of one colour all over and shows no product"):
        cut_out(blank)
    clear = np.zeros((60, 60), np.uint8)
    with pytest.raises(InputError, match="transparent all over"):
        cut_out(blank, alpha=clear)
    clear[20:40, 20:40] = 255
    assert cut_out(blank, alpha=clear).how == "given alpha"
