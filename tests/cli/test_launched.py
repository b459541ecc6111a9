import json
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from torch.distributed import TCPStore

from genrec.cli import launched
from genrec.errors import ConfigError
from genrec.shipped import LAUNCH, shipped_file
from tests import own_process
from tests.command_line import genrec
from tests.small import next_item

COMPANY = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
RECIPE = """\
name: mine
data: {source: tables, options: {interactions: events.csv, items: items.csv}}
encode: {fields: [title]}
semantic_ids: {levels: 2, codebook_size: 16}
llm: {name: tiny, adapt: full}
prompt: {history: 20}
packing: {row_tokens: 64}
train: {steps: 12, batch_size: 4, learning_rate: 3.0e-3, validate_every: 6, checkpoint_every: 6}
evaluate:
  refit: true
  against: [popular, sasrec]
  control_options: {sasrec: {steps: 4, validate_every: 0}}
"""


@pytest.fixture
def rank(monkeypatch):
    def set_to(number):
        for name, value in {**COMPANY, "RANK": str(number)}.items():
            monkeypatch.setenv(name, value)

    return set_to


def test_commands_that_one_process_does_are_not_done_by_several(rank):
    rank(0)
    with pytest.raises(ConfigError, match="2 processes were started, and 'genrec serve'"):
        launched.begin("serve")
    launched.begin("run")


def test_an_error_of_another_process_waits_for_the_main_one_and_says_whose_it_is(
    rank, monkeypatch, capsys
):
    waited = []
    monkeypatch.setattr(launched.time, "sleep", waited.append)
    rank(0)
    launched.say(ConfigError("no"))
    assert (capsys.readouterr().err, waited) == ("genrec: no\n", [])
    rank(1)
    launched.say(ConfigError("no"))
    assert capsys.readouterr().err == "genrec: process 1 of 2: no\n"
    assert waited


def launch(folder, *words):
    """Runs ``accelerate launch … -m genrec words…`` with two processes."""
    file = shipped_file(LAUNCH, "ddp-cpu-2.yaml")
    launcher = ("-m", "accelerate.commands.launch", "--config_file", str(file))
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "genrec", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def together(folder, monkeypatch, *words):
    """Runs ``genrec words…`` in two processes as a launcher would; what each said."""
    # A launcher keeps what they tell one another, so that none of them has to end last.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = {"MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in {**COMPANY, **told}.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as processes:
        started = []
        for rank in ("0", "1"):
            monkeypatch.setenv("RANK", rank)
            monkeypatch.setenv("LOCAL_RANK", rank)
            started.append(processes.enter_context(own_process.genrec(folder, *words)))
        for process in started:
            assert process.wait() == 0, process.stderr
        return [process.stderr for process in started]


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "my.yaml").write_text(RECIPE)
    items = [f"i{n},thing number {n}" for n in range(60)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title", *items]))
    events = ["user_id,item_id,time"]
    for user in range(80):
        item = user * 13 % 60
        for time in range(4 + user % 6):
            events.append(f"u{user},i{item},{time}")
            item = next_item(item)
    (tmp_path / "events.csv").write_text("\n".join(events))
    return tmp_path


@pytest.mark.slow
def test_accelerate_launch_gives_the_report_of_one_process(shop, monkeypatch):
    one = genrec(shop, "run", "my.yaml", "--into", "one", "--json")
    two = launch(shop, "run", "my.yaml", "--into", "two", "--json")
    # Two processes would have printed twice.
    assert json.loads(two.stdout)["shown"]["user"] == json.loads(one.stdout)["shown"]["user"]
    assert two.stderr.count("Load data") == two.stderr.count("Evaluate") == 1
    ours, theirs = (json.loads(done.stdout)["report"] for done in (two, one))
    for report in (ours, theirs):
        for judged in report["recommenders"].values():
            assert judged.pop("seconds") >= 0
    assert ours == theirs
    again, other = together(shop, monkeypatch, "run", "my.yaml", "--into", "two")
    assert (again.count("reused"), other.count("reused")) == (5, 0)
