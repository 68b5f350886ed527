"""A bucket in memory on a real server: complete, current, and whole again after anything was missed."""

import asyncio
from datetime import UTC, datetime

import pytest

from nautes_domain.effects import Cause, Result, Status
from nautes_runtime import streams
from nautes_runtime.mirror import Mirror
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


def status(scope, commit="c"):
    return Status(
        service="svc", scope=scope, at=AT, cause=Cause(delivery="d"), result=Result.DONE, commit=commit
    )


@pytest.fixture
async def mirror(js):
    followed = Mirror(js, "status", Status)
    running = asyncio.create_task(followed.run())
    yield followed
    running.cancel()
    await asyncio.wait({running})


async def until(mirror, check):
    async with asyncio.timeout(20):
        while not check():
            await mirror.changed(mirror.changes, 0.2)


async def test_what_was_there_and_what_comes_is_in_memory(js):
    bucket = Bucket(js, "status", Status)
    for number in range(300):
        await bucket.put(f"svc.s{number}", status(f"s{number}"))
    await bucket.delete("svc.s7")
    mirror = Mirror(js, "status", Status)
    running = asyncio.create_task(mirror.run())
    await until(mirror, lambda: not mirror.problem)
    assert len(mirror.records) == 299
    await bucket.put("svc.new", status("new"))
    await bucket.put("svc.s1", status("s1", "later"))
    await bucket.delete("svc.s2")
    await until(mirror, lambda: "svc.new" in mirror.records and "svc.s2" not in mirror.records)
    assert mirror.records["svc.s1"].commit == "later"
    running.cancel()
    await asyncio.wait({running})


async def test_an_empty_bucket_is_known_to_be_empty(mirror):
    await until(mirror, lambda: not mirror.problem)
    assert mirror.records == {}


async def test_who_waits_is_woken_by_a_change_or_by_the_end_of_the_time(js, mirror):
    await until(mirror, lambda: not mirror.problem)
    since = mirror.changes
    assert await mirror.changed(since, 0.05) == since
    waiting = asyncio.create_task(mirror.changed(since, 20))
    await Bucket(js, "status", Status).put("svc.a", status("a"))
    assert await waiting > since


async def test_a_consumer_that_is_gone_is_made_again_and_nothing_is_missed(js, mirror):
    bucket = Bucket(js, "status", Status)
    await bucket.put("svc.a", status("a"))
    await until(mirror, lambda: "svc.a" in mirror.records)
    for info in await js.consumers_info("KV_status"):
        await js.delete_consumer("KV_status", info.name)
    await bucket.delete("svc.a")
    await bucket.put("svc.b", status("b"))
    await until(mirror, lambda: "svc.b" in mirror.records and "svc.a" not in mirror.records)
    assert mirror.problem == ""


async def test_a_record_that_does_not_parse_is_left_out(js, mirror):
    await js.publish("$KV.status.svc.bad", b"{}")
    await Bucket(js, "status", Status).put("svc.good", status("good"))
    await until(mirror, lambda: "svc.good" in mirror.records)
    assert "svc.bad" not in mirror.records
