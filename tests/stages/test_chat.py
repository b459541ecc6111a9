"""A trained run as a shop that one can talk to, through the real command line and without it."""

import shutil
import signal

import httpx
import pytest

from genrec.serving.conversation.message import Message
from genrec.serving.events import Event, SqliteEvents
from genrec.stages.chat import Counter, open_shopfront
from genrec.stages.loaded import open_run
from tests.own_process import genrec
from tests.serving.chats import events
from tests.serving.live import forked
from tests.stages.test_serve import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def own_run(tmp_path):
    return make_run(tmp_path / "run")


def test_posted_events_are_history_and_forgetting_takes_everything(own_run):
    store = SqliteEvents(own_run / "events.sqlite")
    counter = Counter(own_run, store)
    loaded = open_run(own_run)
    shop = counter.conversation(loaded).shop
    user, other = "u3", "u4"
    before = len(shop.history(user))
    assert before == len(loaded.dataset.history(user))
    store.append([Event("e1", user, loaded.catalog.ids[0])])
    assert len(shop.history(user)) == before + 1
    assert shop.profile(user) is not None
    counter.forget(user)
    store.forget(user)
    assert shop.profile(user) is None
    assert len(shop.history(user)) == 0
    assert shop.profile(other) is not None
    assert len(shop.history(other)) > 0
    # A restart does not bring them back, and what they choose from now on counts.
    again = Counter(own_run, store).conversation(loaded).shop
    assert again.profile(user) is None
    store.append([Event("e2", user, loaded.catalog.ids[1])])
    assert len(again.history(user)) == 1
    store.close()


def test_a_model_of_another_folder_brings_profiles_of_its_own(own_run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(own_run, other)
    counter, loaded = Counter(own_run), open_run(other)
    shop = counter.conversation(loaded, other).shop
    assert shop.profile("u3") is not None
    assert (other / "profiles").is_dir()
    assert not (own_run / "profiles").exists()


def test_a_run_is_talked_to_and_gone_on_with(run, tmp_path):
    chats = f"sqlite:///{tmp_path / 'chats.sqlite'}"
    front = open_shopfront(run, chats=chats)
    session = front.open(user="u3")
    said = [piece for _, piece in front.say(session.id, Message("something under 20")).read()]
    shown = [card for one in said if one["kind"] == "cards" for card in one["cards"]]
    assert shown
    assert all(card["price"] < 20 for card in shown)
    front.close(5)
    later = open_shopfront(run, chats=chats)
    assert later.sessions.get(session.id).state.cards == tuple(card["item"] for card in shown)
    later.close(5)


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_kill(run, tmp_path):
    chats = f"sqlite:///{tmp_path / 'chats.sqlite'}"
    command = ("serve", str(run), "--port", "PORT", "--chats", chats)
    kept = {}
    with forked(*command) as (process, address), httpx.Client(base_url=address) as client:
        page = client.get("/")
        assert "text/html" in page.headers["Content-Type"]
        path = f"/v1/chat/sessions/{client.post('/v1/chat/sessions', json={}).json()['session']}"
        for turn in range(5):
            body = {"text": f"something under {20 + turn}", "id": str(turn)}
            answer = client.post(f"{path}/turns", json=body, timeout=60)
            kept[str(turn)] = [data for _, data in events(answer.text)]
            assert kept[str(turn)][-1]["kind"] == "done"
        process.send_signal(signal.SIGKILL)
        process.wait()
    with forked(*command) as (_, address), httpx.Client(base_url=address) as client:
        turns = client.get(path).json()["turns"]
        assert {turn["message"]["id"]: turn["events"] for turn in turns} == kept


@pytest.mark.slow
def test_the_terminal_reads_a_pipe(run):
    with genrec(run, "chat", str(run), text="something under 20\n/why 1\n/quit\n") as process:
        assert process.wait() == 0, process.stderr
        printed = process.stdout
    assert "\x1b" not in printed
    assert "1  " in printed
    assert "--session=" in printed
