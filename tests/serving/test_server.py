import json
import signal
import socket
import threading

import httpx
import pytest

from genrec.errors import ConfigError
from genrec.serving.app import create_app
from genrec.serving.batching import Batcher
from genrec.serving.keys import KeyFile
from genrec.serving.options import ServeConfig
from genrec.serving.server import check_access, run_server
from tests.serving.live import as_process, log_of, on_thread, until
from tests.serving.shops import Held, in_service, loaded

SERVER = ("-m", "tests.serving.shop_server", "PORT")
BODY = {"history": ["p1"], "n": 2}
HEAD = (
    "POST /v1/recommend HTTP/1.1\nHost: x\nContent-Type: application/json\n"
    f"Content-Length: {len(json.dumps(BODY))}\n\n{json.dumps(BODY)}"
)


@pytest.fixture
def held(tmp_path):
    """An address, its service, and the recommender that holds every answer back."""
    model = loaded(Held)
    with (
        in_service(tmp_path, model, max_batch=1, max_wait_ms=0, queue=2) as service,
        on_thread(create_app(service, ServeConfig(timeout=5))) as address,
    ):
        yield address, service, model.recommender
        model.recommender.release.set()


def post(address, body=None, **options):
    return httpx.post(f"{address}/v1/recommend", json=body or BODY, timeout=10, **options)


def in_background(work, *given):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(work(*given)))
    thread.start()
    return thread, answers


def raw(address, head: str) -> socket.socket:
    """A bare connection that has sent the head of a request."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(head.replace("\n", "\r\n").encode())
    return connection


def test_a_client_that_leaves_gives_its_place_in_the_queue_to_another(held):
    address, service, recommender = held
    first, answers = in_background(post, address)
    assert recommender.entered.wait(5)
    leaving = [raw(address, HEAD) for _ in range(2)]
    until(lambda: service.batcher.waiting == 2)
    refused = post(address)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "queue_full"
    assert int(refused.headers["Retry-After"]) >= 1
    for connection in leaving:
        connection.close()
    until(lambda: service.batcher.waiting == 0)
    recommender.release.set()
    first.join(10)
    assert answers[0].status_code == 200
    assert post(address).status_code == 200


def test_a_request_that_takes_too_long_is_answered_504_and_leaves_the_queue(tmp_path):
    model = loaded(Held)
    with (
        in_service(tmp_path, model, max_batch=1, max_wait_ms=0) as service,
        on_thread(create_app(service, ServeConfig(timeout=0.2))) as address,
    ):
        running, answers = in_background(post, address)
        assert model.recommender.entered.wait(5)
        waiting = post(address)
        running.join(5)
        assert [waiting.status_code, answers[0].status_code] == [504, 504]
        assert waiting.json()["error"]["code"] == "timeout"
        assert service.batcher.waiting == 0
        model.recommender.release.set()
        assert post(address).status_code == 200


def test_a_body_in_chunks_is_cut_off_at_the_limit(held):
    address, _, recommender = held
    recommender.release.set()

    def chunks():
        yield b'{"history": ["'
        for _ in range(40):
            yield b"x" * 16384

    answer = httpx.post(
        f"{address}/v1/recommend", content=chunks(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"

    def small():
        yield b'{"history": '
        yield b'["p1"], "n": 2}'

    answer = httpx.post(
        f"{address}/v1/recommend", content=small(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 2


def test_a_body_that_never_ends_is_given_up(tmp_path):
    with (
        in_service(tmp_path) as service,
        on_thread(create_app(service, ServeConfig(timeout=0.2))) as address,
    ):
        head = "POST /v1/recommend HTTP/1.1\nHost: x\nContent-Type: application/json\n"
        connection = raw(address, f"{head}Content-Length: 100\n\n{{")
        assert b" 408 " in connection.recv(4096).partition(b"\r\n")[0]
        connection.close()
        assert post(address).status_code == 200


def test_after_a_sigterm_accepted_requests_are_answered_and_the_process_ends_well(tmp_path):
    with as_process(*SERVER, str(tmp_path), "0.4") as (process, address):
        waiting = [in_background(post, address) for _ in range(4)]
        with httpx.Client(base_url=address) as kept:
            # A connection that is open already still hears that it should go elsewhere.
            text = kept.get("/metrics").text
            until(lambda: "genrec_queue_requests 3.0" in kept.get("/metrics").text)
            assert "genrec_queue_requests" in text
            process.send_signal(signal.SIGTERM)
        for thread, _ in waiting:
            thread.join(10)
        assert [answers[0].status_code for _, answers in waiting] == [200] * 4
        assert process.wait(10) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/healthz")


def test_an_open_connection_hears_that_the_service_is_stopping(tmp_path):
    with (
        in_service(tmp_path) as service,
        on_thread(create_app(service)) as address,
        httpx.Client(base_url=address) as client,
    ):
        assert client.get("/readyz").status_code == 200
        service.draining = True
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        assert client.post("/v1/recommend", json=BODY).status_code == 503
        assert client.get("/healthz").status_code == 200


def test_a_second_sigterm_does_not_wait(tmp_path):
    with as_process(*SERVER, str(tmp_path), "60") as (process, address), raw(address, HEAD):
        until(lambda: 'route="/metrics"' in httpx.get(f"{address}/metrics").text)
        process.send_signal(signal.SIGTERM)
        until(lambda: "Shutting down" in log_of(process))
        process.send_signal(signal.SIGTERM)
        # Requests may take up to 60 seconds to end, and one never will.
        assert process.wait(30) is not None


@pytest.mark.slow
def test_what_cannot_be_finished_in_time_does_not_keep_the_process(tmp_path):
    with (
        as_process(*SERVER, str(tmp_path), "60", "1") as (process, address),
        raw(address, HEAD),
    ):
        until(lambda: 'route="/metrics"' in httpx.get(f"{address}/metrics").text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(12) == 0
        assert "Some requests were not finished" in log_of(process)


def test_a_sighup_swaps_and_a_bad_run_leaves_the_old_one_in_service(tmp_path):
    with as_process(*SERVER, str(tmp_path)) as (process, address):
        assert post(address).json()["model"] == "first"
        process.send_signal(signal.SIGHUP)
        until(lambda: post(address).json()["model"] == "second")
        (tmp_path / "broken").touch()
        process.send_signal(signal.SIGHUP)
        until(lambda: 'outcome="failed"' in httpx.get(f"{address}/metrics").text)
        assert post(address).json()["model"] == "second"
        (tmp_path / "broken").unlink()
        process.send_signal(signal.SIGHUP)
        until(lambda: post(address).json()["model"] == "third")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        log = log_of(process)
    assert "the new run is damaged" in log
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())


def test_the_log_says_what_was_asked_and_nothing_of_whom(tmp_path):
    secret = "somebodys-private-id"  # pragma: allowlist secret
    with as_process(*SERVER, str(tmp_path)) as (process, address):
        httpx.post(
            f"{address}/v1/events",
            json={"events": [{"id": secret, "user": f"{secret}-u", "item": "p1"}]},
        )
        headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": secret}
        answer = post(address, {"user": f"{secret}-u", "n": 1}, headers=headers)
        post(address, {"user": f"{secret}-other"})
        post(address, {"history": [secret]})
        httpx.get(f"{address}/v1/items/{secret}?q={secret}")
        httpx.get(f"{address}/{secret}")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        log = log_of(process)
    lines = [json.loads(line) for line in log.splitlines()]
    asked = {(line["method"], line["route"], line["status"]) for line in lines if "route" in line}
    assert asked >= {
        ("POST", "/v1/events", 200),
        ("POST", "/v1/recommend", 200),
        ("POST", "/v1/recommend", 404),
        ("POST", "/v1/recommend", 422),
        ("GET", "/v1/items/{item_id:path}", 404),
        ("GET", "unmatched", 404),
    }
    assert answer.headers["X-Request-Id"] in {line.get("request_id") for line in lines}
    assert all("ms" in line for line in lines if "route" in line)
    assert secret not in log


def test_a_port_that_is_taken_is_an_error_that_says_so(tmp_path):
    with socket.socket() as taken, in_service(tmp_path) as service:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = ServeConfig(port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match=f"{config.port}.*--port"):
            run_server(create_app(service, config), service, config)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.4.5", "::1", "localhost"])
def test_without_keys_only_this_machine_may_call(host):
    assert check_access(ServeConfig(host=host), None, no_auth=False) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "shop.example", ""])
def test_other_machines_need_keys_or_a_word(host, tmp_path):
    config = ServeConfig(host=host)
    with pytest.raises(ConfigError, match=r"genrec keys new.*--no-auth"):
        check_access(config, None, no_auth=False)
    assert check_access(config, None, no_auth=True) is None
    keys = KeyFile(tmp_path / "keys.json")
    with pytest.raises(ConfigError, match="no API key"):
        check_access(config, keys, no_auth=False)
    keys.new("web shop")
    assert check_access(config, keys, no_auth=False) is keys
    with pytest.raises(ConfigError, match="exclude"):
        check_access(config, keys, no_auth=True)


def test_numbers_out_of_range_are_all_named():
    with pytest.raises(ConfigError, match=r"max_batch is 0.*queue is -1.*timeout is 0"):
        ServeConfig(max_batch=0, queue=-1, timeout=0)


def test_the_batcher_takes_its_numbers_from_the_options():
    plain, batcher = ServeConfig(), Batcher()
    assert (plain.max_batch, plain.queue) == (batcher.max_batch, batcher.queue)
    assert batcher.max_wait == plain.max_wait_ms / 1000
    batcher.close(5)
