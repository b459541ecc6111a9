import json

import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.errors import ConfigError, InputError
from genrec.recipe import Recipe
from genrec.stages.pipeline import run_recipe
from genrec.workspace import Workspace


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guard") / "run"
    recipe = {
        "name": "shop",
        "data": {"source": "toy_shop", "options": {"items": 40, "shoppers": 20}},
    }
    run_recipe(Recipe.parse(recipe), Workspace(folder), until="load_data")
    return folder


def asked(run, *arguments, stdin=None):
    return CliRunner().invoke(app, ["guard", str(run), *arguments], input=stdin)


def test_a_clean_text_passes_and_a_claim_is_shown_with_its_reason(run):
    clean = asked(run, "toy0007", "Have a look at this one.")
    assert (clean.exit_code, "Nothing to refuse" in clean.output) == (0, True)
    refused = asked(run, "toy0007", "It c.u.r.e.s colds")
    assert refused.exit_code == 6
    assert "c.u.r.e.s" in refused.output
    assert "policy:general/health" in refused.output


def test_json_has_spans_and_the_policys_version(run):
    said = json.loads(asked(run, "toy0007", "FDA approved", "--json", "--policy", "food").stdout)
    assert said["policy"] == "food"
    assert {"certificate"} == {one["kind"] for one in said["findings"]}
    assert [0, 12] in [one["span"] for one in said["findings"]]


def test_a_text_comes_from_a_file_or_a_pipe(run, tmp_path):
    (tmp_path / "ad.txt").write_text("guaranteed", encoding="utf-8")
    assert asked(run, "toy0007", "--text", str(tmp_path / "ad.txt")).exit_code == 6
    assert asked(run, "toy0007", "--text", "-", stdin="guaranteed").exit_code == 6


def test_what_cannot_be_checked_is_said(run):
    with pytest.raises(InputError, match="Give the text"):
        raise asked(run, "toy0007").exception
    with pytest.raises(InputError, match="no item 'nope'"):
        raise asked(run, "nope", "text").exception
    with pytest.raises(ConfigError, match="did you mean 'general'"):
        raise asked(run, "toy0007", "text", "--policy", "generl").exception
