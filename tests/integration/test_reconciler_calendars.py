"""Calendars on a real bus: any number of replicas, outages, new declarations. The clock is the test's."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import perf_counter
from types import SimpleNamespace

import pytest

from nautes_adapters.memory import MemoryDeployer
from nautes_adapters.tekton import TektonEngine
from nautes_domain.events import DeliveryKind
from nautes_domain.snapshot import CalendarMark, IndexedProject, StartedRun
from nautes_domain.triggers import Facts, match
from nautes_reconciler.calendars import Calendars
from nautes_reconciler.records import Declarations
from nautes_reconciler.runs import Starter
from nautes_reconciler.started import StartedRuns
from nautes_runtime import logs, reading
from nautes_runtime.records import Bucket
from support.service_processes import TENANT

SOURCES = """\
eventSources:
  - {{name: night, calendar: {{{calendar}}}}}
pipelineTriggers:
  - {{eventSource: night, pipeline: build, revision: main}}
  - {{eventSource: night, pipeline: other, revision: main}}
pipelines:
  - {{name: build, path: ci/build.yaml}}
  - {{name: other, path: ci/other.yaml}}
"""
LISBON = "schedule: '30 1 * * *', timezone: Europe/Lisbon"
FILE = b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: x}}\n"


@pytest.fixture
async def place(place):
    yield place
    index = Bucket(place.desk.js, "index", CalendarMark)
    await index.delete("calendar_orchard.apple-ci.night")
    for number in range(4):
        await place.desk.js.purge_stream(f"DELIVERIES_{number}")


class Clock:
    """A clock that is set."""

    def __init__(self, text):
        self.time = datetime.fromisoformat(text).replace(tzinfo=UTC)

    def __call__(self):
        return self.time

    def advance(self, **spent):
        self.time += timedelta(**spent)


def replica(place, clock):
    """Give what one replica looks with; its memory is its own."""
    js = place.desk.js
    declarations = Declarations(place.desk.desired, Bucket(js, "index", IndexedProject), place.desk.status)
    bus, log = place.desk.bus, logs.configure("reconciler", "INFO")
    marks = Bucket(js, "index", CalendarMark)
    return Calendars(declarations, marks, bus, "https://git.example", now=clock, log=log)


async def told(place):
    found = [one async for one in reading.deliveries(place.desk.js, TENANT)]
    return [one for one in found if one.kind is DeliveryKind.CALENDAR]


async def times(place):
    return [one.occurred_at[:16] for one in await told(place)]


async def declare(place, calendar):
    await place.declare_instead(SOURCES.format(calendar=calendar))


async def test_three_replicas_over_a_change_of_clocks_fire_each_time_once(place):
    await declare(place, f"{LISBON}, exclusionDates: ['2026-03-30']")
    clock = Clock("2026-03-27T12:00")
    replicas = [replica(place, clock) for _ in range(3)]
    for _ in range(4 * 24 * 4):  # four days in quarters of an hour
        await asyncio.gather(*(one.look() for one in replicas))
        clock.advance(minutes=15)
    # On the 29th, 01:30 is skipped in Lisbon: what should happen then happens when the gap is over.
    assert await times(place) == ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-31T00:30"]


@pytest.mark.parametrize(
    ("policy", "day", "fired"),  # the bus remembers ids: each case has a day of its own
    [
        ("latest", 4, ["12:00"]),
        ("all", 5, ["10:00", "11:00", "12:00"]),
        ("none", 7, []),
    ],
)
async def test_after_three_hours_without_any_replica_the_policy_decides(place, policy, day, fired):
    await declare(place, f"schedule: '0 * * * *', catchUp: {policy}")
    clock = Clock(f"2026-05-0{day}T08:50")
    before = replica(place, clock)
    await before.look()
    clock.advance(minutes=10, seconds=5)
    await before.look()
    assert await times(place) == [f"2026-05-0{day}T09:00"]
    clock.advance(hours=3, minutes=6)  # 12:06
    after = [replica(place, clock) for _ in range(2)]
    await asyncio.gather(*(one.look() for one in after))
    assert [time[11:] for time in (await times(place))[1:]] == fired
    clock.advance(minutes=54)  # 13:00
    await asyncio.gather(*(one.look() for one in after))
    assert [time[11:] for time in (await times(place))[1:]] == [*fired, "13:00"]


async def test_a_replica_that_hung_for_hours_adds_nothing(place):
    await declare(place, "schedule: '0 9 * * *'")
    clock = Clock("2026-05-06T08:59")
    awake, hung = replica(place, clock), replica(place, clock)
    await asyncio.gather(awake.look(), hung.look())
    clock.advance(minutes=1)
    await awake.look()
    clock.advance(hours=5)
    await hung.look()
    assert await times(place) == ["2026-05-06T09:00"]


async def test_what_is_declared_anew_makes_up_for_nothing(place):
    await declare(place, "schedule: '0 9 * * *'")
    clock = Clock("2026-05-10T08:00")
    one = replica(place, clock)
    await one.look()
    clock.advance(hours=7)
    await declare(place, "schedule: '0 * * * *'")
    await one.look()
    assert await times(place) == []
    clock.advance(hours=1)
    await one.look()
    assert await times(place) == ["2026-05-10T16:00"]
    await place.declare("maxKeepRuns: 5")  # the calendar is withdrawn, and comes back a day later
    clock.advance(minutes=1)
    await one.look()
    clock.advance(days=1)
    await declare(place, "schedule: '0 * * * *'")
    await one.look()
    assert await times(place) == ["2026-05-10T16:00"]


async def test_a_firing_is_matched_and_becomes_runs_at_the_head_of_the_pipeline_repository(place):
    await declare(place, "interval: 1h")
    commit = await place.world.commit(place.project, "main", {"ci/build.yaml": FILE, "ci/other.yaml": FILE})
    clock = Clock("2026-05-20T08:59")
    one = replica(place, clock)
    await one.look()
    clock.advance(minutes=1)
    await one.look()
    (delivery,) = await told(place)
    found = match(delivery, place.catalog, "apple-api-src", Facts())
    assert [one.considered.reason for one in found.runs] == [
        "apple-ci/night fired at 2026-05-20T09:00:00+00:00 (every 1h)"
    ] * 2
    declarations = Declarations(
        place.desk.desired, Bucket(place.desk.js, "index", IndexedProject), place.desk.status
    )

    async def engine(_):
        return TektonEngine(place.admin)

    started = StartedRuns(Bucket(place.desk.js, "started", StartedRun))
    starter = Starter(place.world.host, declarations, engine, MemoryDeployer(), started, perf_counter)
    for run in found.runs:
        assert (await starter.start(run, delivery)).failure is None
    assert all([(await starter.start(run, delivery)).already for run in found.runs])
    async with place.replica("one"):
        for run in found.runs:
            stored = await place.admin.get("PipelineRun", run.request.name, run.request.namespace)
            assert {"name": "revision", "value": commit} in stored["spec"]["params"]
            request = SimpleNamespace(annotations=stored["metadata"]["annotations"], name=run.request.name)
            assert request.annotations["nautes.io/commit"] == commit
            row = await place.shown(request, "pending")
            assert row["ref"] == "main"
