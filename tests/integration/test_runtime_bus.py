"""Publishing, reading back and records, on a real server."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from nats.js.api import StreamConfig
from pydantic import BaseModel

from nautes_domain.effects import Cause, Considered, Decision, Effect, Result, Status
from nautes_domain.events import Delivery, DeliveryKind, Fact, Work
from nautes_domain.failures import Rejected, Retry
from nautes_runtime import reading, streams
from nautes_runtime.bus import Bus, traceparent
from nautes_runtime.dead import DeadMessage
from nautes_runtime.records import Bucket
from support.runtime import TENANT, connected

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
async def js(server):
    async with connected(server.url) as (_, stream):
        await streams.provision(stream, TENANT)
        yield stream
        for info in await stream.streams_info():
            await stream.delete_stream(info.config.name)


@pytest.fixture
def bus(js):
    return Bus(js, TENANT, "svc", lambda: AT)


def cause(delivery="d1"):
    return Cause(delivery=delivery, repository="a/b", commit="c1", actor="jo\nhn")


def delivery(number="1", project_id=7, **more):
    return Delivery(
        id=number, hook="h", kind=DeliveryKind.PUSH, event="Push Hook", project_id=project_id,
        project="a/b", received_at=AT, **more,
    )  # fmt: skip


def effect(number="1", system="kubernetes/run-east", delivery="d1"):
    return Effect(
        id=number, at=AT, tenant=TENANT, service="reconciler", cause=cause(delivery), scope="tenant",
        entity="e", system=system, object="o", verb="create", because="b", result=Result.DONE,
    )  # fmt: skip


def decision(number="1", delivery="d1"):
    considered = (Considered(product="p", runtime="r", trigger="t", fired=False, reason="no"),)
    return Decision(
        id=number, at=AT, tenant=TENANT, cause=cause(delivery), kind="push", content_key="k", considered=considered
    )  # fmt: skip


async def test_a_delivery_is_stored_once_within_the_window(bus, js):
    assert await bus.deliver(delivery()) is True
    assert await bus.deliver(delivery()) is False
    assert await bus.deliver(delivery("2")) is True
    assert [one.id async for one in reading.deliveries(js, TENANT)] == ["1", "2"]


async def test_the_same_id_from_another_hook_is_another_delivery(bus):
    assert await bus.deliver(delivery())
    assert await bus.deliver(delivery().model_copy(update={"hook": "other"}))


async def test_a_delivery_that_is_too_large_is_refused(bus):
    huge = delivery().model_copy(update={"message": "x" * 70_000})
    with pytest.raises(Retry) as refused:
        await bus.deliver(huge)
    assert refused.value.code == "bus-unavailable"


async def test_the_envelope(bus, js):
    await bus.deliver(delivery(actor="jörg"))
    stored = [
        message for index in range(4) async for message in reading.replay(js, f"DELIVERIES_{index}", ">")
    ]
    headers = stored[0].headers
    assert headers["ce-type"] == "io.nautes.delivery.v1"
    assert headers["ce-source"] == "/nautes/acme/svc"
    assert headers["nautes-cause"] == "1"
    assert headers["nautes-actor"] == "j?rg"
    assert headers["content-type"] == "application/json"
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert headers["traceparent"] == traceparent(delivery(actor="jörg").cause, headers["ce-id"])
    assert {name.lower() for name in headers if not name.lower().startswith(("ce-", "nautes-", "nats-"))} == {
        "content-type",
        "traceparent",
    }


async def test_what_is_said_twice_is_kept_once(bus):
    fact = Fact(kind="coderepo", verb="provisioned", scope="product_x", name="r", by="svc", cause=cause())
    assert await bus.state(fact)
    assert not await bus.state(fact)
    assert await bus.state(fact.model_copy(update={"data": {"project_id": 7}}))
    assert await bus.effect(effect())
    assert not await bus.effect(effect())
    assert await bus.decision(decision())
    assert not await bus.decision(decision())


async def test_every_request_counts_and_the_newest_waits(bus, js):
    for number in range(3):
        work = Work(scope="tenant", because=f"{number}", cause=cause())
        await bus.request("reconciler", work)
        await bus.request("reconciler", work)
    stored = [message async for message in reading.replay(js, "WORK", ">")]
    assert [Work.model_validate_json(message.data).because for message in stored] == ["2"]
    assert stored[0].metadata.sequence.stream == 6


async def test_names_that_are_none_never_reach_a_subject(bus):
    with pytest.raises(ValueError, match="not a name"):
        await bus.state(Fact(kind="a.>", verb="b", scope="s", name="n", by="svc", cause=cause()))
    with pytest.raises(ValueError, match="not a name"):
        await bus.request("a.b", Work(scope="tenant", because="x", cause=cause()))


async def test_an_unknown_bus_is_a_retry_after_five_seconds(server):
    async with connected(server.url) as (_, js):
        with pytest.raises(Retry) as away:
            await Bus(js, TENANT, "svc", lambda: AT).effect(effect())
    assert away.value.code == "bus-unavailable"
    assert away.value.after == timedelta(seconds=5)


async def test_a_full_stream_refuses(bus, js):
    config = (await js.stream_info("EFFECTS")).config
    await js.update_stream(StreamConfig(**{**vars(config), "max_msgs": 1}))
    await bus.effect(effect("1"))
    with pytest.raises(Retry):
        await bus.effect(effect("2"))
    assert [one.id async for one in reading.effects(js, TENANT)] == ["1"]


async def test_effects_and_decisions_are_read_apart_by_cause_and_since(bus, js):
    await bus.effect(effect("1", delivery="d1"))
    await bus.decision(decision("2", delivery="d1"))
    await bus.effect(effect("3", system="vault", delivery="d2"))
    await asyncio.sleep(0.05)
    between = datetime.now(UTC)
    await bus.effect(effect("4", delivery="d1"))
    assert [one.id async for one in reading.effects(js, TENANT)] == ["1", "3", "4"]
    assert [one.id async for one in reading.effects(js, TENANT, cause="d1")] == ["1", "4"]
    assert [one.id async for one in reading.effects(js, TENANT, since=between)] == ["4"]
    assert [one.id async for one in reading.decisions(js, TENANT)] == ["2"]
    assert [one.id async for one in reading.decisions(js, TENANT, cause="d2")] == []
    assert [one async for one in reading.facts(js, TENANT)] == []


async def test_more_than_one_batch_is_read_and_nothing_is_left_behind(bus, js):
    for number in range(600):
        await bus.effect(effect(str(number)))
    read = [one.id async for one in reading.effects(js, TENANT)]
    assert read == [str(number) for number in range(600)]
    assert (await js.stream_info("EFFECTS")).state.consumer_count == 0


async def test_a_reader_that_stops_early_leaves_nothing_behind(bus, js):
    for number in range(5):
        await bus.effect(effect(str(number)))
    effects = reading.effects(js, TENANT)
    assert (await anext(effects)).id == "0"
    await effects.aclose()
    assert (await js.stream_info("EFFECTS")).state.consumer_count == 0


async def test_a_dead_letter_is_kept_once(bus, js):
    letter = DeadMessage(
        stream="FACTS", sequence=3, consumer="c", subject="s", data=b"\xff", reason="r", code="c", attempts=2,
        headers={"ce-id": "1"},
    )  # fmt: skip
    assert await bus.dead(letter)
    assert not await bus.dead(letter)
    assert [one async for one in reading.dead(js, TENANT)] == [letter]


async def test_provisioning_twice_and_at_once_is_the_same(server, js):
    await asyncio.gather(*(streams.provision(js, TENANT) for _ in range(4)))
    async with connected(server.url) as (_, other):
        await asyncio.gather(streams.provision(js, TENANT), streams.provision(other, TENANT))
    names = {info.config.name for info in await js.streams_info()}
    assert names == {config.name for config in streams.stream_configs(TENANT)}


async def test_a_stream_that_drifted_is_mended_and_one_that_cannot_be_is_named(js):
    await js.delete_stream("FACTS")
    await js.add_stream(StreamConfig(name="FACTS", subjects=["nautes.acme.fact.*.*"], max_age=60))
    await streams.provision(js, TENANT)
    assert (await js.stream_info("FACTS")).config.max_age == 30 * streams.DAY
    await js.delete_stream("FACTS")
    await js.add_stream(StreamConfig(name="FACTS", subjects=["nautes.acme.fact.*.*"], storage="memory"))
    with pytest.raises(Rejected, match="stream FACTS"):
        await streams.provision(js, TENANT)


async def test_a_durable_that_drifted_is_mended(js):
    await streams.ensure_consumer(js, "FACTS", "svc", "nautes.acme.fact.*.*", ack_wait=5)
    await streams.ensure_consumer(js, "FACTS", "svc", "nautes.acme.fact.a.*", ack_wait=9, max_ack_pending=3)
    config = (await js.consumer_info("FACTS", "svc")).config
    assert (config.ack_wait, config.max_ack_pending, config.filter_subject) == (9, 3, "nautes.acme.fact.a.*")


class Size(BaseModel):
    size: int


@pytest.fixture
def bucket(js):
    return Bucket(js, "index", Size)


async def test_records_come_back_with_their_revision(bucket):
    assert await bucket.get("a") is None
    first = await bucket.put("a.b_c-d=", Size(size=1))
    assert await bucket.entry("a.b_c-d=") == (Size(size=1), first)
    second = await bucket.update("a.b_c-d=", Size(size=2), first)
    assert second > first
    assert await bucket.get("a.b_c-d=") == Size(size=2)


async def test_two_writers_and_one_wins(bucket):
    revision = await bucket.create("a", Size(size=1))
    with pytest.raises(Retry, match="somebody else") as conflict:
        await bucket.create("a", Size(size=2))
    assert conflict.value.code == "conflict"
    await bucket.update("a", Size(size=3), revision)
    with pytest.raises(Retry, match="somebody else"):
        await bucket.update("a", Size(size=4), revision)
    assert await bucket.get("a") == Size(size=3)


async def test_what_is_deleted_is_gone_and_may_be_created_again(bucket):
    await bucket.put("a", Size(size=1))
    await bucket.delete("a")
    await bucket.delete("never")
    assert await bucket.get("a") is None
    assert await bucket.keys() == []
    await bucket.create("a", Size(size=2))
    assert await bucket.items() == [("a", Size(size=2))]


async def test_keys_and_items_by_prefix(bucket):
    for number, key in enumerate(["p.b", "p.a", "pq.c", "x"]):
        await bucket.put(key, Size(size=number))
    await bucket.delete("x")
    assert await bucket.keys() == ["p.a", "p.b", "pq.c"]
    assert await bucket.keys("p.") == ["p.a", "p.b"]
    assert await bucket.items("p.") == [("p.a", Size(size=1)), ("p.b", Size(size=0))]


@pytest.mark.parametrize("key", ["", ".", "a..b", ".a", "a.", "a b", "a/b", "*", "a.>", "ä", "a\n"])
async def test_what_is_no_key_is_refused(bucket, key):
    with pytest.raises(ValueError, match="is not a key"):
        await bucket.put(key, Size(size=1))


async def test_a_record_that_does_not_parse_is_named(js, bucket):
    await js.publish("$KV.index.a", b'{"size": "glpat-secret"}')
    with pytest.raises(Rejected, match="index/a") as unreadable:
        await bucket.get("a")
    assert "glpat" not in str(unreadable.value)


async def test_statuses_are_the_latest_of_each_scope(js):
    bucket = Bucket(js, "status", Status)
    for number in range(3):
        for scope in ("tenant", "product_x"):
            status = Status(
                service="svc", scope=scope, at=AT, cause=cause(), result=Result.DONE, written=number
            )  # fmt: skip
            await bucket.put(f"svc.{scope}", status)
    await bucket.delete("svc.product_x")
    assert [(one.scope, one.written) async for one in reading.statuses(js, TENANT)] == [("tenant", 2)]
