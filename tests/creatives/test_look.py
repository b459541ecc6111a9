import numpy as np
import pytest
from PIL import Image

from genrec.creatives.campaign import Campaign
from genrec.creatives.layout import Content, Layout
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
