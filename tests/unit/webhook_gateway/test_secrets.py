"""Hook secrets: parsed strictly, remembered for a while, served stale while the store is down."""

import asyncio
from datetime import timedelta

import pytest

from nautes_domain.failures import Failure, Rejected, Retry
from nautes_webhook_gateway import verify
from nautes_webhook_gateway.secrets import CachePolicy, HookCache, HookSecrets, hook_secrets

HOOK = "orchard.api"


class Shelf:
    """A source of secrets whose content and reachability the test decides."""

    def __init__(self) -> None:
        self.hooks: dict[str, HookSecrets] = {}
        self.failure: Failure | None = None
        self.gate: asyncio.Event | None = None
        self.reads: list[str] = []

    async def read(self, hook: str) -> HookSecrets | None:
        self.reads.append(hook)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.hooks.get(hook)


def secrets(token: str = "t") -> HookSecrets:
    return HookSecrets(verify.keys((token,), ()), 15)


class Bench:
    def __init__(self, policy: CachePolicy | None = None) -> None:
        self.time = 0.0
        self.shelf = Shelf()
        self.cache = HookCache(self.shelf, lambda: self.time, policy)


async def test_a_known_hook_is_read_again_after_thirty_seconds() -> None:
    bench = Bench()
    bench.shelf.hooks[HOOK] = secrets()
    for bench.time in (0, 10, 29.9):
        assert await bench.cache.lookup(HOOK) == secrets()
    assert len(bench.shelf.reads) == 1
    bench.time, bench.shelf.hooks[HOOK] = 30, secrets("new")
    assert await bench.cache.lookup(HOOK) == secrets("new")


async def test_an_absent_hook_is_asked_for_again_after_five_seconds() -> None:
    bench = Bench()
    assert await bench.cache.lookup(HOOK) is None
    bench.shelf.hooks[HOOK] = secrets()
    bench.time = 4.9
    assert await bench.cache.lookup(HOOK, renew=True) is None
    bench.time = 5
    assert await bench.cache.lookup(HOOK) == secrets()


async def test_renewing_reads_again_but_not_for_each_wrong_call() -> None:
    bench = Bench()
    bench.shelf.hooks[HOOK] = secrets()
    await bench.cache.lookup(HOOK)
    bench.shelf.hooks[HOOK] = secrets("rotated")
    bench.time = 0.9
    assert await bench.cache.lookup(HOOK, renew=True) == secrets()
    bench.time = 1
    assert await bench.cache.lookup(HOOK, renew=True) == secrets("rotated")
    assert len(bench.shelf.reads) == 2


async def test_a_removed_hook_is_forgotten() -> None:
    bench = Bench()
    bench.shelf.hooks[HOOK] = secrets()
    await bench.cache.lookup(HOOK)
    bench.shelf.hooks.clear()
    bench.time = 31
    assert await bench.cache.lookup(HOOK) is None
    bench.shelf.failure = Retry("down")
    bench.time = 60
    with pytest.raises(Retry):
        await bench.cache.lookup(HOOK)


async def test_stale_secrets_serve_for_an_hour_while_the_store_is_down() -> None:
    bench = Bench()
    bench.shelf.hooks[HOOK] = secrets()
    await bench.cache.lookup(HOOK)
    bench.shelf.failure = Retry("down")
    bench.time = 31
    assert await bench.cache.lookup(HOOK) == secrets()
    bench.time = 35
    assert await bench.cache.lookup(HOOK, renew=True) == secrets()
    assert len(bench.shelf.reads) == 2
    bench.time = 3600
    assert await bench.cache.lookup(HOOK) == secrets()
    bench.time = 3606
    with pytest.raises(Retry) as caught:
        await bench.cache.lookup(HOOK)
    assert caught.value.code == "secrets-unavailable"


async def test_a_store_that_hangs_holds_up_nobody_who_is_known() -> None:
    bench = Bench(CachePolicy(patience=timedelta(0), waiting=timedelta(0)))
    bench.shelf.gate = asyncio.Event()
    bench.shelf.hooks[HOOK] = secrets()
    with pytest.raises(Retry) as caught:
        await bench.cache.lookup(HOOK)
    assert caught.value.code == "secrets-unavailable"
    bench.shelf.gate.set()
    assert await bench.cache.lookup(HOOK) == secrets()
    bench.shelf.hooks[HOOK] = secrets("new")
    bench.shelf.gate.clear()
    for bench.time in (30, 60):
        assert await bench.cache.lookup(HOOK) == secrets()
    assert len(bench.shelf.reads) == 2
    bench.shelf.gate.set()
    assert await bench.cache.lookup(HOOK) == secrets("new")


async def test_nothing_known_and_the_store_down_is_nobodys_fault() -> None:
    bench = Bench()
    bench.shelf.failure = Rejected("denied")
    with pytest.raises(Retry):
        await bench.cache.lookup(HOOK)


async def test_those_who_wait_for_one_hook_share_one_read() -> None:
    bench = Bench()
    bench.shelf.hooks[HOOK] = secrets()
    bench.shelf.gate = asyncio.Event()
    waiting = [asyncio.create_task(bench.cache.lookup(HOOK)) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    bench.shelf.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert found[1:] == [secrets()] * 9
    assert len(bench.shelf.reads) == 1


async def test_a_flood_of_unknown_hooks_neither_queues_nor_pushes_out_known_ones() -> None:
    bench = Bench(CachePolicy(hooks=3, reads=2))
    bench.shelf.hooks[HOOK] = secrets()
    await bench.cache.lookup(HOOK)
    for number in range(10):
        assert await bench.cache.lookup(f"x.{number}") is None
    reads = len(bench.shelf.reads)
    assert await bench.cache.lookup(HOOK) == secrets()
    assert len(bench.shelf.reads) == reads
    bench.shelf.gate = asyncio.Event()
    waiting = [asyncio.create_task(bench.cache.lookup(f"y.{number}")) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Retry, match="at once"):
        await bench.cache.lookup("y.3")
    assert await bench.cache.lookup(HOOK) == secrets()
    bench.shelf.gate.set()
    await asyncio.gather(*waiting)


async def test_the_memory_of_known_hooks_is_bounded() -> None:
    bench = Bench(CachePolicy(hooks=2, found=timedelta(hours=1)))
    for number in range(3):
        bench.shelf.hooks[f"x.{number}"] = secrets()
        await bench.cache.lookup(f"x.{number}")
    await bench.cache.lookup("x.0")
    assert bench.shelf.reads == ["x.0", "x.1", "x.2", "x.0"]


FIELDS = {
    "token": "now",
    "signing_token": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "project_id": "15",
    "previous_token": "",
    "previous_signing_token": "",
}


def test_stored_fields() -> None:
    found = hook_secrets(HOOK, FIELDS)
    assert found.project_id == 15
    assert (len(found.keys.tokens), len(found.keys.signing)) == (1, 1)
    assert len(hook_secrets(HOOK, {**FIELDS, "previous_token": "before"}).keys.tokens) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"project_id": ""},
        {"project_id": "0"},
        {"project_id": "-1"},
        {"project_id": "canary"},
        {"signing_token": "whsec_canary!"},
        {"token": "", "signing_token": ""},
    ],
)
def test_fields_that_cannot_protect_a_hook_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Rejected) as caught:
        hook_secrets(HOOK, {**FIELDS, **changes})
    assert "canary" not in str(caught.value)
    assert "now" not in repr(hook_secrets(HOOK, FIELDS))
