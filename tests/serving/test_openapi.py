"""Requests drawn from the service's own description: none may break it or its promises."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.chats import app_of, counter
from tests.serving.live import on_thread

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROUTES = (
    "POST /v1/recommend",
    "GET /v1/items/{item_id}",
    "POST /v1/events",
    "GET /v1/models",
    "POST /v1/admin/reload",
    "POST /v1/chat/completions",
    "GET /v1/shop",
    "POST /v1/chat/sessions",
    "GET /v1/chat/sessions/{session}",
    "DELETE /v1/chat/sessions/{session}",
    "GET /v1/chat/sessions/{session}/export",
    "POST /v1/chat/sessions/{session}/turns",
    "GET /v1/chat/sessions/{session}/events",
    "GET /v1/chat/sessions/{session}/profile",
    "POST /v1/chat/sessions/{session}/forget",
    "GET /v1/pictures/{item_id}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
)


TRIALS = [(route, GenerationMode.POSITIVE) for route in ROUTES]
# What takes no body and no parameter cannot be asked wrongly.
TRIALS += [(route, GenerationMode.NEGATIVE) for route in ROUTES if "POST" in route or "{" in route]


@pytest.fixture(scope="module")
def operations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    with app_of(folder, counter(folder)) as app, on_thread(app) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        found = [result.ok() for result in schema.get_all_operations()]
        yield {f"{one.method.upper()} {one.path}": one for one in found}


def test_every_route_that_is_described_is_tried(operations):
    assert set(operations) == set(ROUTES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("route", "mode"), TRIALS, ids=[f"{route} {mode.name.lower()}" for route, mode in TRIALS]
)
def test_no_request_breaks_the_service_or_its_promises(operations, route, mode):
    tried = []

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operations[route].as_strategy(generation_mode=mode))
    def ask(case):
        answer = case.call()
        case.validate_response(answer, checks=CHECKS)
        tried.append(answer.status_code)

    ask()
    assert tried
