"""The connection to the bus, and the one place where a handler's end becomes an acknowledgement.

FastStream's own policies lose messages on the first error or redeliver them in a hot loop, so every
subscription is `MANUAL` and `FailuresToAcks` decides. It works in `__aexit__`, because `consume_scope`
is not reached when a message does not decode.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

from faststream import BaseMiddleware
from faststream.middlewares import AckPolicy
from faststream.nats import NatsBroker
from faststream.nats.security import NatsSecurity, NatsUserPassword
from nats.aio.msg import Msg
from nats.js.errors import APIError
from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_runtime.bus import PUBLISH_TIMEOUT, UNAVAILABLE, Bus
from nautes_runtime.dead import DeadMessage
from nautes_runtime.intake import RETURN, Intake
from nautes_runtime.metrics import Metrics
from nautes_runtime.settings import NatsSettings, read_secret
from nautes_runtime.streams import WRONG_LAST_SEQUENCE
from nautes_runtime.tracing import Consuming
from nautes_runtime.verdicts import ATTEMPTS, Ack, DeadLetter, Nak, Outcome, outcome, stack_digest, verdict

__all__ = ["Ack", "DeadLetter", "FailuresToAcks", "Nak", "Settlement", "connect", "inbox", "trust", "verdict"]

GRACEFUL: Final = 25.0
"""Seconds that handlers have to finish on shutdown; Kubernetes is told 40 (`terminationGracePeriodSeconds`)."""

DEAD_RETRY: Final = 5.0
"""Seconds until a message comes again which could not be put aside."""


def connect(settings: NatsSettings, *, name: str = "nautes", logger: Any = None) -> NatsBroker:
    """Return a broker that connects when it is started, and again for ever when the connection breaks.

    With FastStream's default it would give up after sixty attempts and then block the event loop.
    Raises Rejected if the password or the authorities cannot be read.
    """
    return NatsBroker(
        settings.url,
        name=name,
        security=_security(settings),
        inbox_prefix=inbox(settings.user),
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=10,
        graceful_timeout=GRACEFUL,
        ack_policy=AckPolicy.MANUAL,
        apply_types=False,
        logger=logger,
    )


def inbox(user: str) -> str:
    """Return where answers to a user go: nobody else may listen there."""
    return f"_INBOX.{user}" if user else "_INBOX"


def _security(settings: NatsSettings) -> NatsSecurity:
    """Return who we are. nats-py encrypts only if the server asks for it, unless the handshake comes first."""
    tls: dict[str, Any] = {"use_ssl": False}
    if settings.encrypted:
        tls = {"ssl_context": trust(settings.ca_file), "use_ssl": True, "tls_handshake_first": True}
    if not settings.user:
        return NatsSecurity(**tls)
    password = read_secret(settings.password_file).get_secret_value() if settings.password_file else ""
    return NatsUserPassword(settings.user, password, **tls)


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return what checks the bus's certificate: by authorities in a file, or the system's. Raises Rejected."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise Rejected(
            error.strerror or "it holds no certificate",
            what=f"authorities {ca_file}",
            who="platform team",
            next_step="write the certificates of the bus's authority into that file",
            code="ca-file",
        ) from None


@dataclass(slots=True)
class Held:
    """A message in a handler's hands: the task that handles it, and the one that tells the server so."""

    message: Msg
    intake: Intake
    beat: asyncio.Task[None]
    task: asyncio.Task[Any] | None
    trace: Consuming
    began: float = field(default_factory=perf_counter)


@dataclass(slots=True)
class Settlement:
    """Acknowledges, returns or puts aside what the handlers of one service are done with."""

    bus: Bus
    log: FilteringBoundLogger
    jitter: Callable[[], float]
    """Returns a number between -1 and 1."""
    now: Callable[[], datetime]
    metrics: Metrics
    intakes: dict[tuple[str, str], Intake] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)

    def take(self, message: Msg) -> Held:
        """Say every third of `ack_wait` that the message is being worked on, until it is settled."""
        meta = message.metadata
        intake = self.intakes[(meta.stream, meta.consumer)]
        beat = asyncio.create_task(_beat(message, intake.consumer.ack_wait / 3))
        queued = (self.now() - meta.timestamp).total_seconds()
        trace = Consuming(message.headers or {}, intake.consumer, queued, meta.num_delivered)
        held = Held(message, intake, beat, asyncio.current_task(), trace)
        self.held[id(held)] = held
        self.metrics.received(intake.consumer, queued, meta.num_delivered)
        return held

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109 - it bounds the wait for handlers
        """Take no more messages; wait for the handlers; cancel those that `timeout` seconds did not suffice for.

        A cancelled handler's message is returned to the server at once, for another replica.
        """
        closing = [intake.close(timeout) for intake in self.intakes.values()]
        if not all(await asyncio.gather(*closing)):
            late = list(self.held.values())
            self.log.warning("returning what is not done", subjects=[one.message.subject for one in late])
            for one in late:
                if one.task is not None:
                    one.task.cancel()
            await asyncio.gather(*(intake.close(1.0) for intake in self.intakes.values()))

    async def settle(self, held: Held, failure: BaseException | None) -> bool:
        """Acknowledge by the verdict. True if the failure is dealt with, False if it must go on upwards."""
        held.beat.cancel()
        cause = (held.message.headers or {}).get("nautes-cause", "")
        end = Outcome.RETURNED
        try:
            if failure is not None and not isinstance(failure, Exception):
                # Cancelled or told to exit: not the message's fault, so it goes to whoever is there.
                await held.message.nak(delay=RETURN)
                return False
            with bound_contextvars(cause=cause):
                end = await self._by_verdict(held, failure)
        except UNAVAILABLE as error:
            self.log.warning("acknowledgement failed", error=str(error), subject=held.message.subject)
        finally:
            self.held.pop(id(held), None)
            self.metrics.settled(held.intake.consumer, end, perf_counter() - held.began)
            held.trace.end(end, failure)
            held.intake.release()
        return True

    async def _by_verdict(self, held: Held, failure: Exception | None) -> Outcome:
        message, attempts = held.message, held.message.metadata.num_delivered
        if held.intake.renewing and attempts >= ATTEMPTS and isinstance(failure, Retry | Blocked):
            await self._renew(message)
            return outcome(failure, Nak(0))
        found = verdict(failure, attempts, self.jitter())
        match found:
            case Ack():
                await message.ack()
            case Nak(delay):
                self._say(message, failure, attempts, delay)
                await message.nak(delay=delay)
            case DeadLetter():
                return await self._put_aside(message, failure, found)
        return outcome(failure, found)

    async def _put_aside(self, message: Msg, failure: Exception | None, end: DeadLetter) -> Outcome:
        """Publish to `DEAD` and wait until it is stored; only then end the message."""
        digest = stack_digest(failure) if failure else ""
        try:
            await self.bus.dead(dead_message(message, reason=end.reason, code=end.code, digest=digest))
        except Retry as unstored:
            self.log.warning("dead letter not stored", error=str(unstored), subject=message.subject)
            await message.nak(delay=DEAD_RETRY)
            return Outcome.RETRY
        await message.term()
        self.log.error(
            "dead letter",
            reason=end.reason,
            code=end.code,
            subject=message.subject,
            digest=digest,
            exc_info=failure,
        )
        return outcome(failure, end)

    async def _renew(self, message: Msg) -> None:
        """Publish the message anew, so that its deliveries are counted from one, unless a newer one waits."""
        kept = _without_instructions(message.headers or {})
        kept["Nats-Msg-Id"] = uuid4().hex
        kept["Nats-Expected-Last-Subject-Sequence"] = str(message.metadata.sequence.stream)
        try:
            await self.bus.js.publish(message.subject, message.data, timeout=PUBLISH_TIMEOUT, headers=kept)
        except APIError as error:
            if error.err_code not in WRONG_LAST_SEQUENCE:
                await message.nak(delay=DEAD_RETRY)
                return
        except UNAVAILABLE:
            await message.nak(delay=DEAD_RETRY)
            return
        await message.ack()

    def _say(self, message: Msg, failure: Exception | None, attempts: int, delay: float) -> None:
        more = {"subject": message.subject, "attempts": attempts, "delay": round(delay, 1)}
        if isinstance(failure, Retry | Blocked):
            self.log.info("returned", reason=str(failure), code=failure.code, **more)
        else:
            self.log.error("handler failed", exc_info=failure, **more)


class FailuresToAcks(BaseMiddleware[Any, Any]):
    """FastStream middleware: whatever the end of a message's processing, it is settled exactly here."""

    def __init__(self, msg: Any, /, *, context: Any, settlement: Settlement) -> None:
        super().__init__(msg, context=context)
        self._settlement = settlement
        self._held: Held | None = None

    async def on_receive(self) -> None:
        """Begin to hold the message. Publishing also builds middlewares, but never comes here."""
        self._held = self._settlement.take(self.msg)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> bool | None:
        """Settle the message."""
        if self._held is None:
            return False
        return await self._settlement.settle(self._held, exc_val) and exc_val is not None


def dead_message(message: Msg, *, reason: str, code: str, digest: str) -> DeadMessage:
    """Return a consumed message as a dead letter."""
    meta = message.metadata
    return DeadMessage(
        stream=meta.stream,
        sequence=meta.sequence.stream,
        consumer=meta.consumer,
        subject=message.subject,
        data=message.data,
        reason=reason,
        code=code,
        attempts=meta.num_delivered,
        headers=message.headers or {},
        digest=digest,
    )


def _without_instructions(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if not key.lower().startswith("nats-")}


async def _beat(message: Msg, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        with suppress(*UNAVAILABLE):
            await message.in_progress()
