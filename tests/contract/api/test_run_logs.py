"""Logs of runs through the API: who may read them, how they look, what is said where there is nothing."""

import json
from datetime import UTC, datetime

import pytest

from nautes_domain.access import Level
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.run_logs import GONE, NO_SUCH_PART, NOT_YET, LogChunk, LogLine, LogQuery

PATH = "/products/orchard/runs/apple-ci-1/logs"
AT = datetime(2026, 5, 4, 2, 0, 11, tzinfo=UTC)
ONE = LogChunk(lines=(LogLine(task="unit", step="one", at=AT, text="compiling"),))
TWO = LogChunk(lines=(LogLine(task="lint", at=AT, text="all is well"),), ended=True)
NDJSON = {"Accept": "application/x-ndjson"}


@pytest.fixture
def written(world):
    world.logs.parts = [ONE, LogChunk(), TWO]
    return world


async def test_text_names_task_and_step_of_each_line(written):
    answer = await written.call("GET", PATH, token="developer")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == "[unit : one] compiling\n[lint] all is well\n"
    stamped = await written.call("GET", f"{PATH}?timestamps=true", token="developer")
    assert stamped.text.startswith("2026-05-04T02:00:11+00:00 [unit : one] compiling\n")


async def test_json_is_an_object_a_line_and_shows_that_it_is_alive(written):
    answer = await written.call("GET", PATH, token="developer", headers=NDJSON)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    first, nothing, last, end = answer.text.split("\n")
    assert (json.loads(first)["text"], nothing, json.loads(last)["task"], end) == (
        "compiling",
        "",
        "lint",
        "",
    )


async def test_what_is_asked_for_reaches_whoever_reads_clusters(written):
    await written.call("GET", f"{PATH}?follow=true&task=unit&step=one&tail=5", token="developer")
    (asked,) = written.logs.asked
    assert asked.query == LogQuery(follow=True, task="unit", step="one", tail=5)
    assert (asked.product, asked.runtime, asked.run) == ("orchard", "apple-ci", "apple-ci-1")
    assert asked.project_id == written.news.known[0].project_id


@pytest.mark.parametrize("who", ["guest", "reporter"])
async def test_below_developer_nothing_is_read(written, who):
    answer = await written.call("GET", PATH, token=who)
    assert answer.status_code == 403
    assert written.logs.asked == []


async def test_a_run_of_a_project_that_is_hidden_is_not_there(written):
    written.news.built = 999
    written.news.run("apple-ci-9")
    answer = await written.call("GET", PATH.replace("apple-ci-1", "apple-ci-9"), token="developer")
    absent = await written.call("GET", PATH.replace("apple-ci-1", "apple-ci-8"), token="developer")
    assert answer.status_code == absent.status_code == 404
    assert answer.text == absent.text.replace("apple-ci-8", "apple-ci-9")


async def test_a_right_that_is_withdrawn_ends_the_reading(written):
    class Withdrawn(list):
        def __iter__(self):
            yield ONE
            written.clock[0] += 31
            written.host.let_in(written.people["developer"], "orchard", Level.REPORTER)
            yield TWO

    written.logs.parts = Withdrawn()
    answer = await written.call("GET", PATH, token="developer")
    assert answer.text == "[unit : one] compiling\nnautes: you may not read it any more\n"
    assert written.logs.left == 1


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [
        (Blocked("no step of it has begun", by="run", code=NOT_YET), 409, "LOGS_NOT_YET"),
        (Rejected("its pods are gone", code=GONE, next_step="run it again"), 404, "LOGS_GONE"),
        (Rejected("it has no deploy", code=NO_SUCH_PART), 404, "NO_SUCH_TASK"),
        (
            Retry("the API server cannot be reached", code="kubernetes-unavailable"),
            503,
            "KUBERNETES_UNAVAILABLE",
        ),
    ],
)
async def test_nothing_to_show_is_a_problem_with_its_reason(world, failure, status, reason):
    world.logs.parts = [LogChunk.failed(failure)]
    answer = await world.call("GET", PATH, token="developer")
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert failure.why in answer.json()["detail"]
    assert answer.json()["next_step"] == failure.next_step


async def test_what_breaks_off_says_why_after_the_lines(world):
    failure = Retry("the API server cannot be reached", code="kubernetes-unavailable")
    world.logs.parts = [ONE, LogChunk.failed(failure)]
    text = (await world.call("GET", PATH, token="developer")).text
    assert text == "[unit : one] compiling\nnautes: the API server cannot be reached\n"
    lines = (await world.call("GET", PATH, token="developer", headers=NDJSON)).text.splitlines()
    end = json.loads(lines[-1])
    assert (end["ended"], end["reason"], end["message"]) == (True, "KUBERNETES_UNAVAILABLE", failure.why)


async def test_whoever_reads_clusters_goes_away_in_the_middle(world):
    class Broken(list):
        def __iter__(self):
            yield ONE
            raise Retry("the bus did not answer", code="bus-unavailable")

    world.logs.parts = Broken()
    answer = await world.call("GET", PATH, token="developer")
    assert (answer.status_code, answer.text) == (
        200,
        "[unit : one] compiling\nnautes: the bus did not answer\n",
    )


async def test_nobody_who_reads_clusters_is_there(world):
    world.logs.away = True
    answer = await world.call("GET", PATH, token="developer")
    assert (answer.status_code, answer.json()["reason"]) == (503, "LOGS_UNAVAILABLE")
    world.logs.away = False
