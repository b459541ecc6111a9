import json
import threading

import polars as pl
import pytest
from starlette.testclient import TestClient

from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.recommenders.cooccurrence import Cooccurrence
from genrec.serving.app import create_app
from genrec.serving.events import Event
from genrec.serving.keys import KeyFile
from genrec.serving.loaded import Loaded
from genrec.serving.options import ServeConfig
from genrec.serving.schemas import RecommendAnswer
from tests.serving.shops import in_service, loaded, priced_shop


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with (
        in_service(tmp_path_factory.mktemp("shop"), max_wait_ms=0) as service,
        TestClient(create_app(service)) as client,
    ):
        yield client


def recommend(client, **body):
    return client.post("/v1/recommend", json=body)


def problem(answer, status, code):
    """The error of an answer, checked for its form."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert list(answer.json()) == ["error"]
    assert set(answer.json()["error"]) == {"code", "message", "problems"}
    assert answer.json()["error"]["message"]
    assert answer.headers["X-Request-Id"]
    return answer.json()["error"]


def test_a_list_is_that_of_the_recommender(client):
    where = {"brand": "Alpine", "price": {"max": 7}}
    answer = recommend(client, history=["p2", "p4"], n=3, where=where)
    assert answer.status_code == 200
    body = RecommendAnswer.model_validate(answer.json())
    expected = loaded().recommender.recommend(["p2", "p4"], 3, where=where)
    assert [one.item.id for one in body.items] == [one.item.id for one in expected]
    assert [one.score for one in body.items] == pytest.approx([one.score for one in expected])
    assert (body.model, body.available) == ("first", 4)
    assert body.items[0].item.attributes["brand"] == "Alpine"


def test_items_are_answered_as_the_model_in_service_has_them(tmp_path, monkeypatch):
    monkeypatch.setattr("genrec.serving.app.SHOWN_ITEMS", 2)
    old = priced_shop()
    dearer = Catalog(old.catalog.table.with_columns(pl.col("price") + 1))
    later = Dataset(old.name, dearer, old.users, old.events)
    new = Loaded(Cooccurrence.train(later), later, "second")
    with (
        in_service(tmp_path, load=lambda _: new, max_wait_ms=0) as service,
        TestClient(create_app(service)) as client,
    ):
        seen = []
        for _ in range(2):
            # Asked twice: what was kept is answered too.
            answers = [recommend(client, history=["p2"], n=5).json() for _ in range(2)]
            assert answers[0] == answers[1]
            seen.append({one["item"]["id"]: one["item"]["price"] for one in answers[0]["items"]})
            service.reload()
    assert seen[1] == {name: price + 1 for name, price in seen[0].items()}


def test_only_what_may_take_long_is_prepared_on_a_thread_of_its_own(tmp_path, monkeypatch):
    with in_service(tmp_path, max_wait_ms=0) as service:
        prepare, seen = service.prepare, []

        def watched(**asked):
            seen.append(threading.current_thread().name.startswith("asyncio_"))
            return prepare(**asked)

        monkeypatch.setattr(service, "prepare", watched)
        with TestClient(create_app(service)) as client:
            for body in (
                {"history": ["p2"], "where": {"brand": "Alpine"}},
                {"user": "u1"},
                {"history": ["p2"], "where": {"brand": "Alpine"}},
                {"history": ["p2"], "where": {"brand": {"contains": "Alp"}}},
                {"history": ["p2"] * 257},
                {"history": ["p2"] * 256},
            ):
                assert client.post("/v1/recommend", json=body).status_code == 200, body
            for first, end in ((0, 32), (32, 33)):
                service.post([Event(f"e{n}", "u1", "p1", "choose", n) for n in range(first, end)])
                assert client.post("/v1/recommend", json={"user": "u1"}).status_code == 200
            monkeypatch.setattr(Loaded, "past_length", lambda *_: 257)
            assert client.post("/v1/recommend", json={"user": "u2"}).status_code == 200
    # The first filter reads an attribute.
    assert seen == [True, False, False, True, True, False, False, True, True]


def test_an_empty_history_is_a_history(client):
    assert len(recommend(client, history=[]).json()["items"]) == 10


def test_more_than_are_allowed_gives_those_and_says_how_many(client):
    body = recommend(client, history=[], n=50, where={"price": {"min": 10}}).json()
    assert (len(body["items"]), body["available"]) == (2, 2)


def test_posted_events_change_what_follows(client):
    problem(recommend(client, user="newcomer"), 404, "unknown_user")
    posted = {"events": [{"id": f"n{n}", "user": "newcomer", "item": f"p{n}"} for n in (3, 4)]}
    assert client.post("/v1/events", json=posted).json() == {"added": 2, "repeated": 0}
    assert client.post("/v1/events", json=posted).json() == {"added": 0, "repeated": 2}
    found = recommend(client, user="newcomer", exclude_seen=True, n=12).json()
    assert found["available"] == len(found["items"]) == 10
    same = recommend(client, history=["p3", "p4"], exclude_seen=True, n=12).json()
    assert found == same


def test_all_unknown_items_of_a_history_are_listed(client):
    found = problem(recommend(client, history=["nope", "p1", "nor this"]), 422, "unknown_items")
    assert found["problems"] == ["unknown item 'nope'", "unknown item 'nor this'"]


def test_hundreds_of_problems_are_cut_short(client):
    history = [f"x{n}" for n in range(500)]
    found = problem(recommend(client, history=history), 422, "unknown_items")
    assert len(found["problems"]) == 101
    assert found["problems"][-1] == "and 400 more"


def test_a_wrong_filter_says_every_place(client):
    where = {"colour": "red", "price": {"max": "cheap"}}
    found = problem(recommend(client, history=[], where=where), 422, "bad_filter")
    assert len(found["problems"]) == 2
    where = {"price": {"max": [1]}, "any": 3}
    found = problem(recommend(client, history=[], where=where), 422, "bad_filter")
    assert {line.partition(":")[0] for line in found["problems"]} >= {"price.max", "any"}


def test_all_that_is_wrong_is_told_at_once(client):
    where = {"colour": "red", "price": {"max": [1]}}
    found = problem(recommend(client, history=[], where=where), 422, "bad_filter")
    assert [line.partition(":")[0] for line in found["problems"]] == ["price.max", "colour"]
    found = problem(recommend(client, history=["x"], n="3", where=where), 422, "bad_request")
    starts = [line.partition(":")[0] for line in found["problems"]]
    assert starts == ["n", "unknown item 'x'", "price.max", "colour"]
    for n, code in ((1001, "bad_request"), (3, "unknown_items")):
        found = problem(recommend(client, history=["x"], n=n, where={"colour": "red"}), 422, code)
        assert [line[:12] for line in found["problems"]][-2:] == ["unknown item", "colour: the "]
    assert "1 of 1 items are not" in found["message"]
    assert "The filter has 1 problem" in found["message"]
    events = [{"id": "a", "user": "u1", "item": "x"}, {"id": "b", "user": "u1", "item": "p1"}, 3]
    events[1] |= {"time": "now"}
    found = problem(client.post("/v1/events", json={"events": events}), 422, "bad_request")
    starts = [line.partition(":")[0] for line in found["problems"]]
    assert starts == ["events.1.time", "events.2", "unknown item 'x'"]


def test_nothing_allowed_is_told_with_the_doubts(client):
    found = problem(recommend(client, history=[], where={"brand": "Nordc"}), 422, "nothing_allowed")
    assert found["problems"] == ["no item has brand 'Nordc'; did you mean 'Nordic'?"]


def test_requests_that_are_refused_before_their_route_count_for_it(client):
    assert client.post("/v1/recommend", content=b"{").status_code == 415
    assert client.post("/nowhere", content=b"{").status_code == 415
    told = client.get("/metrics").text
    assert 'requests_total{method="POST",route="/v1/recommend",status="415"} 1.0' in told
    assert 'requests_total{method="POST",route="unmatched",status="415"} 1.0' in told


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"history": [], "user": "u1"},
        {"history": "p1"},
        {"history": [1]},
        {"history": [""]},
        {"history": [], "n": 0},
        {"history": [], "n": 1001},
        {"history": [], "n": "3"},
        {"history": [], "n": True},
        {"history": [], "exclude_seen": "yes"},
        {"history": [], "wheer": {}},
        {"history": [], "where": 0},
        {"history": [], "where": []},
        [],
        None,
        3,
    ],
)
def test_bodies_of_another_form_are_422(client, body):
    assert problem(client.post("/v1/recommend", json=body), 422, "bad_request")["message"]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "malformed_body"),
        (b'{"history": ["\xff"]}', JSON, 400, "malformed_body"),
        (b'{"history": [], "n": ' + b"9" * 5000 + b"}", JSON, 400, "malformed_body"),
        (b'{"history": ' + b"[" * 5000 + b"]" * 5000 + b"}", JSON, 400, "malformed_body"),
        (b'{"history": ["\\ud800"]}', JSON, 400, "malformed_body"),
        (b'{"history": []}', {"Content-Type": "text/plain"}, 415, "not_json"),
        (b'{"history": []}', {}, 415, "not_json"),
        (b" " * 300_000, JSON, 413, "body_too_large"),
        (b"", JSON, 422, "bad_request"),
    ],
)
def test_bodies_that_are_no_json_are_refused(client, content, headers, status, code):
    answer = client.post("/v1/recommend", content=content, headers=headers)
    assert problem(answer, status, code)


def test_a_body_may_be_as_large_as_the_limit(client):
    body = b'{"history": []' + b" " * (256 * 1024 - 15) + b"}"
    assert client.post("/v1/recommend", content=body, headers=JSON).status_code == 200
    problem(client.post("/v1/recommend", content=body + b" ", headers=JSON), 413, "body_too_large")


def test_an_item_comes_with_its_attributes(client):
    answer = client.get("/v1/items/p4")
    assert answer.json() == {
        "id": "p4",
        "title": "Product 4",
        "text": "",
        "price": 4.0,
        "attributes": {"brand": "Nordic", "in_stock": True},
    }
    problem(client.get("/v1/items/not/there"), 404, "unknown_item")


def test_unknown_items_of_events_keep_nothing(client):
    events = [{"id": f"z{n}", "user": "zed", "item": item} for n, item in enumerate(["p1", "gone"])]
    found = problem(client.post("/v1/events", json={"events": events}), 422, "unknown_items")
    assert found["problems"] == ["unknown item 'gone'"]
    problem(recommend(client, user="zed"), 404, "unknown_user")


def test_an_event_under_a_taken_id_is_a_conflict(client):
    first = {"id": "taken", "user": "ann", "item": "p1"}
    assert client.post("/v1/events", json={"events": [first]}).status_code == 200
    other = {**first, "item": "p2"}
    found = problem(client.post("/v1/events", json={"events": [other]}), 409, "event_conflict")
    assert "taken" in found["problems"][0]


def test_routes_and_methods_that_do_not_exist_have_the_same_form(client):
    assert problem(client.get("/v1/nothing"), 404, "no_route")
    assert problem(client.get("/v1/recommend"), 405, "wrong_method")


def test_state_and_documents_are_open(client):
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json() == {"status": "ok", "model": "first", "problems": []}
    assert client.get("/v1/models").json()["data"][0]["id"] == "first"
    assert "swagger" in client.get("/docs").text
    assert "/v1/recommend" in client.get("/openapi.json").json()["paths"]


def test_metrics_count_requests_by_route_and_name_the_model(client):
    recommend(client, history=[])
    client.get("/v1/items/somebodys-item")
    text = client.get("/metrics").text
    assert 'genrec_requests_total{method="POST",route="/v1/recommend",status="200"}' in text
    assert 'route="/v1/items/{item_id:path}",status="404"' in text
    assert 'genrec_model_info{model="first"} 1.0' in text
    assert "genrec_batch_requests_count" in text
    assert "somebodys-item" not in text


def test_an_error_nobody_foresaw_is_500_in_the_same_form_and_tells_nothing(tmp_path):
    with in_service(tmp_path) as service:
        service.events.close()
        with TestClient(create_app(service)) as client:
            found = problem(recommend(client, user="u1"), 503, "storage")
            assert str(tmp_path) not in found["message"]
            service.prepare = None
            found = problem(recommend(client, history=["p1"]), 500, "internal")
            assert "NoneType" not in found["message"]


@pytest.fixture
def guarded(tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    made = {
        "plain": keys.new("plain"),
        "admin": keys.new("admin", admin=True),
        "slow": keys.new("slow", rate=2),
    }
    model = loaded(version="second")
    with (
        in_service(tmp_path, load=lambda _: model) as service,
        TestClient(create_app(service, keys=keys)) as client,
    ):

        def call(method, path, key="", **options):
            headers = {"Authorization": f"Bearer {made.get(key, key)}"} if key else {}
            return client.request(method, path, headers=headers, **options)

        yield call


def test_with_keys_every_route_of_v1_asks_for_one(guarded):
    routes = [
        ("POST", "/v1/recommend"),
        ("POST", "/v1/events"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/admin/reload"),
        ("GET", "/v1/models"),
        ("GET", "/v1/items/p1"),
    ]
    for method, path in routes:
        body = {} if method == "GET" else {"json": {"history": []}}
        for key in ("", "wrong", "gr_00000000_x", "ünï"):
            answer = guarded(method, path, key, **body) if key.isascii() else None
            if answer is not None:
                problem(answer, 401, "wrong_key")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert guarded("GET", "/v1/items/p1", "plain").status_code == 200
    assert guarded("GET", "/healthz").status_code == 200


def test_only_an_admin_reloads(guarded):
    problem(guarded("POST", "/v1/admin/reload", "plain"), 403, "admin_only")
    answer = guarded("POST", "/v1/admin/reload", "admin")
    assert answer.json() == {"before": "first", "model": "second"}
    asked = guarded("POST", "/v1/recommend", "plain", json={"history": []})
    assert asked.json()["model"] == "second"


def test_without_keys_nobody_reloads(client):
    assert problem(client.post("/v1/admin/reload"), 403, "admin_only")


def test_a_key_over_its_rate_is_told_when_to_come_back(guarded):
    for _ in range(2):
        assert guarded("GET", "/v1/models", "slow").status_code == 200
    answer = guarded("GET", "/v1/models", "slow")
    problem(answer, 429, "rate_limit")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert guarded("GET", "/v1/models", "plain").status_code == 200


def test_other_origins_are_shut_out_unless_named(client, tmp_path):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    shut = client.options("/v1/recommend", headers=asked)
    assert "access-control-allow-origin" not in shut.headers
    config = ServeConfig(cors=("https://shop.example",))
    with in_service(tmp_path) as service, TestClient(create_app(service, config)) as opened:
        answer = opened.options("/v1/recommend", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        other = opened.options(
            "/v1/recommend", headers={**asked, "Origin": "https://other.example"}
        )
        assert "access-control-allow-origin" not in other.headers
        too_large = opened.post(
            "/v1/recommend", content=b" " * 300_000, headers={**JSON, "Origin": asked["Origin"]}
        )
        assert too_large.status_code == 413
        assert too_large.headers["access-control-allow-origin"] == "https://shop.example"


def test_no_text_model_is_501_and_says_what_works(client):
    body = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}
    found = problem(client.post("/v1/chat/completions", json=body), 501, "no_text_model")
    assert "/v1/recommend" in found["message"]


def test_the_document_says_every_status_that_is_used(client):
    document = client.get("/openapi.json").json()
    answers = document["paths"]["/v1/recommend"]["post"]["responses"]
    assert set(answers) >= {"200", "400", "401", "404", "413", "422", "429", "503", "504"}
    for status, answer in answers.items():
        schema = answer["content"]["application/json"]["schema"]["$ref"]
        assert schema.endswith("RecommendAnswer" if status == "200" else "ErrorAnswer")
    assert "HTTPValidationError" not in json.dumps(document["paths"]["/v1/recommend"])
