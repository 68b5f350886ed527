"""The lock of a scope: one holder, fenced, ended when it is not renewed, and its loss stops the holder."""

import asyncio

import pytest

from nautes_domain.failures import Retry
from nautes_runtime import streams
from nautes_runtime.locks import ScopeLocks
from nautes_runtime.records import open_bucket
from support.nats import start_nats
from support.runtime import TENANT, connected


@pytest.fixture
async def js(server):
    async with connected(server.url) as (_, stream):
        await streams.provision(stream, TENANT)
        yield stream


@pytest.fixture
def kv(js):
    return open_bucket(js, "locks")


async def test_one_holder_at_a_time(kv):
    async with ScopeLocks(kv, "one").hold("svc.tenant"):
        with pytest.raises(Retry) as busy:
            async with ScopeLocks(kv, "two").hold("svc.tenant"):
                pytest.fail("two holders")
        async with ScopeLocks(kv, "two").hold("svc.product_orchard"):
            pass
    assert busy.value.code == "scope-busy"
    assert busy.value.after.total_seconds() == 1


async def test_a_released_lock_is_free_and_fences_grow(kv):
    locks, fences = ScopeLocks(kv, "one"), []
    for _ in range(3):
        async with locks.hold("svc.tenant") as fence:
            fences.append(fence)
    assert fences == sorted(set(fences))


async def test_a_failure_within_releases_too(kv):
    locks = ScopeLocks(kv, "one")
    with pytest.raises(ZeroDivisionError):
        async with locks.hold("svc.tenant"):
            raise ZeroDivisionError
    async with locks.hold("svc.tenant"):
        pass


async def test_renewal_outlives_the_ttl(js, kv):
    """The bucket forgets after a second what is not renewed."""
    config = streams.bucket_config("locks")
    config.max_age, config.duplicate_window = 1.0, 1.0
    await js.update_stream(config)
    async with ScopeLocks(kv, "one", ttl=1.0).hold("svc.tenant"):
        for _ in range(8):
            await asyncio.sleep(0.3)
            with pytest.raises(Retry, match="somebody else"):
                async with ScopeLocks(kv, "two").hold("svc.tenant"):
                    pytest.fail("two holders")


async def test_a_holder_that_died_is_forgotten(js, kv):
    config = streams.bucket_config("locks")
    config.max_age, config.duplicate_window = 1.0, 1.0
    await js.update_stream(config)
    dead = await kv.create("svc.tenant", b"died")
    fence = 0
    while not fence:
        try:
            async with ScopeLocks(kv, "two").hold("svc.tenant") as fence:
                pass
        except Retry:
            await asyncio.sleep(0.1)
    assert fence > dead


@pytest.mark.parametrize("how", ["deleted", "taken"])
async def test_a_lost_lock_stops_the_holder(kv, how):
    reached = []

    async def work():
        async with ScopeLocks(kv, "one", ttl=1.5).hold("svc.tenant"):
            if how == "deleted":
                await kv.delete("svc.tenant")
            else:
                await kv.put("svc.tenant", b"two")
            await asyncio.sleep(30)
            reached.append("the end")

    with pytest.raises(Retry) as lost:
        await work()
    assert lost.value.code == "scope-lost"
    assert not reached
    assert asyncio.current_task().cancelling() == 0
    if how == "taken":
        assert (await kv.get("svc.tenant")).value == b"two"
        await kv.delete("svc.tenant")


async def test_a_lock_that_cannot_be_renewed_stops_the_holder_before_it_ends(tmp_path):
    with start_nats(tmp_path) as nats:
        async with connected(nats.url) as (_, js):
            await streams.provision(js, TENANT)

            async def work():
                async with ScopeLocks(open_bucket(js, "locks"), "one", ttl=1.5).hold("svc.tenant"):
                    nats.kill()
                    await asyncio.sleep(60)

            with pytest.raises(Retry) as lost:
                await work()
            assert lost.value.code == "scope-lost"
            nats.start()


async def test_a_cancellation_from_outside_stays_one(kv):
    inside = asyncio.Event()

    async def work():
        async with ScopeLocks(kv, "one").hold("svc.tenant"):
            inside.set()
            await asyncio.sleep(30)

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with ScopeLocks(kv, "two").hold("svc.tenant"):
        pass
