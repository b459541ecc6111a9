import io
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.serving.edge import GatheredLines, JsonLines, Metrics, check_json
from genrec.serving.problems import RequestProblem

NUMBERS = st.integers(-(10**16), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = isinstance(value, dict | list)
    return own + max((depth(one) for one in inner), default=0)


@given(VALUES, st.booleans())
def test_json_passes_exactly_when_it_is_not_too_deep(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    check_json(body, deepest=depth(value))
    if depth(value):
        with pytest.raises(RequestProblem, match="nested"):
            check_json(body, deepest=depth(value) - 1)


@given(st.binary(max_size=60))
def test_any_bytes_pass_as_json_or_are_refused_with_400(body):
    try:
        check_json(body, deepest=8)
    except RequestProblem as problem:
        assert problem.status == 400
        assert problem.message
    else:
        json.loads(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'"\xff"', "UTF-8"),
        (b"{", "JSON"),
        (b"NaN", "NaN"),
        (b"[1e999]", "64 bits"),
        (b"1" * 5000, "5000 digits"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\u0000": 1}', "NUL"),
        (b"[" * 100_000, "nested 100000 deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested 40 deep"),
        ('"text"'.encode("utf-16"), "UTF-8"),
    ],
)
def test_what_cannot_be_kept_or_answered_is_refused(body, why):
    with pytest.raises(RequestProblem, match=why) as error:
        check_json(body, deepest=32)
    assert error.value.status == 400


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 120_000, b'"\\' * 80_000, b"\\" * 200_000])
def test_a_body_made_to_be_slow_takes_no_longer_than_another(body):
    # A pattern that tries each quote in turn would take minutes here.
    with pytest.raises(RequestProblem):
        check_json(body, deepest=4)


def test_escapes_that_mean_letters_are_letters():
    check_json(b'{"\\u00e9": "\\ud83d\\ude00", "x": "\\\\u0000"}', deepest=2)


def test_a_log_line_is_json_with_the_place_of_an_error_and_not_its_values():
    try:
        raise ValueError("user 4711")
    except ValueError as error:
        facts = (type(error), error, error.__traceback__)
        record = logging.LogRecord("genrec", logging.ERROR, "x.py", 1, "It %s", ("broke",), facts)
    line = json.loads(JsonLines().format(record))
    assert (line["level"], line["message"], line["error"]["type"]) == (
        "error",
        "It broke",
        "ValueError",
    )
    assert "test_edge.py" in line["error"]["places"][0]
    assert "4711" not in json.dumps(line)


def logger_to(stream, seconds):
    logger = logging.getLogger("tests.gathered")
    logger.handlers, logger.propagate = [GatheredLines(stream, seconds)], False
    logger.setLevel(logging.INFO)
    return logger


def test_lines_of_a_log_are_written_together_and_soon():
    stream = io.StringIO()
    logger = logger_to(stream, 0.05)
    for number in range(3):
        logger.info("line %d", number)
    assert stream.getvalue() == ""
    end = time.monotonic() + 10
    while not stream.getvalue() and time.monotonic() < end:
        time.sleep(0.01)
    assert stream.getvalue() == "line 0\nline 1\nline 2\n"


def test_a_warning_is_written_at_once_behind_what_came_before():
    stream = io.StringIO()
    logger = logger_to(stream, 3600)
    logger.info("first")
    logger.warning("second")
    assert stream.getvalue() == "first\nsecond\n"
    logger.info("third")
    logger.handlers[0].flush()
    assert stream.getvalue() == "first\nsecond\nthird\n"


def test_many_threads_lose_no_line_of_a_log():
    stream = io.StringIO()
    logger = logger_to(stream, 0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: logger.info("%d", n), range(4000)))
    logger.handlers[0].flush()
    assert sorted(map(int, stream.getvalue().split())) == list(range(4000))


def test_a_line_that_cannot_be_made_stops_nobody(capsys):
    class Odd:
        def __str__(self):
            raise AttributeError("no words")

    stream = io.StringIO()
    logger = logger_to(stream, 3600)
    logger.info("%s", Odd())
    logger.warning("after")
    assert stream.getvalue() == "after\n"
    assert "no words" in capsys.readouterr().err


def test_a_stream_that_was_closed_stops_nobody(capsys):
    stream = io.StringIO()
    logger = logger_to(stream, 3600)
    stream.close()
    logger.warning("nobody reads this")
    assert capsys.readouterr().err == ""


def test_each_service_has_counters_of_its_own():
    first, second = Metrics(), Metrics()
    first.events.inc(3)
    assert first.registry.get_sample_value("genrec_events_total") == 3
    assert second.registry.get_sample_value("genrec_events_total") == 0
