"""A service from its start to its orderly end: `run` is all that a `__main__` calls."""

import asyncio
import logging
import os
import platform
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import uvloop
from faststream import StreamMessage
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js import JetStreamContext
from pydantic import BaseModel, ValidationError
from structlog.typing import FilteringBoundLogger

from nautes_domain.effects import Cause
from nautes_domain.failures import Failure, Rejected
from nautes_runtime import logs, streams, tracing
from nautes_runtime.advisories import DURABLE, Advisory, AdvisoryRelay
from nautes_runtime.bus import UNAVAILABLE
from nautes_runtime.context import Job, ServiceContext, Subscription
from nautes_runtime.ending import cancelled
from nautes_runtime.health import Health
from nautes_runtime.intake import FETCH, Intake, Pull
from nautes_runtime.messaging import GRACEFUL, FailuresToAcks, Settlement, connect, inbox
from nautes_runtime.metrics import Metrics
from nautes_runtime.settings import ServiceSettings
from nautes_runtime.verdicts import Nak, verdict
from nautes_runtime.watching import Watchdog

Build = Callable[[ServiceContext], Awaitable[None]]

JETSTREAM_TIMEOUT: Final = 5.0
CLOSING: Final = 5.0
"""Seconds for the last acknowledgements to leave; a bus that is away gets them by redelivery."""

LOOP_STALE: Final = 10.0
"""Seconds without a fetch after which a subscription counts as asleep; a fetch lasts one."""


def run(service: str, settings: ServiceSettings, build: Build) -> None:
    """Run a service until SIGTERM or SIGINT; then exit 0. Exit 1 if it cannot start or a part of it ended."""
    log = logs.configure(service, settings.log.level)
    try:
        end_traces = tracing.start(service, settings.telemetry)
    except Failure as failure:
        log.critical("cannot go on", reason=str(failure), code=failure.code)
        sys.exit(1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(Service(service, settings, build, log).main())
    end_traces()
    sys.exit(code)


class Service:
    """The life of one service in one event loop."""

    def __init__(self, name: str, settings: ServiceSettings, build: Build, log: FilteringBoundLogger) -> None:
        self._name = name
        self._settings = settings
        self._build = build
        self._log = log
        self._metrics = Metrics(name)
        self._health = Health(registry=self._metrics.registry)
        self._stop = asyncio.Event()
        self.running = asyncio.Event()
        """Set once everything that was declared has been started."""
        self.health_port = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._serving: list[asyncio.Task[Any]] = []
        self._broker: NatsBroker | None = None
        self._context: ServiceContext | None = None
        self._settlement: Settlement | None = None
        self.watchdog: Watchdog | None = None
        self._state = "starting"

    async def main(self) -> int:
        """Serve until SIGTERM or SIGINT. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        return await self.serve()

    def stop(self) -> None:
        """Ask the service to end in order."""
        self._stop.set()

    async def serve(self) -> int:
        """Start, wait until asked to stop, end. Returns the exit code."""
        health = self._settings.health
        port = self.health_port = self._health.start(health.host, health.port)
        self._health.add("service", lambda: "" if self._state == "running" else self._state)
        self._log.info("health", host=health.host, port=port)
        code = 0
        try:
            if await self._until_stop(asyncio.create_task(self._start(), name="start")):
                self._state = "running"
                self.running.set()
                self._log.info("running")
                if await self._until_stop(*self._tasks, *self._serving):
                    self._log.critical("cannot go on", reason="a part of the service ended")
                    code = 1
        except Failure as failure:
            self._log.critical("cannot go on", reason=str(failure), code=failure.code)
            code = 1
        except Exception:  # noqa: BLE001 - whatever it is, it is said and ends the process in order
            self._log.critical("cannot go on", exc_info=True)
            code = 1
        finally:
            await self._end()
        return code

    async def _until_stop(self, *tasks: asyncio.Task[Any]) -> bool:
        """Wait for a signal or the end of a task. False on a signal; raises what the task raised."""
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in done - {stop}:
            task.result()
        if self._stop.is_set():
            starting = [task for task in tasks if task.get_name() == "start" and not task.done()]
            await cancelled(starting)
            return False
        return True

    async def _start(self) -> None:
        logger = logging.getLogger("faststream")
        self._broker = connect(self._settings.nats, name=self._name, logger=logger)
        client = await self._broker.connect()
        js = client.jetstream(timeout=JETSTREAM_TIMEOUT)
        provision = partial(
            streams.provision, js, self._settings.tenant, replicas=self._settings.nats.replicas
        )
        await self._again("provision", provision)
        context = self._context = ServiceContext(
            service=self._name,
            settings=self._settings,
            broker=self._broker,
            client=client,
            js=js,
            log=self._log,
            health=self._health,
            metrics=self._metrics,
            owner=f"{self._name}/{platform.node()}/{os.getpid()}",
        )
        self._health.add("bus", lambda: "" if client.is_connected else "not connected")
        await self._build(context)
        relay = AdvisoryRelay(js, context.bus, self._log)
        context.subscribe("ADVISORIES", DURABLE, streams.ADVISORY, relay, model=Advisory, max_ack_pending=16)
        for job in context.declared.starts:
            await self._again(getattr(job, "__name__", "on_start"), job)
        await self._subscribe(context, js)
        for server in context.declared.servers:
            running = asyncio.create_task(server.run(), name="http")
            started = asyncio.create_task(server.wait_started(), name="http started")
            self._serving.append(running)
            await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
            started.cancel()
        for seconds, job in context.declared.timers:
            self._tasks.append(asyncio.create_task(self._repeat(seconds, job), name="timer"))

    async def _subscribe(self, context: ServiceContext, js: JetStreamContext) -> None:
        """Make the durables, then take messages from them."""
        declared = context.declared.subscriptions
        spread = random.SystemRandom()
        self._settlement = Settlement(
            context.bus, self._log, lambda: spread.uniform(-1, 1), context.now, self._metrics
        )
        self._settlement.intakes.update({one.intake.consumer.key: one.intake for one in declared})
        context.broker.add_middleware(partial(FailuresToAcks, settlement=self._settlement))
        await context.broker.start()
        for one in declared:
            await self._again("consumer", partial(_ensure, js, one.intake.consumer))
            await _listen(context.broker, one, f"{inbox(self._settings.nats.user)}.".encode())
        consumers = [one.intake.consumer for one in declared]
        watchdog = self.watchdog = Watchdog(
            js,
            self._settings.tenant,
            consumers,
            self._log,
            self._metrics,
            replicas=self._settings.nats.replicas,
        )
        self._tasks.append(asyncio.create_task(watchdog.run(), name="watchdog"))
        self._health.add("durables", lambda: watchdog.problem)
        self._health.add("intake", lambda: asleep([one.intake for one in declared]))

    async def _again(self, what: str, job: Job) -> None:
        """Run a job; when it raises Retry or Blocked, or the bus is away, wait and run it again."""
        attempts = 0
        while True:
            attempts += 1
            try:
                await job()
            except Rejected:
                raise
            except (Failure, *UNAVAILABLE) as error:
                self._log.warning("not yet", what=what, reason=str(error) or type(error).__name__)
                found = verdict(error, 1) if isinstance(error, Failure) else Nak(1.0)
                await asyncio.sleep(found.delay if isinstance(found, Nak) else 1.0)
            else:
                return

    async def _repeat(self, seconds: float, job: Job) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await job()
            except Failure as failure:
                self._log.warning("timer", reason=str(failure), code=failure.code)
            except Exception:  # noqa: BLE001 - a timer that fails once runs again
                self._log.error("timer", exc_info=True)

    async def close_intakes(self, timeout: float) -> None:  # noqa: ASYNC109 - it bounds the wait for handlers
        """Take no more messages; finish what is held within `timeout` seconds, return the rest to the bus."""
        if self._settlement is not None:
            await self._settlement.close(timeout)

    async def _end(self) -> None:
        """Take no more, finish or return what is held, then let go of the bus."""
        self._state = "stopping"
        self._log.info("stopping")
        await cancelled(self._tasks)
        if self._context is not None:
            for server in self._context.declared.servers:
                server.stop()
        if self._serving:
            await asyncio.wait(self._serving, timeout=GRACEFUL)
        await self.close_intakes(GRACEFUL)
        for job in self._context.declared.stops if self._context else ():
            with suppress(Failure):
                await job()
        if self._broker is not None:
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(CLOSING):
                    await self._broker.stop()
        await self._health.stop()
        self._log.info("stopped")


def asleep(intakes: list[Intake]) -> str:
    """Return which fetch loops were not seen lately, empty if all were."""
    now = asyncio.get_running_loop().time()
    return ", ".join(one.consumer.durable for one in intakes if now - one.alive_at > LOOP_STALE)


async def _ensure(js: JetStreamContext, consumer: streams.Consumer) -> None:
    await streams.ensure(js, consumer)


async def _listen(broker: NatsBroker, declared: Subscription, answers: bytes) -> None:
    """Start a FastStream subscriber and put our intake between it and the server."""
    consumer = declared.intake.consumer
    subscriber = broker.subscriber(
        consumer.filter_subject,
        durable=consumer.durable,
        stream=JStream(consumer.stream, declare=False),
        pull_sub=PullSub(batch_size=1, timeout=FETCH),
        max_workers=declared.intake.concurrency,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        inbox_prefix=answers,  # FastStream's default is not that of its own broker
    )
    subscriber(_receiver(declared), decoder=_decoder(declared.model))
    await subscriber.start()
    # Nothing was awaited since the fetch loop was scheduled, so its first fetch is already ours.
    declared.intake.attach(cast(Pull, subscriber.subscription))
    subscriber.subscription = declared.intake


def _receiver(declared: Subscription) -> Callable[[Any], Awaitable[None]]:
    async def receive(body: Any) -> None:
        cause = getattr(body, "cause", None)
        if isinstance(cause, Cause):
            with logs.bind_cause(cause):
                await declared.handler(body)
        else:
            await declared.handler(body)

    receive.__annotations__["body"] = declared.model
    return receive


def _decoder(model: type[BaseModel]) -> Callable[[StreamMessage[Any]], Awaitable[BaseModel]]:
    async def decode(message: StreamMessage[Any]) -> BaseModel:
        try:
            return model.model_validate_json(message.body)
        except ValidationError as error:
            # Names of fields and what is wrong with them; never the values.
            found = error.errors(include_url=False, include_context=False, include_input=False)
            places = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found[:3]
            )
            raise Rejected(f"it is not a {model.__name__}: {places}", code="undecodable") from None

    return decode
