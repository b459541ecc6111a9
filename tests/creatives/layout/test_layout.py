import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.creatives.colour import contrast, encoded, linear, luminance
from genrec.creatives.layout import Content, FontBook, Layout, lay_out
from genrec.creatives.layout.bidi import levels, visual_runs
from genrec.creatives.layout.breaking import breaks, shortened, wrap
from genrec.creatives.layout.drawing import drawn
from genrec.creatives.layout.shaping import Typeface
from genrec.creatives.layout.template import load_template, template_names
from genrec.errors import ConfigError, InputError

PICTURE = np.full((64, 64, 3), (210, 190, 160), np.uint8)


def content(**changes):
    given_values = {
        "headline": "Alba linen lamp",
        "body": "Soft light for long evenings.",
        "price": "$48.00",
        "call": "Shop now",
        "disclosure": "Sponsored",
        "brand": "Nordlys",
        "picture": PICTURE,
    }
    return Content(**{**given_values, **changes})


@pytest.mark.parametrize("name", Layout.names())
@pytest.mark.parametrize("style", Layout.styles())
def test_every_template_sets_every_text_in_its_box_and_readable(name, style):
    poster = lay_out(content(), Layout.load(name, style=style, tone="deep"))
    assert poster.pixels.shape[1::-1] == Layout.load(name).size
    assert {"headline", "price", "call", "disclosure"} <= {one.field for one in poster.texts}
    assert all(one.passed for one in poster.checks)
    assert len(poster.checks) > 10


@pytest.mark.parametrize("name", Layout.names())
@pytest.mark.parametrize("style", Layout.styles())
def test_no_words_have_their_place_over_the_product(name, style):
    format_ = Layout.load(name, style=style, tone="deep").format
    left, top, right, bottom = format_.product
    over = [
        stack.order
        for stack in format_.stacks
        if stack.box[0] < right
        and stack.box[2] > left
        and stack.box[1] < bottom
        and stack.box[3] > top
    ]
    assert over == []


def test_the_same_content_gives_the_same_bytes(tmp_path):
    layout = Layout.load("leaderboard", seed=3)
    files = []
    for name in ("a.png", "b.png", "a.webp", "b.webp", "a.svg", "b.svg"):
        files.append(lay_out(content(), layout).save(tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert files[2] == files[3]
    assert files[4] == files[5]


def test_the_svg_shows_what_the_pixels_show():
    poster = lay_out(content(), Layout.load("leaderboard", style="card", tone="paper"))
    again = drawn(poster.svg)[..., :3].astype(int)
    assert np.abs(again - poster.pixels).max() <= 2


def test_a_picture_of_the_right_size_keeps_its_pixels_where_the_product_stands():
    layout = Layout.load("leaderboard", style="bloom", tone="pale")
    width, height = layout.picture_size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    poster = lay_out(content(picture=picture), layout)
    left, top, right, bottom = layout.product_box
    assert (poster.pixels[top:bottom, left:right] == picture[top:bottom, left:right]).all()


def test_black_and_white_stripes_behind_text_get_a_veil():
    layout = Layout.load("leaderboard", style="bloom", tone="pale")
    width, height = layout.picture_size
    stripes = np.zeros((height, width, 3), np.uint8)
    stripes[:, ::8] = 255
    poster = lay_out(content(picture=stripes), layout)
    ratios = [one.value for one in poster.checks if one.name.startswith("contrast")]
    assert min(ratios) >= 4.5


def test_a_long_body_is_shortened_at_a_words_end_and_a_long_headline_refused():
    layout = Layout.load("leaderboard", style="studio", tone="deep")
    long = "Made by hand of linen and oak for long evenings at home. " * 6
    poster = lay_out(content(body=long), layout)
    shown = next((one.text for one in poster.texts if one.field == "body"), "")
    assert poster.notes
    assert not shown or long.startswith(shown.removesuffix("…"))
    with pytest.raises(InputError) as refused:
        lay_out(content(headline="Donaudampfschifffahrtsgesellschaft " * 9), layout)
    assert "headline has" in refused.value.problems[0]


def test_all_that_is_wrong_with_a_content_is_said_at_once():
    with pytest.raises(InputError) as refused:
        lay_out(
            content(headline=" ", body="a\u202eb", picture=np.zeros((64, 64), np.uint8)),
            Layout.load("square"),
        )
    assert len(refused.value.problems) == 3


def test_a_letter_that_no_font_has_is_named():
    with pytest.raises(InputError, match=r"U\+1F600"):
        lay_out(content(headline="Lamp \U0001f600"), Layout.load("square"))


def test_letters_come_from_a_font_that_has_them():
    book = FontBook.load()
    assert Typeface(book, "manrope", 700, "ar").line("مصباح").fonts == ("Rubik-Arabic-Bold",)
    assert Typeface(book, "manrope", 700, "ja").line("灯り").fonts == ("NotoSansCJKtc-Bold",)
    assert Typeface(book, "red_hat_display", 700, "ru").line("Лампа").fonts == ("Manrope-Bold",)


def test_layouts_are_mirrored_for_languages_from_right_to_left():
    left = Layout.load("landscape", style="studio", tone="deep")
    right = Layout.load("landscape", style="studio", tone="deep", language="he")
    assert left.picture_box == (600, 0, 1200, 628)
    assert right.picture_box == (0, 0, 600, 628)
    poster = lay_out(content(headline="מנורת פשתן", language="he"), right)
    assert poster.boxes["headline"][0] > 600


def visual(text, base):
    runs = visual_runs(levels(text, base))
    return "".join(text[a:b][::-1] if level % 2 else text[a:b] for a, b, level in runs)


def test_directions_follow_the_bidirectional_algorithm():
    # Known answers, written in visual order.
    assert visual("abc 123", 0) == "abc 123"
    assert visual("אבג 123", 1) == "123 גבא"
    assert visual("lamp אבג now", 0) == "lamp גבא now"
    assert visual("אבג lamp דה", 1) == "הד lamp גבא"
    assert visual("אב (גד)", 1) == "(דג( בא".replace("(דג(", ")דג(")
    assert visual("₪12.50 אב", 1) == "בא ₪12.50"


def test_shaping_agrees_with_another_engine_on_mixed_text():
    from PIL import Image, ImageDraw, ImageFont, features

    from genrec.creatives.layout.fonts import _open

    matplotlib = pytest.importorskip("matplotlib")
    if not features.check("raqm"):
        pytest.skip("Pillow was built without raqm")
    from pathlib import Path

    from genrec.creatives.layout.shaping import _shaped

    path = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    font = ImageFont.truetype(str(path), 64, layout_engine=ImageFont.Layout.RAQM)
    for text, language in (("مصباح Alba 48", "ar"), ("שלום (Alba) 12", "he"), ("AVATAR fi", "en")):
        line = _shaped(text, (_open(path),), language)
        way = "rtl" if language != "en" else "ltr"
        assert line.width * 64 == pytest.approx(font.getlength(text, direction=way), abs=1.5)
        theirs = Image.new("L", (700, 120))
        ImageDraw.Draw(theirs).text((20, 90), text, 255, font=font, anchor="ls", direction=way)
        paths = "".join(
            f'<path transform="translate({20 + g.x * 64} {90 - g.y * 64}) '
            f'scale({64 / g.font.units} {-64 / g.font.units})" d="{g.font.outline(g.number)}"/>'
            for g in line.glyphs
        )
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="700" height="120">{paths}</svg>'
        ours = drawn(svg)[..., 3].astype(float)
        same = np.corrcoef(ours.ravel(), np.asarray(theirs, float).ravel())[0, 1]
        assert same > 0.9


def test_lines_break_where_they_may():
    assert breaks("two words") == [4]
    assert breaks("a\u00a0b") == []
    assert 2 not in breaks("です。次")
    assert breaks("ランプ") == []
    assert wrap("one two three four", len, 9) == ["one two", "three", "four"] or wrap(
        "one two three four", len, 9
    ) == ["one two", "three four"]
    assert wrap("unbreakable", len, 5) is None
    assert shortened("one two three four five", lambda text: len(text) <= 15) == "one two three…"


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab c-日本。"), min_size=1, max_size=40), st.integers(3, 20))
def test_wrapping_loses_no_letter_and_keeps_to_the_room(text, room):
    lines = wrap(text, len, room)
    if lines is not None:
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert all(len(line) <= room for line in lines)


def test_colours_go_both_ways_and_contrast_is_wcags():
    every = np.arange(256, dtype=np.uint8)
    assert (encoded(linear(every)) == every).all()
    black, white, grey = luminance(np.array([[0] * 3, [255] * 3, [118] * 3], np.uint8))
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, grey) == pytest.approx(4.54, abs=0.02)


def test_every_shipped_template_has_every_placement():
    assert len(template_names()) >= 4
    for name in template_names():
        assert set(load_template(name).formats) == set(Layout.names())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "squared"}, "did you mean 'square'"),
        ({"name": "square", "style": "bloon"}, "did you mean 'bloom'"),
        ({"name": "square", "tone": "pail"}, "did you mean 'pale'"),
    ],
)
def test_names_that_are_not_there_are_told_with_the_nearest(options, says):
    with pytest.raises(ConfigError, match=says):
        Layout.load(**options)


def test_a_poster_is_saved_whole_and_only_by_known_endings(tmp_path):
    poster = lay_out(content(), Layout.load("leaderboard", seed=1))
    with pytest.raises(ConfigError, match="jpg"):
        poster.save(tmp_path / "ad.jpg")
    poster.save(tmp_path / "ad.png")
    assert [path.name for path in tmp_path.iterdir()] == ["ad.png"]
