import json

import polars as pl
import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.errors import InputError
from genrec.stages.run import Run
from tests.stages.batch_shop import shop_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return shop_run(tmp_path_factory.mktemp("runs"))


def call(*words: str, text: str = ""):
    return CliRunner().invoke(app, list(words), input=text, catch_exceptions=False)


def test_the_command_takes_users_from_stdin_and_says_what_came_of_it(run, tmp_path):
    filter_file = tmp_path / "cheap.json"
    filter_file.write_text('{"price": {"max": 9}}')
    folder, into = str(run.workspace.folder), str(tmp_path / "job")
    words = ("recommend", folder, "--users", "-", "--into", into, "-n", "3", "-q")
    done = call(*words, "--where", str(filter_file), text="u5\n\nnewcomer, 2\n")
    assert done.stdout == f"2 users, 6 recommendations, shards: 1, in {into}\n"
    values = json.loads(
        call(*words, "--where", filter_file.read_text(), "--json", text="u5\nnewcomer, 2\n").stdout
    )
    assert values == json.loads((tmp_path / "job" / "_manifest.json").read_text())
    assert values["where"] == {"price": {"max": 9}}
    table = pl.read_parquet(tmp_path / "job" / "*.parquet")
    assert table["user"].unique(maintain_order=True).to_list() == ["u5", "newcomer, 2"]


def test_one_user_can_have_a_filter_too(run):
    words = ("recommend", str(run.workspace.folder), "--user", "u3", "-n", "5", "--json")
    found = json.loads(call(*words, "--where", '{"price": {"min": 50}}').stdout)["recommendations"]
    assert len(found) == 5
    assert all(one["price"] >= 50 for one in found)


def test_a_history_may_be_a_json_list(run):
    words = ("recommend", str(run.workspace.folder), "-n", "4", "--json", "--history")
    assert call(*words, '["i4", "i31"]').stdout == call(*words, "i4, i31").stdout
    assert call(*words, "-", text='["i4", "i31"]').stdout == call(*words, "i4 i31").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--all-users"], "--into FOLDER"),
        (["--all-users", "--user", "u1", "--into", "x"], "--user does not go with --all-users"),
        (["--users", "-", "--all-users", "--into", "x"], "--users does not go with --all-users"),
        (["--users", "absent.txt", "--into", "x"], "'absent.txt' could not be read"),
        (["--users", "-", "--why", "--into", "x"], "--why does not go with --users"),
        (["--user", "u1", "--into", "x"], "--into is for many users"),
        (["--user", "u1", "--where", "absent.json"], "JSON text such as"),
        (["--user", "u1", "--where", '{"price": '], "--where is no JSON"),
        (["--history", '["a", '], "starts with '[' and is no JSON list"),
        (["--history", '["a", {}]'], "item ids are text"),
        ([], "--all-users"),
    ],
)
def test_words_that_do_not_go_together_are_refused(run, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        call("recommend", str(run.workspace.folder), *words)
    assert message in str(error.value)
