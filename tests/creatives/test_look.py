from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genrec.creatives.campaign import Campaign
from genrec.creatives.layout import Content, FontBook, Layout
from genrec.creatives.look import LOGO_BYTES, Look
from genrec.creatives.picture_options import PictureOptions
from genrec.errors import InputError

pytest.importorskip("resvg_py", reason="needs the extra 'ads'")

PICTURE = np.full((64, 64, 3), (210, 190, 160), np.uint8)
BLUE = (20, 40, 200)


def saved(path, size=(120, 40), colour=(*BLUE, 255)):
    Image.new("RGBA", size, colour).save(path)
    return path


def asked(folder, **picture):
    content = {
        "name": "spring",
        "who": {"users": "all"},
        "what": {"items": "all"},
        "placements": ["push"],
        "picture": picture,
    }
    return Campaign.parse(content, folder=folder)


def problems(folder, **picture):
    with pytest.raises(InputError) as error:
        asked(folder, **picture)
    return error.value.problems


def poster(look, style="studio", name="leaderboard", **changes):
    words = {"headline": "Alba linen lamp", "brand": "Nordlys", "picture": PICTURE, **changes}
    return look.laid_out(Content(**words), Layout.load(name, style=style, tone="pale"))


@pytest.mark.parametrize(
    ("name", "style"),
    [("landscape", "studio"), *(("leaderboard", style) for style in Layout.styles())],
)
def test_a_logo_stands_in_the_place_of_the_brands_name(tmp_path, name, style):
    look = Look.of(PictureOptions(logo=str(saved(tmp_path / "logo.png"))))
    marked = poster(look, style, name)
    stacks = Layout.load(name, style=style).format.stacks
    has_place = any("brand" in stack.order for stack in stacks)
    assert ("logo" in marked.boxes) == has_place
    assert has_place or name == "leaderboard"
    assert not any(one.field == "brand" for one in marked.texts)
    if has_place:
        left, top, right, bottom = marked.boxes["logo"]
        middle = marked.pixels[(top + bottom) // 2, (left + right) // 2]
        assert tuple(middle) == BLUE
        assert 2 < (right - left) / (bottom - top) < 4


def test_a_logo_lies_beside_the_campaigns_file(tmp_path):
    saved(tmp_path / "logo.png")
    file = tmp_path / "c.yaml"
    file.write_text(
        "name: a\nwho: {users: all}\nwhat: {items: all}\nplacements: [push]\n"
        "picture: {logo: logo.png}\n"
    )
    made = Campaign.load(file)
    assert made.picture.logo == str(tmp_path / "logo.png")
    # What is stored of it is found from any other folder.
    stored = asked(tmp_path).with_media({}).media
    assert stored["picture"]["logo"] == ""
    assert Campaign.parse({**made.about, **made.media}).picture.logo == made.picture.logo


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((8, 8), "8 x 8 pixels; each side needs at least 16"),
        ((5000, 500), "5000 x 500 pixels; at most 4,096 a side"),
        ((1000, 20), "one side has at most 12 times"),
    ],
)
def test_a_logo_of_a_size_that_nobody_could_read_is_refused(tmp_path, size, told):
    saved(tmp_path / "logo.png", size)
    (problem,) = problems(tmp_path, logo="logo.png")
    assert problem.startswith("picture.logo: ")
    assert told in problem


def test_a_file_that_is_no_logo_is_refused_beside_all_else(tmp_path):
    (tmp_path / "text.png").write_text("this is no picture")
    saved(tmp_path / "clear.png", colour=(0, 0, 0, 0))
    (tmp_path / "large.png").write_bytes(bytes(LOGO_BYTES + 1))
    for name, told in (
        ("text.png", "it is no picture in a known format"),
        ("clear.png", "all of it is transparent"),
        ("large.png", "5,000,001 bytes; at most 5,000,000"),
        ("none.png", "none.png; it lies beside the campaign's file"),
        (".", "cannot be read: Is a directory"),
    ):
        found = problems(tmp_path, logo=name, layouts=["sqare"])
        assert len(found) == 2
        assert "did you mean 'square'" in found[0]
        assert told in found[1], found
    assert "no such key" in problems(tmp_path, logos="x")[0]
    assert "valid string" in problems(tmp_path, logo=3)[0]


def test_another_logo_is_another_picture(tmp_path):
    one, same, other = (
        Look.of(PictureOptions(logo=str(saved(tmp_path / name, colour=colour))))
        for name, colour in (
            ("a.png", (1, 2, 3, 255)),
            ("b.png", (1, 2, 3, 255)),
            ("c.png", (3, 2, 1, 255)),
        )
    )
    assert one.identity == same.identity != other.identity
    assert Look().identity == {}


def fonts(folder, text):
    (folder / "fonts.yaml").write_text(text)
    return "fonts.yaml"


def own_font():
    """A shipped font file, named as a shop's own."""
    import genrec.creatives.layout as layout

    return f"{next(iter(layout.__path__))}/fonts/Rubik-Hebrew-Bold.ttf"


def test_a_shops_own_font_comes_before_the_shipped_ones(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "Own.ttf").write_bytes(Path(own_font()).read_bytes())
    name = fonts(
        tmp_path,
        "families:\n"
        "  manrope: {folder: mine, weights: {400: Own.ttf}}\n"
        "  corp: {folder: mine, weights: {700: Own.ttf}}\n"
        "fallbacks: {bold: [corp]}\n",
    )
    options = asked(tmp_path, fonts=name).picture
    look = Look.of(options)
    assert [one.name for one in look.fonts.chain("red_hat_display", 700)][:2] == [
        "RedHatDisplay-Bold",
        "Own",
    ]
    # What the shop's own has not still comes from the shipped one of that name.
    assert [one.name for one in look.fonts.chain("manrope", 400)][:2] == ["Own", "Manrope-Regular"]
    made = poster(look, style="studio", headline="lamp מנורה")
    assert {"Own"} <= {font for text in made.texts for font in text.fonts}
    assert look.identity["fonts"] != ""
    assert Look.of(options).identity == look.identity
    (tmp_path / "fonts.yaml").write_text(
        (tmp_path / "fonts.yaml").read_text().replace("bold: [corp]", "light: [corp]")
    )
    assert Look.of(options).identity != look.identity


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("families: {mine: {weights: {400: Absent.ttf}}}", "Absent.ttf cannot be read"),
        ("families: {mine: {weights: {400: fonts.yaml}}}", "is no font, or has no letters"),
        ("families: {mine: {weight: {400: a.ttf}}}", "families.mine has no weights"),
        ("families: {mine: {weights: {bold: a.ttf}}}", "'bold' is no number"),
        ("families: {mine: {weights: {400: 3}}}", "3 is no name of a file"),
        ("families: {mine: {weights: {400: a.ttf}, foldr: x}}", "did you mean 'folder'"),
        ("families: {mine: {weights: {400: a.ttf}, package: no_such}}", "no_such"),
        ("families: [mine]", "families is no mapping"),
        ("fallbacks: {light: [manrope]}", "families: there are none"),
        ("families: {}\nfallbacks: {ligt: [manrope]}", "fallbacks.ligt is not known"),
        ("families: {}\nfallbacks: {light: [manrop]}", "did you mean 'manrope'"),
        ("families: {}\nfallbacks: {light: manrope}", "no list of families"),
        ("- a", "no mapping of names"),
    ],
)
def test_fonts_that_do_not_fit_are_refused_when_the_campaign_is_read(tmp_path, text, told):
    found = problems(tmp_path, fonts=fonts(tmp_path, text))
    assert all(line.startswith("picture.fonts: ") for line in found)
    assert any(told in line for line in found), found


def test_a_fonts_file_that_is_not_there_is_named(tmp_path):
    (problem,) = problems(tmp_path, fonts="absent.yaml")
    assert problem.endswith("absent.yaml; it lies beside the campaign's file")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Lamp \U0001f600", "Lamp"),
        ("\U0001f381 Lamp \U0001f469\u200d\U0001f680, blue", "Lamp, blue"),
        ("Red\u2764\ufe0f\U0001f44d\U0001f3fdmug", "Red mug"),
        ("Lampe !", "Lampe !"),
        ("מנורה \U0001f4a1!", "מנורה!"),
    ],
)
def test_a_sign_that_no_font_has_is_left_out_with_its_joiners(text, left):
    found, signs = FontBook.load().without_signs(text, ["manrope", "red_hat_display"])
    assert found == left
    assert bool(signs) == (text != left)


def test_letters_and_currencies_that_no_font_has_are_not_left_out():
    text = "Lamp \u0e42\u0e04\u0e21 \U0001cf00"
    assert FontBook.load().without_signs(text, ["manrope"])[0].startswith("Lamp \u0e42\u0e04\u0e21")


def test_a_picture_is_not_lost_for_an_emoji_and_says_what_it_lacks():
    made = poster(Look(), headline="Alba \U0001f600 lamp")
    (headline,) = [one.text for one in made.texts if one.field == "headline"]
    assert headline == "Alba lamp"
    assert "headline: \U0001f600 (U+1F600) left out, since no font has it" in made.notes
    # A line of signs alone, and a price, are shown whole or not at all.
    for words in ({"headline": "\U0001f600"}, {"price": "\U0001f600 5"}):
        with pytest.raises(InputError, match=r"U\+1F600"):
            poster(Look(), **words)
