"""Handlers' ends become acknowledgements, seen on the wire of a real server."""

import asyncio
import json
from datetime import timedelta

import pytest
from nats.js.api import StreamConfig

from nautes_domain.effects import Cause
from nautes_domain.events import Delivery, DeliveryKind, Fact, partition
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_runtime import reading
from nautes_runtime.context import utc_now
from nautes_runtime.streams import deliveries
from support.runtime import TENANT, acknowledgements, running, until

pytestmark = pytest.mark.usefixtures("emptied")

SHORT = timedelta(seconds=0.1)


def fact(name="x", verb="tested"):
    return Fact(kind="thing", verb=verb, scope="tenant", name=name, by="test", cause=Cause(delivery="d1"))


def on_facts(handler, **options):
    async def build(context):
        context.subscribe("FACTS", "svc", context.subjects.fact("thing"), handler, model=Fact, **options)

    return build


async def the_dead(js):
    return [one async for one in reading.dead(js, TENANT)]


def assert_every_nak_has_a_delay(acks):
    naks = [body for _, body in acks if body.startswith(b"-NAK")]
    for body in naks:
        assert json.loads(body.removeprefix(b"-NAK"))["delay"] > 0, body
    return [json.loads(body.removeprefix(b"-NAK"))["delay"] / 1e9 for body in naks]


async def test_a_retry_comes_again_after_its_delay_until_it_is_done(server):
    outcomes = [Retry("away", after=SHORT), Blocked("no", by="x/y", after=SHORT), None]
    seen = []

    async def handler(event: Fact):
        seen.append(event)
        if (failure := outcomes[len(seen) - 1]) is not None:
            raise failure

    async with acknowledgements(server.url) as acks, running(server.url, on_facts(handler)) as one:
        await one.context.bus.state(fact())
        await until(lambda: [body for who, body in acks if who == "FACTS svc" and body == b"+ACK"], "the ack")
        assert seen == [fact()] * 3
        assert assert_every_nak_has_a_delay(acks) == [0.1, 0.1]


async def test_what_nobody_foresaw_waits_by_the_ladder(server):
    async def handler(event: Fact):
        raise KeyError(event.name)

    async with acknowledgements(server.url) as acks, running(server.url, on_facts(handler)) as one:
        await one.context.bus.state(fact())
        await until(lambda: len([1 for _, body in acks if body.startswith(b"-NAK")]) >= 2, "two naks")
        first, second = assert_every_nak_has_a_delay(acks)[:2]
    assert 0.9 <= first <= 1.1
    assert 4.5 <= second <= 5.5


async def test_what_nobody_foresaw_is_put_aside_after_six_attempts(server):
    seen = []

    async def handler(event: Fact):
        seen.append(event)
        if len(seen) < 6:
            raise Retry("not yet", after=SHORT)
        raise KeyError("glpat-secret")

    async with acknowledgements(server.url) as acks, running(server.url, on_facts(handler)) as one:
        await one.context.bus.state(fact())
        await until(lambda: ("FACTS svc", b"+TERM") in acks, "the end of the message")
        (dead,) = await the_dead(one.context.js)
        assert "glpat" not in dead.reason
    assert (dead.reason, dead.attempts, dead.code) == ("KeyError after 6 attempts", 6, "unexpected")
    assert dead.digest


async def test_a_poison_delivery_ends_in_dead_and_blocks_nobody(server):
    handled = []

    def delivery(number, project_id):
        return Delivery(
            id=str(number), hook="h", kind=DeliveryKind.PUSH, event="Push Hook", project_id=project_id,
            project="a/b", received_at=utc_now(),
        )  # fmt: skip

    async def handler(one: Delivery):
        if one.id == "1":
            raise Rejected("this ref cannot be read", what="push 1", code="bad-ref")
        if one.id == "2":
            raise Retry("the code host is away", after=timedelta(seconds=30))
        handled.append(one.id)

    async def build(context):
        for index in range(4):
            context.subscribe(
                deliveries(index), f"svc-{index}", context.subjects.deliveries(index), handler, model=Delivery
            )

    async with running(server.url, build) as one:
        # 1 is poison and 3 follows it in its partition. 2 waits long; 4 and 5 are in other partitions.
        for number, index in ((1, 0), (3, 0), (2, 1), (4, 2), (5, 3)):
            project_id = next(one for one in range(1, 100) if partition(one) == index)
            await one.context.bus.deliver(delivery(number, project_id))
        await until(lambda: {"3", "4", "5"} <= set(handled), "the others")
        (dead,) = await the_dead(one.context.js)
    assert dead.reason == "push 1: this ref cannot be read"
    assert dead.code == "bad-ref"
    assert Delivery.model_validate_json(dead.data).id == "1"
    assert dead.headers["ce-type"] == "io.nautes.delivery.v1"


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b'{"kind": ', {"content-type": "application/json"}),
        (b"\xff\xfe\x00", {"content-type": "text/plain"}),
        (b'{"kind": "thing"}', {"content-type": "application/json"}),
        (b"0", None),
        (b"", None),
    ],
    ids=["broken", "bytes", "schema", "number", "empty"],
)
async def test_what_does_not_decode_is_put_aside_as_it_was(server, data, headers):
    handled = []

    async def handler(event: Fact):
        handled.append(event.name)

    async with acknowledgements(server.url) as acks, running(server.url, on_facts(handler)) as one:
        await one.context.js.publish(one.context.subjects.fact("thing", "broken"), data, headers=headers)
        await one.context.bus.state(fact("good"))
        await until(lambda: handled == ["good"], "the good one")
        await until(lambda: ("FACTS svc", b"+TERM") in acks, "the end of the bad one")
        (dead,) = await the_dead(one.context.js)
    assert dead.data == data
    assert dead.code == "undecodable"
    assert dead.attempts == 1
    assert dead.headers.get("content-type") == (headers or {}).get("content-type")


async def test_what_cannot_be_put_aside_stays_where_it_is(server):
    async def handler(event: Fact):
        raise Rejected("no", what=event.name, code="no")

    async with acknowledgements(server.url) as acks, running(server.url, on_facts(handler)) as one:
        js = one.context.js
        config = (await js.stream_info("DEAD")).config
        await js.update_stream(StreamConfig(**{**vars(config), "max_msg_size": 10}))
        await one.context.bus.state(fact())
        await until(lambda: [1 for who, body in acks if body.startswith(b"-NAK")], "the return")
        assert await the_dead(js) == []
        assert assert_every_nak_has_a_delay(acks) == [5.0]
        await js.update_stream(config)
        await until(lambda: ("FACTS svc", b"+TERM") in acks, "the end of the message")
        assert [dead.reason for dead in await the_dead(js)] == ["x: no"]


async def test_a_long_handler_keeps_its_message(server):
    seen = []

    async def handler(event: Fact):
        seen.append(event)
        await asyncio.sleep(2.5)

    async with acknowledgements(server.url) as acks:
        async with running(server.url, on_facts(handler, ack_wait=1.0)) as one:
            await one.context.bus.state(fact())
            await until(lambda: ("FACTS svc", b"+ACK") in acks, "the ack")
        assert len(seen) == 1
        assert ("FACTS svc", b"+WPI") in acks


async def test_no_more_messages_are_taken_than_there_are_workers(server):
    release = asyncio.Event()
    started = []

    async def handler(event: Fact):
        started.append(event.name)
        await release.wait()

    async with running(server.url, on_facts(handler, concurrency=3, max_ack_pending=100)) as one:
        for number in range(10):
            await one.context.bus.state(fact(str(number)))
        await until(lambda: len(started) == 3, "three workers")
        info = await one.context.js.consumer_info("FACTS", "svc")
        assert info.num_ack_pending == 3
        release.set()
        await until(lambda: len(started) == 10, "all of them")


async def test_a_stopping_service_returns_what_it_cannot_finish(server):
    stuck = asyncio.Event()

    async def handler(_: Fact):
        stuck.set()
        await asyncio.sleep(3600)

    async with acknowledgements(server.url) as acks, running(server.url, on_facts(handler)) as one:
        await one.context.bus.state(fact())
        await stuck.wait()
        await one.service.close_intakes(0.1)
        await until(lambda: [1 for who, body in acks if body.startswith(b"-NAK")], "the return")
        assert assert_every_nak_has_a_delay(acks) == [1.0]
