"""Bus or spool, and the order within a project."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from nautes_domain.events import Delivery, DeliveryKind, partition
from nautes_domain.failures import Rejected, Retry
from nautes_webhook_gateway.spool import Spool, SpoolLimits
from nautes_webhook_gateway.store import DeliveryStore, Stored


class Ledger:
    """A bus that keeps what it is given, in order, and can be away, refuse or be slow."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.away = False
        self.hangs: asyncio.Event | None = None
        self.refuses: set[int] = set()
        self.rejects: set[str] = set()

    async def deliver(self, delivery: Delivery) -> bool:
        if self.hangs is not None:
            await self.hangs.wait()
        if self.away or partition(delivery.project_id) in self.refuses:
            raise Retry("no acknowledgement", code="bus-unavailable")
        if delivery.id in self.rejects:
            raise Rejected("never")
        new = delivery.id not in self.kept
        if new:
            self.kept.append(delivery.id)
        return new


class Bench:
    def __init__(self, folder: Path, in_flight: int, limits: SpoolLimits) -> None:
        self.bus = Ledger()
        self.connected = True
        self.spool = Spool(folder, limits)
        self.store = DeliveryStore(
            self.bus, self.spool, lambda: self.connected, structlog.get_logger(), in_flight
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, 4, SpoolLimits(deliveries=20))
    yield made
    made.store.close()
    made.spool.close()


def delivery(name: str, project_id: int = 15) -> Delivery:
    return Delivery(
        id=name,
        hook="orchard.api",
        kind=DeliveryKind.PUSH,
        event="Push Hook",
        project_id=project_id,
        project="orchard/api",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def damage(folder: Path, *, number: int) -> None:
    next(folder.glob(f"*{number}-15.json")).write_bytes(b"damaged")


def set_aside(folder: Path) -> int:
    return len(list(folder.glob("*.bad")))


async def test_stored_then_duplicate(bench: Bench) -> None:
    assert await bench.store.store(delivery("a")) is Stored.STORED
    assert await bench.store.store(delivery("a")) is Stored.DUPLICATE
    assert len(bench.spool) == 0


async def test_newer_ones_of_a_spooled_project_queue_behind_and_others_do_not(bench: Bench) -> None:
    bench.bus.away = True
    assert await bench.store.store(delivery("a")) is Stored.SPOOLED
    bench.bus.away = False
    assert await bench.store.store(delivery("b")) is Stored.SPOOLED
    assert await bench.store.store(delivery("other", 16)) is Stored.STORED
    assert await bench.store.drain() == 2
    assert await bench.store.store(delivery("c")) is Stored.STORED
    assert bench.bus.kept == ["other", "a", "b", "c"]


async def test_a_lost_connection_is_not_waited_for(bench: Bench) -> None:
    bench.connected = False
    bench.bus.hangs = asyncio.Event()
    assert await bench.store.store(delivery("a")) is Stored.SPOOLED
    assert await bench.store.drain() == 0
    assert len(bench.spool) == 1


async def test_order_holds_while_one_delivery_waits_in_vain(bench: Bench) -> None:
    bench.bus.hangs = asyncio.Event()
    bench.bus.away = True
    tasks = [asyncio.create_task(bench.store.store(delivery(name))) for name in "abc"]
    await asyncio.sleep(0)
    bench.bus.hangs.set()
    assert await asyncio.gather(*tasks) == [Stored.SPOOLED] * 3
    bench.bus.away = False
    await bench.store.drain()
    assert bench.bus.kept == ["a", "b", "c"]


async def test_above_the_in_flight_limit_the_spool_takes_over(bench: Bench) -> None:
    bench.bus.hangs = asyncio.Event()
    waiting = [asyncio.create_task(bench.store.store(delivery(f"w{n}", 20 + n))) for n in range(4)]
    await asyncio.sleep(0)
    assert await bench.store.store(delivery("over")) is Stored.SPOOLED
    bench.bus.hangs.set()
    assert await asyncio.gather(*waiting) == [Stored.STORED] * 4
    assert await bench.store.store(delivery("after", 21)) is Stored.STORED


async def test_bus_down_and_spool_full_is_a_failure(bench: Bench) -> None:
    bench.connected = False
    for number in range(20):
        await bench.store.store(delivery(str(number)))
    assert not bench.store.has_room
    with pytest.raises(Retry) as caught:
        await bench.store.store(delivery("too many"))
    assert caught.value.code == "spool-full"


async def test_one_partition_that_refuses_does_not_hold_up_the_others(bench: Bench) -> None:
    first = 15
    second = next(number for number in range(16, 99) if partition(number) != partition(first))
    bench.connected = False
    for name, project_id in (("a", first), ("b", second), ("c", first), ("d", second)):
        await bench.store.store(delivery(name, project_id))
    bench.connected = True
    bench.bus.refuses = {partition(first)}
    assert await bench.store.drain() == 2
    assert bench.bus.kept == ["b", "d"]
    bench.bus.refuses.clear()
    await bench.store.drain()
    assert bench.bus.kept == ["b", "d", "a", "c"]


async def test_what_can_never_be_published_does_not_block(bench: Bench, tmp_path: Path) -> None:
    bench.connected = False
    for name in "abc":
        await bench.store.store(delivery(name))
    bench.connected = True
    bench.bus.rejects = {"a"}
    damage(tmp_path, number=2)
    assert await bench.store.drain() == 1
    assert bench.bus.kept == ["c"]
    assert set_aside(tmp_path) == 2
    assert len(bench.spool) == 0
