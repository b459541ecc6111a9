import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from genrec.cli.main import app
from genrec.errors import ConfigError
from genrec.serving.keys import KeyFile

runner = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_new_key_is_printed_once_and_works(here):
    made = runner.invoke(app, ["keys", "new", "web shop", "--rate", "60"])
    assert made.exit_code == 0
    (key,) = made.stdout.splitlines()
    assert KeyFile(here / "keys.json").find(key).rate == 60
    listed = runner.invoke(app, ["keys", "ls"])
    assert "web shop" in listed.stdout
    assert "60 a minute" in listed.stdout
    assert key.split("_", 2)[2] not in listed.stdout


def test_keys_as_json_hold_no_secret_and_no_hash(here):
    made = runner.invoke(app, ["keys", "new", "operator", "--admin", "--json", "--keys", "k.json"])
    key = json.loads(made.stdout)["key"]
    listed = runner.invoke(app, ["keys", "ls", "--json", "--keys", "k.json"])
    (row,) = json.loads(listed.stdout)
    assert set(row) == {"id", "name", "admin", "rate", "created"}
    assert (row["name"], row["admin"], row["id"]) == ("operator", True, key.split("_")[1])


def test_a_removed_key_is_gone(here):
    key = runner.invoke(app, ["keys", "new", "web shop"]).stdout.strip()
    assert runner.invoke(app, ["keys", "rm", "web shop"]).exit_code == 0
    assert KeyFile(here / "keys.json").find(key) is None
    assert runner.invoke(app, ["keys", "ls"]).stdout == ""
    again = runner.invoke(app, ["keys", "rm", "web shop"])
    assert isinstance(again.exception, ConfigError)


def test_the_help_of_serve_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from genrec.cli.main import main\n"
        "sys.argv = ['genrec', 'serve', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'fastapi', 'torch', 'numpy', 'uvicorn', 'polars', 'starlette'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--max-wait-ms" in done.stdout
