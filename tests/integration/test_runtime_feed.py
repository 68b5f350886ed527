"""A stream in memory: all of it, in order, whatever the bus goes through meanwhile."""

import asyncio

import pytest

from nautes_domain.effects import Cause
from nautes_domain.events import Fact, Subjects
from nautes_domain.failures import Retry
from nautes_runtime.bus import Bus
from nautes_runtime.context import utc_now
from nautes_runtime.ending import cancelled
from nautes_runtime.feed import Feed
from nautes_runtime.streams import provision
from support.nats import start_nats
from support.runtime import TENANT, connected, until


class World:
    """A bus with its streams, and a feed of the facts about runs."""

    def __init__(self, js):
        self.js = js
        self.bus = Bus(js, TENANT, "reconciler", utc_now)
        self.told = []
        self.count = 0

    def feed(self, *, from_start=True):
        return Feed(self.js, "FACTS", Subjects(TENANT).fact("run"), self.take, from_start=from_start)

    def take(self, message):
        self.told.append(Fact.model_validate_json(message.data).name)

    async def state(self, count=1, kind="run"):
        for _ in range(count):
            self.count += 1
            cause = Cause(delivery=f"d{self.count}")
            fact = Fact(
                kind=kind, verb="told", scope="product_orchard", name=f"run-{self.count}", by="reconciler", cause=cause
            )  # fmt: skip
            while not await self._stated(fact):  # noqa: ASYNC110 - the bus is away for a while
                await asyncio.sleep(0.05)

    async def _stated(self, fact):
        """State a fact; said twice, it is kept once."""
        try:
            await self.bus.state(fact)
        except Retry:
            return False
        return True


@pytest.fixture
def server(tmp_path):
    with start_nats(tmp_path) as running:
        yield running


@pytest.fixture
async def world(server):
    async with connected(server.url) as (_, js):
        await provision(js, TENANT)
        yield World(js)


@pytest.fixture
async def follow():
    tasks = []

    def begin(feed):
        tasks.append(asyncio.create_task(feed.run()))
        return feed

    yield begin
    await cancelled(tasks)


async def test_what_is_kept_comes_first_then_what_is_new(world, follow):
    await world.state(300)
    await world.state(kind="cluster")
    feed = follow(world.feed())
    assert feed.problem
    await until(lambda: not feed.problem, "everything is read")
    assert world.told == [f"run-{number}" for number in range(1, 301)]
    await world.state(2)
    await until(lambda: len(world.told) == 302, "what is new")
    assert world.told[-1] == "run-303"


async def test_from_now_on_means_nothing_of_before(world, follow):
    await world.state(3)
    feed = follow(world.feed(from_start=False))
    await until(lambda: not feed.problem, "following")
    await world.state()
    await until(lambda: world.told, "what is new")
    assert world.told == ["run-4"]


async def test_nothing_is_missed_or_told_twice_when_the_bus_goes_away(server, world, follow):
    await world.state(3)
    feed = follow(world.feed())
    await until(lambda: len(world.told) == 3, "what is kept")
    server.kill()
    server.start()
    await world.state(2)
    await until(lambda: len(world.told) >= 5 and not feed.problem, "what is new")
    assert world.told == [f"run-{number}" for number in range(1, 6)]


async def test_a_stream_that_was_made_anew_is_read_from_its_beginning(world, follow):
    await world.state(5)
    feed = follow(world.feed())
    await until(lambda: len(world.told) == 5, "what is kept")
    await world.js.delete_stream("FACTS")
    await until(lambda: feed.problem, "it is gone")
    await provision(world.js, TENANT)
    await world.state(2)
    await until(lambda: world.told[-2:] == ["run-6", "run-7"], "the new stream")


async def test_what_does_not_parse_is_left_out(world, follow):
    await world.js.publish(Subjects(TENANT).fact("run", "told"), b"{nonsense")
    await world.state()
    feed = follow(world.feed())
    await until(lambda: not feed.problem, "everything is read")
    assert world.told == ["run-1"]
