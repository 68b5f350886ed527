"""The gateway put together: the only module that names the bus, the secret store and the HTTP server in use.

The gateway answers from its first moment, whether or not the bus can be reached: hook calls that nobody answers
are lost, since GitLab does not send them again. So it does not wait for the bus, as the other services do.
"""

import asyncio
import gc
import signal
import time
from collections.abc import Coroutine
from typing import Any, Final

from faststream.nats import NatsBroker
from nats.aio.client import Client

from nautes_adapters.vault import VaultSecretStore, VaultSession
from nautes_domain.events import Delivery
from nautes_domain.failures import Failure, Retry
from nautes_runtime import streams
from nautes_runtime.bus import UNAVAILABLE, Bus
from nautes_runtime.context import utc_now
from nautes_runtime.ending import cancelled
from nautes_runtime.health import Health
from nautes_runtime.messaging import connect
from nautes_runtime.metrics import Metrics
from nautes_runtime.observing import Observed
from nautes_runtime.serving import HttpServer
from nautes_webhook_gateway.receive import Receiver, route
from nautes_webhook_gateway.secrets import HookCache, StoredHooks
from nautes_webhook_gateway.server import OPTIONS, ImpatientProtocol
from nautes_webhook_gateway.settings import GatewaySettings
from nautes_webhook_gateway.spool import Spool, SpoolLimits
from nautes_webhook_gateway.store import DeliveryStore, Log

SERVICE: Final = "webhook-gateway"
DRAIN_PAUSE: Final = 0.5
"""Seconds between two looks at the spool."""
JETSTREAM_TIMEOUT: Final = 5.0
SECRETS_TIMEOUT: Final = 4.0
"""Seconds; GitLab gives a call up after ten."""


def watch_spool(metrics: Metrics, spool: Spool) -> None:
    """Show how many deliveries wait on the disk, and how full it is: refused above 1."""
    metrics.watch(
        "nautes_spool_deliveries", "Deliveries that wait on the disk for the bus.", lambda: len(spool)
    )
    metrics.watch("nautes_spool_fill_ratio", "Share of the spool that is used, 0 to 1.", lambda: spool.fill)


class BusLink:
    """The bus as far as it can be reached: a publisher that refuses at once while there is no connection."""

    def __init__(self, broker: NatsBroker, tenant: str, replicas: int, metrics: Metrics, log: Log) -> None:
        self._broker = broker
        self._tenant = tenant
        self._replicas = replicas
        self._metrics = metrics
        self._log = log
        self._client: Client | None = None
        self._bus: Bus | None = None

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""
        return self._bus is not None and self._client is not None and bool(self._client.is_connected)

    async def deliver(self, delivery: Delivery) -> bool:
        """Store a delivery on the bus. Raises Retry (code `bus-unavailable`)."""
        if self._bus is None:
            raise Retry("there was no connection yet", code="bus-unavailable")
        return await self._bus.deliver(delivery)

    async def open(self) -> None:
        """Connect, however long that takes, and make the streams what they should be.

        Deliveries do not wait for that: a stream that is not there yet refuses, and they are spooled.
        """
        self._client = await self._broker.connect()
        js = self._client.jetstream(timeout=JETSTREAM_TIMEOUT)
        self._bus = Bus(js, self._tenant, SERVICE, utc_now, self._metrics)
        self._log.info("bus connected")
        while True:
            try:
                await streams.provision(js, self._tenant, replicas=self._replicas)
            except UNAVAILABLE as error:
                self._log.warning(
                    "streams are not provisioned yet", reason=str(error) or type(error).__name__
                )
                await asyncio.sleep(1)
            except Failure as failure:
                self._log.error("streams cannot be provisioned", reason=str(failure), code=failure.code)
                return
            else:
                return

    async def close(self) -> None:
        """Let go of the bus."""
        await self._broker.stop()


class Gateway:
    """The life of one gateway in one event loop."""

    def __init__(self, settings: GatewaySettings, log: Log) -> None:
        listen = settings.gateway
        self._settings = settings
        self._log = log
        self._metrics = Metrics(SERVICE)
        self._health = Health(registry=self._metrics.registry)
        self._stop = asyncio.Event()
        self._link = BusLink(
            connect(settings.nats, name=SERVICE), settings.tenant, settings.nats.replicas, self._metrics, log
        )
        self._spool = Spool(listen.spool_dir, SpoolLimits(listen.spool_deliveries, listen.spool_size))
        watch_spool(self._metrics, self._spool)
        self._store = DeliveryStore(self._link, self._spool, lambda: self._link.is_up, log)
        vault = settings.vault
        session = VaultSession(vault.address, vault.login(), timeout=SECRETS_TIMEOUT, verify=vault.verify)
        hooks = HookCache(StoredHooks(VaultSecretStore(session)), time.monotonic)
        receiver = Receiver(hooks, self._store, utc_now, log)
        app = Observed(receiver, self._metrics, route)
        self._server = HttpServer(app, listen.host, listen.port, {**OPTIONS, "http": ImpatientProtocol})

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. What is spooled stays on the disk for the next start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._start_health()
        host, port = self._server.bind()
        serving = asyncio.create_task(self._server.run(), name="http")
        work = [serving, self._task(self._link.open()), self._task(self._drain())]
        # What is there now stays: the collector need not walk it while calls wait (tens of milliseconds).
        gc.collect()
        gc.freeze()
        self._log.info("http", host=host, port=port, spooled=len(self._spool))
        try:
            await self._until_stop(work)
        finally:
            self._log.info("stopping")
            self._server.stop()
            await asyncio.wait([serving], timeout=15)
            await cancelled(work)
            await self._link.close()
            await self._health.stop()
            self._store.close()
            self._spool.close()

    async def _until_stop(self, work: list[asyncio.Task[None]]) -> None:
        """Wait for a signal; raise what ended a part before."""
        stop = asyncio.create_task(self._stop.wait())
        pending: set[asyncio.Task[Any]] = {stop, *work}
        while stop in pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    def _task(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(job)

    async def _drain(self) -> None:
        while True:
            await asyncio.sleep(DRAIN_PAUSE)
            if len(self._spool) and self._link.is_up:
                try:
                    await self._store.drain()
                except (Failure, OSError) as error:
                    self._log.error("the spool cannot be drained", reason=str(error))

    def _start_health(self) -> None:
        settings = self._settings.health
        port = self._health.start(settings.host, settings.port)
        self._health.add("http", lambda: self._server.started)
        self._health.add("storing", self._cannot_store)
        self._log.info("health", host=settings.host, port=port)

    def _cannot_store(self) -> str:
        """Say why no delivery could be stored. Without the bus we are ready as long as the spool has room."""
        if self._link.is_up or self._store.has_room:
            return ""
        return "the bus is away and the spool is full"


async def serve(settings: GatewaySettings, log: Log) -> None:
    """Run a gateway until it is told to stop. Raises Rejected for settings that it cannot work with."""
    await Gateway(settings, log).run()
