import json

import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.errors import ArtefactError, ConfigError, InputError
from tests.creatives.small_clicks import clicks_table


def asked(*words, stdin=None):
    result = CliRunner().invoke(app, ["reward", *map(str, words)], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reward")
    # Columns by names of their own, as a user's export has them.
    clicks_table(130).rename({"text": "headline"}).write_csv(folder / "tests.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENREC_CACHE", str(folder / "cache"))
        named = ("--columns", "text=headline", "--words", "20")
        output = asked("train", folder / "tests.csv", "--into", folder / "model", *named)
        yield folder, output


def test_training_says_how_well_it_orders_and_what_it_likes(trained):
    _, output = trained
    assert "130 tests" in output
    assert "significant pairs" in output and "longer" in output
    likes = next(line for line in output.splitlines() if line.startswith("It likes"))
    assert "fresh" in likes


def test_candidates_are_ranked_from_arguments_and_from_stdin(trained):
    folder, _ = trained
    words = ("rank", folder / "model", "--json")
    ranked = json.loads(asked(*words, "dull plain tea", "fresh cheap tea"))
    assert [one["place"] for one in ranked] == [1, 0]
    assert json.loads(asked(*words, stdin="dull plain tea\n\nfresh cheap tea\n")) == ranked
    table = asked("rank", folder / "model", "dull plain tea", "fresh cheap [b]tea[/b]")
    assert "fresh cheap [b]tea[/b]" in table


def test_wrong_input_is_told(trained, tmp_path):
    folder, _ = trained
    (tmp_path / "bad.csv").write_text("test,text,impressions,clicks\na,One,1,2\n")
    with pytest.raises(InputError) as caught:
        asked("train", tmp_path / "bad.csv", "--into", tmp_path / "model")
    assert len(caught.value.problems) == 2 and not (tmp_path / "model").exists()
    with pytest.raises(ConfigError, match="text=headline"):
        asked("train", tmp_path / "bad.csv", "--columns", "text")
    with pytest.raises(ArtefactError):
        asked("rank", tmp_path, "One")
    with pytest.raises(InputError, match="no candidate"):
        asked("rank", folder / "model", stdin="\n")
