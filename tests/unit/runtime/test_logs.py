"""One JSON object per line, with its cause, without secrets."""

import io
import json
import logging

import pytest
import structlog
from pydantic import SecretStr

from nautes_domain.effects import Cause
from nautes_runtime import logs


@pytest.fixture
def out():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("svc", "INFO", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_cause_is_on_every_line_within(out):
    log = structlog.get_logger()
    with logs.bind_cause(Cause(delivery="d1", repository="a/b", commit="c0ffee")):
        log.info("one")
        logging.getLogger("library").warning("two")
    log.info("three")
    one, two, three = lines(out)
    assert (one["cause"], one["repository"], one["commit"]) == ("d1", "a/b", "c0ffee")
    assert (two["cause"], two["event"], two["level"]) == ("d1", "two", "warning")
    assert "cause" not in three
    assert {line["service"] for line in (one, two, three)} == {"svc"}


def test_a_traceback_shows_no_values(out):
    password = "hunter2"  # a local that must not be printed
    try:
        int("broken")
    except ValueError:
        structlog.get_logger().exception("failed", secret=SecretStr(password))
    assert "hunter2" not in out.getvalue()
    assert "ValueError: invalid literal" in lines(out)[0]["exception"]


def test_the_level_holds_for_us_and_for_libraries(out):
    structlog.get_logger().debug("quiet")
    logging.getLogger("library").info("heard")
    logging.getLogger("nats").info("noisy")
    assert [line["event"] for line in lines(out)] == ["heard"]
