"""Sessions that are kept: one contract for SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from genrec.errors import ConfigError, InputError, StorageError
from genrec.serving.conversation import (
    ChatState,
    StaleSession,
    UnknownSession,
    open_sessions,
)
from tests.serving.postgres import cluster  # noqa: F401

EVENTS = [{"kind": "token", "text": "Hello\u202e \ud800"}, {"kind": "done", "text": "", "turn": 1}]


def state(turns: int) -> ChatState:
    return ChatState(user="ann", where={"price": {"max": 10}}, turns=turns)


class SessionsContract:
    """What every store owes; ``url`` names an empty one."""

    @pytest.fixture
    def url(self):
        raise NotImplementedError

    @pytest.fixture
    def store(self, url):
        store = open_sessions(url)
        yield store
        store.close()

    def test_a_turn_is_there_as_it_was_after_the_store_is_opened_again(self, url, store):
        session = store.create(user="ann")
        kept = store.append(session.id, {"text": "hi", "id": "m1"}, EVENTS, state(1), version=0)
        assert kept.version == 1 and kept.state == state(1)
        again = open_sessions(url)
        assert again.get(session.id) == kept
        (turn,) = again.turns(session.id)
        assert turn.message == {"text": "hi", "id": "m1"} and turn.events == tuple(EVENTS)
        again.close()

    def test_of_two_tabs_the_second_is_told_and_changes_nothing(self, store):
        session = store.create()
        store.append(session.id, {"text": "one"}, [], state(1), version=0)
        with pytest.raises(StaleSession, match="another window") as told:
            store.append(session.id, {"text": "two"}, [], state(2), version=0)
        assert told.value.version == 1
        assert store.get(session.id).state.turns == 1 and len(store.turns(session.id)) == 1

    def test_of_many_tabs_at_once_exactly_one_is_kept(self, store):
        session, outcomes = store.create(), []

        def tab(number):
            try:
                store.append(session.id, {"text": str(number)}, [], state(number), version=0)
                outcomes.append("kept")
            except StaleSession:
                outcomes.append("stale")

        threads = [threading.Thread(target=tab, args=(n,)) for n in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert sorted(outcomes) == ["kept"] + ["stale"] * 7
        assert store.get(session.id).version == 1

    def test_a_message_that_is_sent_again_is_answered_once(self, store):
        session = store.create()
        first = store.append(session.id, {"id": "m"}, EVENTS, state(1), version=0)
        assert store.append(session.id, {"id": "m"}, [], state(9), version=0) == first
        turn = store.answered(session.id, "m")
        assert turn is not None and turn.events == tuple(EVENTS)
        assert store.answered(session.id, "other") is None

    def test_another_owners_session_is_as_good_as_none(self, store):
        session = store.create(user="ann", owner="shop-a")
        for attempt in (
            lambda: store.get(session.id),
            lambda: store.get(session.id, owner="shop-b"),
            lambda: store.turns(session.id, owner="shop-b"),
            lambda: store.append(session.id, {}, [], state(1), version=0, owner="shop-b"),
            lambda: store.delete(session.id, owner="shop-b"),
            lambda: store.export(session.id, owner="shop-b"),
            lambda: store.get("' OR 1=1 --", owner="shop-a"),
        ):
            with pytest.raises(UnknownSession):
                attempt()
        assert store.get(session.id, owner="shop-a").version == 0
        assert store.of_user("ann", owner="shop-b") == []

    def test_ids_cannot_be_guessed_and_never_come_twice(self, store):
        ids = {store.create().id for _ in range(50)}
        assert len(ids) == 50 and min(map(len, ids)) >= 32

    def test_an_export_holds_everything_and_a_deletion_leaves_nothing(self, store):
        session = store.create(user="ann")
        store.append(session.id, {"text": "hi"}, EVENTS, state(1), version=0)
        export = store.export(session.id)
        assert export["turns"][0]["message"] == {"text": "hi"}
        assert ChatState.from_dict(export["state"]) == state(1)
        store.delete(session.id)
        with pytest.raises(UnknownSession):
            store.turns(session.id)

    def test_forgetting_a_user_removes_their_sessions_and_no_others(self, store):
        mine = [store.create(user="ann", owner=owner) for owner in ("", "shop-a")]
        other = store.create(user="bob")
        assert store.forget("ann") == 2
        for one in mine:
            with pytest.raises(UnknownSession):
                store.get(one.id, owner=one.owner)
        assert store.get(other.id).user == "bob"

    def test_a_session_whose_time_is_over_is_gone(self, url):
        brief = open_sessions(url, lifetime=-1.0)
        session = brief.create()
        with pytest.raises(UnknownSession):
            brief.get(session.id)
        assert brief.expire() == 1 and brief.expire() == 0
        kept = open_sessions(url)
        alive = kept.create()
        assert kept.expire() == 0 and kept.get(alive.id) == alive
        assert kept.expire(now=time.time() + 40 * 86_400) == 1
        brief.close()
        kept.close()

    def test_a_users_sessions_come_latest_first(self, store):
        first, second = store.create(user="ann"), store.create(user="ann")
        store.append(first.id, {}, [], state(1), version=0)
        assert [one.id for one in store.of_user("ann")] == [first.id, second.id]


class TestSqliteSessions(SessionsContract):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/deep/sessions.sqlite"

    def test_a_turn_that_was_acknowledged_survives_the_death_of_its_process(self, url):
        program = (
            "import os, sys\n"
            "from genrec.serving.conversation import ChatState, open_sessions\n"
            "store = open_sessions(sys.argv[1])\n"
            "one = store.create(user='ann')\n"
            "store.append(one.id, {'text': 'hi'}, [], ChatState(turns=1), version=0)\n"
            "print(one.id, flush=True)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True)
        assert done.returncode == -9
        assert open_sessions(url).get(done.stdout.strip()).state.turns == 1

    def test_a_file_that_is_no_data_base_is_a_storage_error(self, tmp_path):
        (tmp_path / "broken").write_text("this is no data base" * 100)
        with pytest.raises(StorageError, match="cannot be used"):
            open_sessions(f"sqlite:///{tmp_path}/broken")


class TestPostgresSessions(SessionsContract):
    @pytest.fixture
    def url(self, cluster):  # noqa: F811
        import psycopg

        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS chat_sessions, chat_turns")
        return cluster.url

    def test_a_server_that_is_down_is_told_plainly(self):
        with pytest.raises(StorageError, match="PostgreSQL cannot be used"):
            open_sessions("postgresql://nobody@127.0.0.1:1/none")


def test_a_url_of_no_store_is_refused_without_repeating_its_password():
    with pytest.raises(ConfigError, match="mysql://") as told:
        open_sessions("mysql://root:secret@host/shop")  # pragma: allowlist secret
    assert "secret" not in str(told.value)
    with pytest.raises(ConfigError, match="is no URL"):
        open_sessions("sessions")
    assert issubclass(UnknownSession, InputError)
