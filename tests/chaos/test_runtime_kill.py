"""Processes and the server are killed at bad moments; nothing is lost, and poison ends where it can be seen."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from nautes_domain.effects import Cause, Result
from nautes_domain.events import Fact
from nautes_domain.failures import Retry
from nautes_domain.plan import Ref, Wanted
from nautes_runtime import reading, streams
from nautes_runtime.bus import Bus
from nautes_runtime.context import utc_now
from nautes_runtime.scopes import Assignment, ScopeWorker
from support.nats import start_nats
from support.runtime import TENANT, connected, running, until

SCRIPT = Path(__file__).parents[1] / "support" / "runtime_service.py"


@pytest.fixture
def server(tmp_path):
    with start_nats(tmp_path) as nats:
        yield nats


@pytest.fixture
async def js(server):
    async with connected(server.url) as (_, stream):
        await streams.provision(stream, TENANT)
        yield stream


@pytest.fixture
def bus(js):
    return Bus(js, TENANT, "test", utc_now)


class Subprocess:
    """The service of `support/runtime_service.py`."""

    def __init__(self, url, notes):
        self.notes = notes
        self.log = notes.with_suffix(".log")
        self.environment = {"NAUTES_TENANT": TENANT, "NAUTES_NATS__URL": url}
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            command = [sys.executable, "-P", str(SCRIPT), str(self.notes)]
            self.process = subprocess.Popen(command, env=self.environment, stderr=log)

    def seen(self):
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    async def ended(self):
        return await asyncio.to_thread(self.process.wait, 40)


@pytest.fixture
def service(server, tmp_path):
    one = Subprocess(server.url, tmp_path / "notes")
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
        one.process.wait()


def fact(name):
    return Fact(kind="thing", verb="tested", scope="tenant", name=name, by="test", cause=Cause(delivery=name))


async def test_sigterm_finishes_what_is_in_hand_and_takes_no_more(service, bus, js):
    service.start()
    await bus.state(fact("slow-1"))
    await until(lambda: "began slow-1" in service.seen(), "the slow one begins")
    (port,) = [line.split()[1] for line in service.seen() if line.startswith("http ")]
    async with httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
        await until(lambda: "began request" in service.seen(), "the request begins")
        service.process.send_signal(signal.SIGTERM)
        assert (await asking).text == "done"
    assert await service.ended() == 0
    assert "done slow-1" in service.seen()
    info = await js.consumer_info("FACTS", "svc")
    assert (info.num_ack_pending, info.num_pending) == (0, 0)


async def test_a_message_that_kills_its_handler_is_put_aside_by_the_advisory(service, bus, js):
    """Two deliveries end the process, the third one too; the server then gives up and says so."""
    await bus.state(fact("crash-1"))
    for _ in range(3):
        service.start()
        assert await service.ended() == 9
    assert service.seen().count("began crash-1") == 3
    service.start()
    await bus.state(fact("good"))
    await until(lambda: "done good" in service.seen(), "the good one")

    async def put_aside():
        while not (found := [one async for one in reading.dead(js, TENANT)]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return found

    (dead,) = await asyncio.wait_for(put_aside(), 40)
    assert (dead.code, dead.attempts, dead.stream, dead.consumer) == ("max-deliveries", 3, "FACTS", "svc")
    assert Fact.model_validate_json(dead.data) == fact("crash-1")
    assert dead.headers["nautes-cause"] == "crash-1"
    service.process.send_signal(signal.SIGTERM)
    assert await service.ended() == 0


async def test_a_killed_consumer_loses_nothing(service, bus):
    service.start()
    await until(lambda: [1 for line in service.seen() if line.startswith("http")], "the start")
    names = [f"slow-{number}" for number in range(8)]
    for name in names:
        await bus.state(fact(name))
    await until(lambda: [1 for line in service.seen() if line.startswith("began slow")], "work begins")
    service.process.kill()
    await service.ended()
    service.start()
    await until(lambda: {f"done {name}" for name in names} <= set(service.seen()), "all of them")


async def test_a_killed_server_loses_nothing_and_nobody_is_restarted(server, bus):
    """Publishers repeat what was not confirmed; the consumer goes on by itself."""
    handled, stored = set(), set()

    async def handler(event: Fact):
        handled.add(event.name)

    async def build(context):
        context.subscribe(
            "FACTS",
            "svc",
            context.subjects.fact("thing"),
            handler,
            model=Fact,
            concurrency=4,
            max_ack_pending=16,
        )

    async def publish(name):
        while name not in stored:
            try:
                await bus.state(fact(name))
            except Retry:
                continue
            stored.add(name)

    async with running(server.url, build):
        for turn in range(3):
            publishing = asyncio.gather(*(publish(f"{turn}-{number}") for number in range(100)))
            await until(lambda turn=turn: len(stored) > turn * 100, "publishing")
            server.kill()
            server.start()
            await publishing
        await until(lambda: handled == stored, "every stored fact")
    assert len(stored) == 300


class Shelf:
    """A system whose bus dies at the moment in which it has done something."""

    system = "shelf"
    kinds = ("Thing",)

    def __init__(self, server):
        self.server = server
        self.things = {}
        self.applied = []

    async def observe(self, _scope):
        return dict(self.things)

    async def apply(self, action):
        self.things[action.ref] = action.after
        self.applied.append(action.verb)
        self.server.kill()


async def test_what_was_done_while_the_bus_died_is_recorded_once(server, js):
    shelf, workers = Shelf(server), []
    apple = Ref("shelf", "Thing", "apple")

    async def assign(_scope, _cause):
        return Assignment({apple: Wanted({"size": 1}, "declared")}, [shelf], commit="c1")

    async def build(context):
        workers.append(ScopeWorker(context, "svc", assign))

    async with running(server.url, build) as one:
        await workers[0].request("tenant", "pushed", Cause(delivery="d1"))
        await until(lambda: shelf.applied, "the action")
        server.start()
        while (status := await one.context.buckets.status.get("svc.tenant")) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        while status.result is not Result.DONE:
            await asyncio.sleep(0.1)
            status = await one.context.buckets.status.get("svc.tenant")
        effects = [effect async for effect in reading.effects(js, TENANT)]
    assert [(effect.object, effect.result) for effect in effects] == [("shelf Thing apple", Result.DONE)]
    assert len(shelf.applied) == 1
