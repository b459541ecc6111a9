import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from genrec.errors import ConfigError, InputError, MissingExtra, StorageError
from genrec.serving.events import Event, SqliteEvents, open_events
from tests.serving.postgres import cluster  # noqa: F401


def event(number, user="u", item="p1", when: int | None = 100):
    return Event(f"e{number}", user, item, "choose", when)


class StoreContract:
    """What every store owes; ``url`` names an empty one."""

    @pytest.fixture
    def url(self):
        raise NotImplementedError

    @pytest.fixture
    def store(self, url):
        store = open_events(url)
        yield store
        store.close()

    def test_a_user_gets_their_events_by_time_and_then_by_arrival(self, store):
        posted = [event(1, when=300), event(2, when=100), event(3, when=100), event(9, user="v")]
        assert store.append(posted) == 4
        assert store.append([event(0, when=100)]) == 1
        assert [one.id for one in store.history("u")] == ["e2", "e3", "e0", "e1"]
        assert store.history("nobody") == []
        assert len(store) == 5

    def test_what_comes_back_is_what_was_posted(self, store):
        posted = Event("Ω 1", "Ünï 'user'; --", 'item "1"', "buy ✓", 2**40)
        store.append([posted])
        assert store.history(posted.user) == [posted]

    def test_posting_again_changes_nothing(self, store):
        posted = [event(1), event(2)]
        assert store.append(posted) == 2
        assert store.append([*posted, event(3)]) == 1
        assert store.append(posted * 3) == 0
        assert len(store) == 3

    def test_a_repeated_event_without_a_time_is_the_same_event(self, store):
        before = int(time.time())
        assert store.append([event(1, when=None)]) == 1
        (kept,) = store.history("u")
        assert before <= kept.time <= time.time()
        assert store.append([event(1, when=None)]) == 0
        assert store.history("u") == [kept]

    def test_an_id_that_is_taken_by_another_event_keeps_nothing(self, store):
        store.append([event(1), event(2)])
        changed = [event(0), event(1, item="p9"), event(2, user="v")]
        with pytest.raises(InputError) as error:
            store.append(changed)
        assert len(error.value.problems) == 2
        assert len(store) == 2

    def test_one_post_may_not_contradict_itself(self, store):
        with pytest.raises(InputError, match="e1"):
            store.append([event(1), event(1, item="p2")])
        assert len(store) == 0

    def test_nothing_posted_is_nothing_kept(self, store):
        assert store.append([]) == 0

    def test_writers_at_the_same_time_lose_nothing_and_count_each_event_once(self, store, url):
        counts = []

        def write(own):
            for start in range(0, 40, 4):
                counts.append(own.append([event(n) for n in range(start, start + 4)]))

        others = [open_events(url) for _ in range(3)]
        threads = [threading.Thread(target=write, args=(one,)) for one in [store, *others]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for other in others:
            other.close()
        assert sum(counts) == len(store) == 40

    def test_what_was_kept_is_there_after_opening_again(self, store, url):
        store.append([event(1)])
        again = open_events(url)
        again.check()
        assert again.history("u") == [event(1)]
        again.close()

    def test_closing_twice_leaves_what_was_kept(self, url):
        store = open_events(url)
        store.append([event(1)])
        store.close()
        store.close()
        again = open_events(url)
        assert again.history("u") == [event(1)]
        again.close()

    def test_every_acknowledged_event_outlives_a_kill(self, url, store):
        """A child posts and says each id after its acknowledgement; it is killed while it does."""
        code = (
            "import sys\n"
            "from genrec.serving.events import Event, open_events\n"
            "store = open_events(sys.argv[1])\n"
            "for number in range(10**6):\n"
            "    store.append([Event(f'k{number}', 'killed', 'p1')])\n"
            "    print(f'k{number}', flush=True)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True
        )
        said = [child.stdout.readline().strip() for _ in range(25)]
        os.kill(child.pid, signal.SIGKILL)
        said += child.stdout.read().split()
        child.wait()
        assert said[0] == "k0"
        kept = {one.id for one in store.history("killed")}
        # The last line may be cut off in the pipe.
        assert set(said[:-1]) <= kept
        assert len(kept) <= len(said) + 1


class TestSqlite(StoreContract):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/deep/events.sqlite"

    def test_each_commit_waits_for_the_disk(self, store):
        connection = store._connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)

    def test_a_short_history_waits_for_no_commit(self, store):
        store.append([event(1)])
        with store._lock:
            store._connection.execute("BEGIN IMMEDIATE")
            store._connection.execute("DELETE FROM events")
            assert [one.id for one in store.short_history("u", 5)] == ["e1"]
            store._connection.execute("COMMIT")
        assert store.short_history("u", 5) == []

    def test_a_short_history_is_the_whole_or_none(self, store):
        store.append([event(number, when=5 - number) for number in range(4)])
        assert store.short_history("u", 4) == store.history("u")
        assert store.short_history("u", 3) is None
        assert store.short_history("a stranger", 3) == []

    def test_a_short_history_waits_for_no_other_reader(self, store):
        with store._reading:
            assert store.short_history("u", 5) is None

    def test_a_store_that_is_closed_or_damaged_has_no_short_history(self, store):
        store._connection.execute("DROP TABLE events")
        assert store.short_history("u", 5) is None
        with pytest.raises(StorageError, match="no such table"):
            store.history("u")
        store.close()
        assert store.short_history("u", 5) is None

    def test_a_store_in_memory_is_read_as_it_is(self):
        store = open_events("sqlite:///:memory:")
        store.append([event(1)])
        assert [one.id for one in store.history("u")] == ["e1"]
        assert store.short_history("u", 5) is None
        store.close()

    def test_a_file_that_is_no_database_is_named(self, tmp_path):
        path = tmp_path / "events.sqlite"
        path.write_text("not a database, but longer than a header of one " * 10)
        with pytest.raises(StorageError, match=r"events\.sqlite"):
            SqliteEvents(path)

    def test_a_disk_that_cannot_be_written_is_an_error_and_loses_nothing(self, store, url):
        store.append([event(1)])
        store._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StorageError, match="readonly|read-only"):
            store.append([event(2)])
        store._connection.execute("PRAGMA query_only = OFF")
        assert store.append([event(2)]) == 1


class TestPostgres(StoreContract):
    @pytest.fixture
    def url(self, cluster):  # noqa: F811
        import psycopg

        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS genrec_events")
        return cluster.url

    def test_acknowledged_events_outlive_a_crash_of_the_server_and_the_store_goes_on(
        self,
        store,
        cluster,  # noqa: F811
    ):
        store.append([event(1)])
        cluster.stop("immediate")
        with pytest.raises(StorageError, match="PostgreSQL"):
            store.append([event(2)])
        with pytest.raises(StorageError):
            store.check()
        cluster.start()
        assert store.append([event(1), event(2)]) == 1
        assert [one.id for one in store.history("u")] == ["e1", "e2"]

    def test_a_server_that_is_not_there_is_told_without_the_password(self, tmp_path):
        with pytest.raises(StorageError) as error:
            # pragma: allowlist nextline secret
            open_events(f"postgresql://me:very-secret@/x?host={tmp_path}")
        assert "very-secret" not in str(error.value)
        assert "--events" in str(error.value)


# pragma: allowlist nextline secret
@pytest.mark.parametrize("url", ["", "events.sqlite", "mysql://me:very-secret@host/x", "sqlite://"])
def test_other_urls_are_refused_without_repeating_a_password(url):
    with pytest.raises(ConfigError, match="sqlite:///") as error:
        open_events(url)
    assert "very-secret" not in str(error.value)


def test_postgresql_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"genrec\[postgres\]"):
        open_events("postgresql://host/x")
