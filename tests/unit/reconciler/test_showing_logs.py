"""Whose logs are shown: runs of declared runtimes, that build the project which the caller may read."""

import json
from contextlib import aclosing

import pytest

from nautes_adapters.memory import MemoryPipelineEngine
from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.run_logs import GONE, NOT_YET, LogLine, LogQuery, LogRequest
from nautes_domain.runs import Progress, RunPhase
from nautes_reconciler.showing_logs import ShownLogs
from support.examples import orchard, tree

PLACE = ("apple-ci", "apple-ci-1")
RUN = RunRequest(
    "apple-ci-1",
    "apple-ci",
    "apple-builder",
    {"nautes.io/product": "orchard", "nautes.io/runtime": "apple-ci"},
    {"nautes.io/cause": "d", "nautes.io/project-id": "7", "nautes.io/commit": "c" * 40},
)
WANTED = LogRequest(product="orchard", runtime="apple-ci", run="apple-ci-1", project_id=7)


class Place:
    """Declares the example product; everything runs on one engine."""

    def __init__(self, catalog=None):
        self.catalog = catalog or orchard()
        self.engine = MemoryPipelineEngine()
        self.asked = []
        self.logs = ShownLogs(self, self.engine_on)

    async def snapshot(self, scope):
        return scope if scope == "product_orchard" else None

    def parsed(self, _):
        return self.catalog

    async def engine_on(self, cluster):
        self.asked.append(cluster)
        return self.engine

    async def shown(self, **changes):
        async with aclosing(self.logs.lines(WANTED.model_copy(update=changes))) as lines:
            return [line.text async for line in lines]


@pytest.fixture
async def place():
    found = Place()
    built = found.engine.build(RUN, json.dumps({"kind": "Run"}).encode(), file="f")
    await found.engine.start(RUN, built)
    return found


async def write(place, *texts):
    await place.engine.write(*PLACE, *(LogLine(task="unit", text=text) for text in texts))


async def test_the_lines_come_from_the_cluster_of_the_runtime(place):
    await write(place, "one", "two")
    assert await place.shown() == ["one", "two"]
    assert await place.shown(query=LogQuery(tail=1)) == ["two"]
    assert set(place.asked) == {"build-east"}


@pytest.mark.parametrize(
    "changes",
    [
        {"project_id": 8},
        {"run": "apple-ci-2"},
        {"runtime": "none"},
        {"product": "vineyard"},
        {"product": "*.>"},
    ],
)
async def test_what_is_not_exactly_that_run_is_not_there(place, changes):
    await write(place, "secret")
    with pytest.raises(Rejected) as raised:
        await place.shown(**changes)
    assert raised.value.code == GONE
    assert "secret" not in str(raised.value)


async def test_what_has_not_begun_is_said_as_the_engine_says_it(place):
    with pytest.raises(Blocked) as raised:
        await place.shown()
    assert raised.value.code == NOT_YET


async def test_what_is_gone_says_how_many_runs_are_kept():
    runtime = "projects/apple-api/apple-ci.yaml"
    text = (
        tree("orchard/default.project")[runtime]
        .decode()
        .replace("  isolation: shared", "  isolation: shared\n  maxKeepRuns: 3")
    )
    place = Place(orchard({runtime: text}))
    with pytest.raises(Rejected) as raised:
        await place.shown()
    assert "apple-ci keeps its 3 newest runs (`maxKeepRuns`)" in str(raised.value)
    assert raised.value.next_step == "run it again: nautes run retry apple-ci-1"


async def test_a_run_that_ended_without_a_step_says_so(place):
    await place.engine.move(*PLACE, Progress(RunPhase.FAILED, "CouldntGetTask", "no task unit"))
    with pytest.raises(Rejected, match="it ended without a step"):
        await place.shown(query=LogQuery(follow=True))
