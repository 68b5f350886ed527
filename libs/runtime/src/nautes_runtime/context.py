"""What a service is given to build itself with, and what it declares to be run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js import JetStreamContext
from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger

from nautes_domain.effects import Status
from nautes_domain.events import Subjects
from nautes_runtime.bus import Bus
from nautes_runtime.health import Check, Health
from nautes_runtime.intake import Intake
from nautes_runtime.locks import ScopeLocks
from nautes_runtime.metrics import Metrics
from nautes_runtime.observing import Observed
from nautes_runtime.records import Bucket, open_bucket
from nautes_runtime.serving import HttpServer
from nautes_runtime.settings import ServiceSettings
from nautes_runtime.streams import MAX_DELIVER, Consumer

M = TypeVar("M", bound=BaseModel)
Job = Callable[[], Awaitable[None]]
Handler = Callable[[M], Awaitable[None]]


def utc_now() -> datetime:
    """Return the present time with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A declared subscription: where messages come from, what they are, and who handles them."""

    intake: Intake
    model: type[BaseModel]
    handler: Callable[[Any], Awaitable[None]]


@dataclass(slots=True)
class Declared:
    """Everything that a service asked to be run."""

    subscriptions: list[Subscription] = field(default_factory=list)
    starts: list[Job] = field(default_factory=list)
    stops: list[Job] = field(default_factory=list)
    timers: list[tuple[float, Job]] = field(default_factory=list)
    servers: list[HttpServer] = field(default_factory=list)


class Buckets:
    """The buckets, each with the model that the caller reads and writes."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    def desired(self, model: type[M]) -> Bucket[M]:
        """Return the bucket of declared state."""
        return Bucket(self._js, "desired", model)

    def index(self, model: type[M]) -> Bucket[M]:
        """Return the bucket of look-up records."""
        return Bucket(self._js, "index", model)

    def started(self, model: type[M]) -> Bucket[M]:
        """Return the bucket of what was started once; it forgets after `streams.STARTED_TTL`."""
        return Bucket(self._js, "started", model)

    @property
    def status(self) -> Bucket[Status]:
        """Return the bucket of status records, keyed `<service>.<scope>`."""
        return Bucket(self._js, "status", Status)


class ServiceContext:
    """Handed to `build`: the connections, and methods that declare what the service does.

    Declaring is synchronous; everything declared is started after `build` has returned.
    """

    def __init__(  # noqa: PLR0913 - what one process is made of, each by its name
        self,
        *,
        service: str,
        settings: ServiceSettings,
        broker: NatsBroker,
        client: Client,
        js: JetStreamContext,
        log: FilteringBoundLogger,
        health: Health,
        metrics: Metrics,
        owner: str,
    ) -> None:
        self.service = service
        self.settings = settings
        self.broker = broker
        self.client = client
        """The broker's own connection, for what is asked and answered and never stored."""
        self.js = js
        self.log = log
        self.now: Callable[[], datetime] = utc_now
        self.subjects = Subjects(settings.tenant)
        self.metrics = metrics
        self.bus = Bus(js, settings.tenant, service, utc_now, metrics)
        self.buckets = Buckets(js)
        self.locks = ScopeLocks(open_bucket(js, "locks"), owner)
        self.declared = Declared()
        self._health = health

    def subscribe(  # noqa: PLR0913 - a durable has that many properties, all with defaults
        self,
        stream: str,
        durable: str,
        filter_subject: str,
        handler: Handler[M],
        *,
        model: type[M],
        ack_wait: float | timedelta = 60.0,
        max_ack_pending: int = 1,
        concurrency: int = 1,
        max_deliver: int = MAX_DELIVER,
        renewing: bool = False,
    ) -> None:
        """Handle the messages of a durable. The handler raises failures; it never acknowledges.

        `max_ack_pending` 1 keeps order: the next message comes when this one is done or put aside, also
        while it waits for its retry. With more, retries overtake. `concurrency` is how many handlers run at
        once here; `ack_wait` (seconds) is how long the server waits after we were last heard of.
        `renewing` is for streams that keep one message per subject: see `ScopeWorker`.
        """
        seconds = ack_wait.total_seconds() if isinstance(ack_wait, timedelta) else ack_wait
        pending = max(max_ack_pending, concurrency)
        consumer = Consumer(stream, durable, filter_subject, seconds, pending, max_deliver)
        intake = Intake(consumer, concurrency=concurrency, renewing=renewing)
        self.declared.subscriptions.append(Subscription(intake, model, handler))

    def on_start(self, job: Job) -> None:
        """Run this once before the first message is taken; again until it succeeds if it raises Retry or Blocked."""
        self.declared.starts.append(job)

    def on_stop(self, job: Job) -> None:
        """Run this when the last handler is done, before the connection closes."""
        self.declared.stops.append(job)

    def every(self, interval: float | timedelta, job: Job) -> None:
        """Run this again and again, `interval` (seconds) after it ended last. Failures are logged, never fatal."""
        seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
        self.declared.timers.append((seconds, job))

    def serve_http(self, app: Any, host: str, port: int, **options: Any) -> tuple[str, int]:
        """Serve an ASGI application; `options` are uvicorn's. Returns the address, taken at once (port 0 allowed)."""
        server = HttpServer(Observed(app, self.metrics), host, port, options)
        address = server.bind()
        self.declared.servers.append(server)
        self.log.info("http", host=address[0], port=address[1])
        return address

    def ready(self, name: str, check: Check) -> None:
        """Ask this before saying that the service is ready. Sync or async; returns or raises what is wrong."""
        self._health.add(name, check)
