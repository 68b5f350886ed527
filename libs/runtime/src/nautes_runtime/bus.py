"""Publishing: each kind of message on its subject, with its envelope, stored before the call returns."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import uuid4

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import Error as JetStreamError
from opentelemetry.trace import SpanKind
from pydantic import BaseModel

from nautes_domain import names
from nautes_domain.effects import Cause, Decision, Effect
from nautes_domain.events import Delivery, Event, Fact, Subjects, Work, headers, partition
from nautes_domain.failures import Retry
from nautes_runtime import streams
from nautes_runtime.dead import DeadMessage
from nautes_runtime.metrics import Metrics
from nautes_runtime.tracing import header, publishing, span

PUBLISH_TIMEOUT: Final = 5.0
"""Seconds until a publish that is not confirmed counts as failed."""

UNAVAILABLE: Final = (nats.errors.Error, JetStreamError, TimeoutError, OSError)
"""What the client raises when the server is away, full, or does not know the stream."""


class Bus:
    """The publishing side of one service. Every method waits for the server's confirmation (PubAck).

    Raises Retry(code "bus-unavailable") when there is none within five seconds. The message may be stored
    all the same: ids are derived from the content, so publishing again does no harm.
    """

    def __init__(
        self,
        js: JetStreamContext,
        tenant: str,
        service: str,
        now: Callable[[], datetime],
        metrics: Metrics | None = None,
    ) -> None:
        self.js = js
        self.tenant = tenant
        self.service = service
        self.subjects = Subjects(tenant)
        self._now = now
        self._metrics = metrics or Metrics(service)

    async def deliver(self, delivery: Delivery) -> bool:
        """Store a delivery. True if it is new, False if its id was stored before within the window."""
        stream = streams.deliveries(partition(delivery.project_id))
        subject = self.subjects.delivery(delivery)
        event_id = f"{delivery.hook}/{delivery.id}"
        ack = await self._send(stream, subject, delivery, delivery.cause, event_id)
        return not ack.duplicate

    async def state(self, fact: Fact) -> bool:
        """State a fact. Its id derives from what it says and its cause: said twice, it is kept once."""
        said = fact.model_dump_json()
        event_id = names.digest("fact", said, length=32)
        subject = self.subjects.fact(names.label(fact.kind), names.label(fact.verb))
        ack = await self._send("FACTS", subject, fact, fact.cause, event_id)
        return not ack.duplicate

    async def request(self, service: str, work: Work) -> None:
        """Ask a service to reconcile a scope. Each request counts, so each has an id of its own."""
        subject = self.subjects.work(names.label(service), work.scope)
        await self._send("WORK", subject, work, work.cause, uuid4().hex)

    async def effect(self, effect: Effect) -> bool:
        """Record one side effect. False if the same effect was recorded before within a day."""
        subject = self.subjects.effect(effect.service, effect.system)
        ack = await self._send("EFFECTS", subject, effect, effect.cause, effect.id)
        if not ack.duplicate:
            self._metrics.effect(effect)
        return not ack.duplicate

    async def decision(self, decision: Decision) -> bool:
        """Record what was considered for one delivery. False if it was recorded before within a day."""
        # Decisions share a stream with effects, and a stream has one memory of ids.
        event_id = f"decision/{decision.id}"
        subject = self.subjects.decision()
        ack = await self._send("EFFECTS", subject, decision, decision.cause, event_id)
        return not ack.duplicate

    async def dead(self, message: DeadMessage) -> bool:
        """Put a message aside in `DEAD`. False if that was done before."""
        subject = self.subjects.dead(message.stream)
        ack = await self.publish("DEAD", subject, message.data, message.all_headers())
        if not ack.duplicate:
            self._metrics.dead(message.stream)
        return not ack.duplicate

    async def _send(self, stream: str, subject: str, body: BaseModel, cause: Cause, event_id: str) -> PubAck:
        envelope = headers(
            # Records travel in the same envelope as events; only the name of the type is read.
            cast(Event, body),
            source=f"/nautes/{self.tenant}/{self.service}",
            cause=cause,
            event_id=event_id,
            at=self._now(),
        )
        with span(f"publish {stream}", publishing(stream), kind=SpanKind.PRODUCER):
            envelope["traceparent"] = header() or traceparent(cause, event_id)
            return await self.publish(stream, subject, body.model_dump_json().encode(), envelope)

    async def publish(self, stream: str, subject: str, data: bytes, extra: Mapping[str, str]) -> PubAck:
        """Publish bytes to a stream and wait until they are stored. Raises Retry(code "bus-unavailable")."""
        try:
            return await self.js.publish(
                subject, data, timeout=PUBLISH_TIMEOUT, stream=stream, headers=dict(extra)
            )
        except UNAVAILABLE as error:
            raise unavailable(f"stream {stream}", error) from error


def unavailable(what: str, error: BaseException) -> Retry:
    """Return the failure for a bus that did not answer or refused."""
    why = str(error) or type(error).__name__
    return Retry(
        f"the bus did not confirm: {why}", what=what, after=timedelta(seconds=5), code="bus-unavailable"
    )


def traceparent(cause: Cause, event_id: str) -> str:
    """Return the W3C trace context of a message that nobody traces: one trace per cause, one span per message.

    Both are found without asking anyone.
    """
    return f"00-{names.digest('trace', cause.delivery, length=32)}-{names.digest('span', event_id, length=16)}-01"
