"""A service inside the test's own event loop, and a client beside it that looks at the wire."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from nautes_runtime import logs
from nautes_runtime.context import ServiceContext
from nautes_runtime.messaging import inbox
from nautes_runtime.service import Build, Service
from nautes_runtime.settings import NatsSettings, ServiceSettings

T = TypeVar("T")
TENANT = "acme"


def settings(bus: str | NatsSettings) -> ServiceSettings:
    return ServiceSettings(
        _env_file=None, tenant=TENANT, nats=bus if isinstance(bus, NatsSettings) else NatsSettings(url=bus)
    )


@asynccontextmanager
async def connected(url: str, user: str | None = None) -> AsyncIterator[tuple[Client, JetStreamContext]]:
    """A client of our own; a user's password is its name."""
    client = await nats.connect(
        url,
        user=user,
        password=user,
        inbox_prefix=inbox(user or ""),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        error_cb=_quiet,
    )
    try:
        yield client, client.jetstream(timeout=5)
    finally:
        # The server may have been killed under it.
        with suppress(OSError):
            await client.close()


async def _quiet(_: Exception) -> None:
    """An outage is what some tests are about."""


@dataclass
class Running:
    """A service in this event loop. `log` holds its JSON lines."""

    service: Service
    context: ServiceContext
    task: asyncio.Task[int]
    log: io.StringIO = field(default_factory=io.StringIO)

    async def stop(self) -> int:
        self.service.stop()
        return await self.task


@asynccontextmanager
async def running(bus: str | NatsSettings, build: Build, *, name: str = "svc") -> AsyncIterator[Running]:
    """Run a service until the block ends; it is asked to stop in order."""
    seen: list[ServiceContext] = []

    async def remember(context: ServiceContext) -> None:
        seen.append(context)
        await build(context)

    out = io.StringIO()
    service = Service(name, settings(bus), remember, logs.configure(name, "INFO", out))
    task = asyncio.create_task(service.serve())
    started = asyncio.create_task(service.running.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    if not service.running.is_set():
        started.cancel()
        raise AssertionError(f"the service ended with {task.result()}:\n{out.getvalue()}")
    one = Running(service, seen[0], task, out)
    try:
        yield one
    finally:
        await one.stop()


async def until(condition: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """Wait until a condition is true and return its value; the limit is for tests that hang."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (found := condition()):
        assert asyncio.get_running_loop().time() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def acknowledgements(url: str) -> AsyncIterator[list[tuple[str, bytes]]]:
    """Everything that consumers of all streams say to the server: (`<stream> <durable>`, body)."""
    seen: list[tuple[str, bytes]] = []

    async def note(message: object) -> None:
        words = message.subject.split(".")
        # An empty body acknowledges, as "+ACK" does.
        seen.append((f"{words[2]} {words[3]}", message.data or b"+ACK"))

    async with connected(url) as (client, _):
        await client.subscribe("$JS.ACK.>", cb=note)
        await client.flush()
        yield seen
