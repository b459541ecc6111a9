import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.errors import ArtefactError, ConfigError, InputError
from genrec.recipe import Recipe
from genrec.stages.pipeline import run_recipe
from genrec.workspace import Workspace
from tests.small_towers import vision_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("find")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENREC_CACHE", str(folder / "cache"))
        tower = vision_folder("clip", folder / "clip")
        options = {"items": 40, "shoppers": 20, "pictures": True}
        recipe = {
            "name": "shop",
            "data": {"source": "toy_shop", "options": options},
            "encode": {"model": "", "image": {"model": str(tower)}},
        }
        run_recipe(Recipe.parse(recipe), Workspace(folder / "run"), until="encode")
        yield folder


def asked(run, *arguments):
    return CliRunner().invoke(app, ["find", str(run / "run"), *arguments])


def values(run, *arguments):
    done = asked(run, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_picture_finds_its_item(run):
    file = next((run / "cache" / "toy_shop").rglob("toy0007.png"))
    found = values(run, "--image", str(file), "-n", "3")
    assert found[0]["item_id"] == "toy0007"
    assert len(found) == 3


def test_words_and_filters_go_together(run):
    found = values(run, "red mug", "--where", '{"category": "kitchen"}', "-n", "4")
    assert len(found) == 4
    assert all("mug" in one["title"] for one in found)


def test_what_is_found_is_shown_as_a_table(run):
    done = asked(run, "mug", "-n", "2")
    assert done.exit_code == 0
    assert "words in pictures" in done.stdout


def test_an_index_of_cells_is_made_once_and_kept(run, monkeypatch):
    monkeypatch.setattr("genrec.encoders.vector_index.EXACT", 10)
    first = values(run, "red mug", "-n", "5")
    kept = run / "run" / "find_image" / "index.faiss"
    made = kept.stat().st_mtime_ns
    assert values(run, "red mug", "-n", "5") == first
    assert kept.stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ([], InputError, "Nothing was asked"),
        (["--image", "absent.jpg"], InputError, "absent.jpg cannot be read"),
        (["mug", "--image", __file__], InputError, "test_find.py cannot be used: it is no picture"),
        (["mug", "--image", "/dev/zero"], InputError, "/dev/zero is no file"),
        (["mug", "--image", str(Path(__file__).parent)], InputError, "is no file"),
        (["mug", "--where", '{"price": {"max": -1}}'], InputError, "No item passes|at least 0"),
        (["mug", "--where", '{"colour": "red"}'], InputError, "colour"),
    ],
)
def test_what_cannot_be_answered_is_said(run, arguments, kind, message):
    done = asked(run, *arguments)
    assert isinstance(done.exception, kind)
    assert any(part in str(done.exception) for part in message.split("|"))


def test_a_folder_that_is_no_run_is_said(tmp_path):
    done = CliRunner().invoke(app, ["find", str(tmp_path), "mug"])
    assert isinstance(done.exception, ArtefactError | ConfigError)
