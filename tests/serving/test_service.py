import gc
import threading
import weakref

import numpy as np
import polars as pl
import pytest

from genrec.data.catalog import Catalog
from genrec.errors import ArtefactError, ConfigError
from genrec.recommenders.popular import Popular
from genrec.serving.events import Event
from genrec.serving.loaded import Loaded
from genrec.serving.problems import RequestProblem
from tests.serving.live import until
from tests.serving.shops import Held, in_service, loaded, priced_shop


def prepare(service, **asked):
    plain = {"history": None, "user": None, "n": 3, "where": None, "exclude_seen": False}
    return service.prepare(**{**plain, **asked})


def event(item, when=2_000_000, user="u1"):
    return Event(f"{user} {item} {when}", user, item, "choose", when)


def test_later_events_follow_the_history_of_the_data_set():
    model = loaded()
    past = model.dataset.history("u1")
    grown = model.history("u1", [event("p9"), event("gone"), event("p2", 2_000_001)])
    assert grown.items.tolist() == [*past.items.tolist(), 9, 2]
    assert grown.times.tolist() == [*past.times.tolist(), 2_000_000, 2_000_001]
    assert grown.items.dtype == past.items.dtype == np.int32
    assert model.history("u1", []).items.tolist() == past.items.tolist()


def test_the_length_of_a_past_is_that_of_the_data_set():
    model = loaded()
    assert model.past_length("u1") == len(model.dataset.history("u1"))
    assert model.past_length("a stranger") == 0


def test_each_later_event_is_a_basket_of_its_own():
    dataset = priced_shop(baskets=True)
    model = Loaded(Popular.train(dataset), dataset, "baskets")
    assert model.history("u1", [event("p9"), event("p2")]).baskets.tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        4,
    ]


def test_later_events_join_by_time_and_those_of_the_data_set_count_once():
    model = loaded()
    past = model.dataset.history("u1")
    again = event(f"p{past.items[-1]}", int(past.times[-1]))
    early = event("p9", int(past.times[0]) - 5)
    grown = model.history("u1", [early, again, event("p2")])
    assert grown.items.tolist() == [9, *past.items.tolist(), 2]
    assert (np.diff(grown.times) >= 0).all()


def test_kinds_of_later_events_are_read_and_those_before_are_unknown():
    model = loaded()
    posted = [Event("a", "u1", "p9", "buy", 2_000_000), Event("b", "u1", "p2", "choose", 2_000_001)]
    assert model.history("u1", posted).kinds.tolist()[-2:] == [3, 0]
    new = model.history("new", [Event("a", "new", "p9", "view", 7)])
    assert (new.kinds.tolist(), new.times.tolist()) == ([1], [7])


def test_only_the_named_kinds_of_events_count(tmp_path):
    with in_service(tmp_path) as service:
        service.post([Event("a", "new", "p9", "view", 5), Event("b", "new", "p2", "buy", 6)])
        assert prepare(service, user="new").request.history.items.tolist() == [9, 2]
        service.kinds = frozenset(["buy"])
        assert prepare(service, user="new").request.history.items.tolist() == [2]


def test_a_user_of_events_alone_has_a_history_and_a_stranger_has_none():
    model = loaded()
    assert model.history("new", [event("p9", user="new")]).items.tolist() == [9]
    assert model.history("new", [event("gone", user="new")]).items.tolist() == []
    assert model.history("new", []) is None


def test_available_counts_what_the_rules_allow(tmp_path):
    with in_service(tmp_path) as service:
        assert prepare(service, history=[]).available == 12
        assert prepare(service, history=["p1", "p1", "p2"], exclude_seen=True).available == 10
        alpine = {"brand": "Alpine"}
        assert prepare(service, history=["p1", "p2"], where=alpine).available == 6
        unseen = {**alpine, "seen": False}
        assert prepare(service, history=["p1", "p1", "p2"], where=unseen).available == 5


def test_nothing_allowed_says_why_before_it_is_queued(tmp_path):
    with in_service(tmp_path) as service:
        with pytest.raises(RequestProblem, match="allows no item") as error:
            prepare(service, history=[], where={"brand": "Alpin"})
        assert (error.value.status, error.value.code) == (422, "nothing_allowed")
        assert "did you mean 'Alpine'?" in error.value.problems[0]
        only = {"allow": ["p1"], "seen": False}
        with pytest.raises(RequestProblem, match="only items of the history"):
            prepare(service, history=["p1"], where=only)


def test_a_request_in_flight_ends_on_the_model_that_it_began_with(tmp_path):
    old = loaded(Held, "old")
    new = loaded(Popular, "new")
    with in_service(tmp_path, old, load=lambda _: new, max_wait_ms=0) as service:
        asked = prepare(service, history=["p1"])
        job = service.submit(asked, timeout=10)
        assert old.recommender.entered.wait(5)
        queued = service.submit(prepare(service, history=["p1"]), timeout=10)
        assert service.reload() == ("old", "new")
        after = prepare(service, history=["p1"])
        last = service.submit(after, timeout=10)
        old.recommender.release.set()
        assert [len(one.answer.result(5)) for one in (job, queued, last)] == [3, 3, 3]
        assert (asked.loaded.version, after.loaded.version) == ("old", "new")
        assert queued.recommender is old.recommender
        assert last.recommender is new.recommender


def test_after_a_swap_the_old_model_leaves_the_memory(tmp_path):
    with in_service(tmp_path, load=lambda _: loaded(version="new"), max_wait_ms=0) as service:
        assert service.submit(prepare(service, history=[]), timeout=10).answer.result(5)
        gone = weakref.ref(service.current.recommender)
        service.reload()
        # The thread of the batches lets go of the last one a moment after its answer.
        until(lambda: gc.collect() >= 0 and gone() is None)
        assert service.current.version == "new"


def test_another_reload_is_refused_or_waited_for(tmp_path):
    begun, go_on = threading.Event(), threading.Event()
    versions = iter(["second", "third"])

    def load(_):
        begun.set()
        assert go_on.wait(10)
        return loaded(version=next(versions))

    with in_service(tmp_path, loaded(version="first"), load=load) as service:
        first = threading.Thread(target=service.reload)
        first.start()
        assert begun.wait(10)
        with pytest.raises(RequestProblem, match="Another reload is under way"):
            service.reload()
        second = threading.Thread(target=service.reload, kwargs={"wait": True})
        second.start()
        go_on.set()
        first.join(10)
        second.join(10)
        assert service.current.version == "third"


def bad_model(kind):
    model = loaded(version="bad")
    if kind == "other catalogue":
        table = pl.DataFrame({"item_id": ["x"], "title": ["x"]})
        model.recommender.catalog = Catalog(table)
        return model
    raise {"damaged": ArtefactError("it is damaged"), "bug": ZeroDivisionError("oh")}[kind]


@pytest.mark.parametrize(
    ("kind", "why"),
    [("other catalogue", "1 items"), ("damaged", "it is damaged"), ("bug", "oh")],
)
def test_a_model_that_cannot_serve_leaves_the_old_one_and_says_why(tmp_path, kind, why):
    outcomes = []
    with in_service(tmp_path, load=lambda _: bad_model(kind)) as service:
        service.watch_reload = outcomes.append
        with pytest.raises(RequestProblem, match=f"(?s)first stays in service.*{why}") as error:
            service.reload("another")
        assert (error.value.status, error.value.code) == (422, "bad_run")
        assert service.current.version == "first"
        assert prepare(service, history=[]).loaded.version == "first"
    assert outcomes == ["failed"]


def test_a_second_reload_at_the_same_time_is_refused(tmp_path):
    entered, release = threading.Event(), threading.Event()

    def load(_):
        entered.set()
        assert release.wait(10)
        return loaded(version="second")

    with in_service(tmp_path, load=load) as service:
        first = threading.Thread(target=service.reload)
        first.start()
        assert entered.wait(5)
        with pytest.raises(RequestProblem, match="under way"):
            service.reload()
        assert service.current.version == "first"
        release.set()
        first.join(5)
        assert service.current.version == "second"


def test_the_folder_of_a_reload_reaches_the_loader(tmp_path):
    asked = []

    def load(folder):
        asked.append(folder)
        return loaded(version=str(folder))

    with in_service(tmp_path, load=load) as service:
        assert service.reload("runs/new") == ("first", "runs/new")
        assert service.reload() == ("runs/new", "None")
    assert asked == ["runs/new", None]


def test_a_model_without_items_for_a_newcomer_is_refused():
    class Silent(Popular):
        def scores(self, histories):
            return np.full((len(histories), 12), -np.inf, np.float32)

    model = loaded(Silent)
    with pytest.raises(ConfigError, match="empty history"):
        model.verify()


def test_the_service_says_what_keeps_it_from_being_ready(tmp_path):
    with in_service(tmp_path) as service:
        assert service.problems() == []
        service.close(5)
        assert len(service.problems()) == 3
