"""Where a delivery goes: to the bus, or to the spool while the bus cannot take it. In order within a project.

Deliveries of one project go one after the other, each awaiting its acknowledgement; projects run in parallel.
Once one of a project's deliveries is spooled, all newer ones queue behind it until the spool is drained.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from nautes_domain.events import Delivery, partition
from nautes_domain.failures import Failure, Retry
from nautes_webhook_gateway.spool import Spool

_P = ParamSpec("_P")
_T = TypeVar("_T")
IN_FLIGHT: Final = 256
"""Deliveries that wait for the bus at once; more of them only lengthen the queue (measured)."""


class Publisher(Protocol):
    """What of the bus is needed here."""

    async def deliver(self, delivery: Delivery) -> bool:
        """Store a delivery: True stored, False it was there before. Raises Retry when nobody acknowledged."""
        ...


class Log(Protocol):
    """A structured logger."""

    def info(self, event: str, **fields: Any) -> Any:
        """Say what happened."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Say what somebody should know."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Say what somebody must look at."""
        ...


class Stored(StrEnum):
    """Where a delivery is. All of them are durable."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    SPOOLED = "spooled"


@dataclass(slots=True)
class _Lane:
    """The queue of one project."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class DeliveryStore:
    """Stores deliveries durably before it returns, on the bus or in the spool."""

    def __init__(
        self,
        bus: Publisher,
        spool: Spool,
        connected: Callable[[], bool],
        log: Log,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._bus = bus
        self._spool = spool
        self._connected = connected
        self._log = log
        self._in_flight = in_flight
        self._inside = 0
        self._lanes: dict[int, _Lane] = {}
        # A thread of its own: nothing else that blocks can hold up the disk.
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")

    @property
    def has_room(self) -> bool:
        """Whether a delivery would be stored even if the bus were down."""
        return not self._spool.is_full

    async def store(self, delivery: Delivery) -> Stored:
        """Return once the delivery is durable. Raises Retry when neither the bus nor the spool takes it."""
        crowded = self._inside >= self._in_flight
        self._inside += 1
        try:
            async with self._turn(delivery.project_id):
                if crowded or delivery.project_id in self._spool or not self._connected():
                    return await self._to_spool(delivery, "crowded" if crowded else "bus-down")
                return await self._to_bus(delivery)
        finally:
            self._inside -= 1

    async def drain(self) -> int:
        """Publish what is spooled, oldest first, while the bus takes it; return how many were published.

        What one partition's stream refuses stays, with all that stands behind it in that partition.
        """
        published, refused = 0, set[int]()
        for entry in await self._on_disk(self._spool.waiting):
            if not self._connected():
                break
            if partition(entry.project_id) in refused:
                continue
            delivery = await self._on_disk(self._spool.read, entry)
            if delivery is None:
                self._log.error("spooled delivery is unreadable and set aside", number=entry.number)
                continue
            try:
                await self._bus.deliver(delivery)
            except Retry:
                refused.add(partition(entry.project_id))
            except Failure as failure:
                await self._on_disk(self._spool.set_aside, entry)
                self._log.error("spooled delivery is set aside", number=entry.number, code=failure.code)
            else:
                await self._on_disk(self._spool.remove, entry)
                published += 1
        if published:
            self._log.info("spool drained", published=published, waiting=len(self._spool))
        return published

    def close(self) -> None:
        """Finish what is being written."""
        self._disk.shutdown()

    async def _on_disk(self, work: Callable[_P, _T], *args: _P.args, **_: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, partial(work, *args))

    async def _to_bus(self, delivery: Delivery) -> Stored:
        try:
            new = await self._bus.deliver(delivery)
        except Retry as failure:
            return await self._to_spool(delivery, failure.code)
        return Stored.STORED if new else Stored.DUPLICATE

    async def _to_spool(self, delivery: Delivery, reason: str) -> Stored:
        await self._on_disk(self._spool.append, delivery)
        self._log.warning("delivery is spooled", id=delivery.id, reason=reason, waiting=len(self._spool))
        return Stored.SPOOLED

    @asynccontextmanager
    async def _turn(self, project_id: int) -> AsyncIterator[None]:
        lane = self._lanes.setdefault(project_id, _Lane())
        lane.users += 1
        try:
            async with lane.turn:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[project_id]
