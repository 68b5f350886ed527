"""The read side: what was delivered, decided, done and put aside, from the streams as they are now.

Each reader begins at the start (or at a time) and ends at what was the end of the stream when it was asked.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy
from pydantic import BaseModel

from nautes_domain import names
from nautes_domain.effects import Decision, Effect, Status
from nautes_domain.events import PARTITIONS, Delivery, Fact, Subjects, header_text
from nautes_runtime import ephemeral, streams
from nautes_runtime.bus import UNAVAILABLE, unavailable
from nautes_runtime.dead import (
    ATTEMPTS,
    CODE,
    CONSUMER,
    DIGEST,
    MESSAGE_ID,
    REASON,
    SEQUENCE,
    SUBJECT,
    DeadMessage,
)

T = TypeVar("T", bound=BaseModel)

BATCH: Final = 256
FETCH_TIMEOUT: Final = 5.0
"""Seconds to wait for messages that the server has counted."""


async def effects(
    js: JetStreamContext, tenant: str, *, cause: str | None = None, since: datetime | None = None
) -> AsyncGenerator[Effect, None]:
    """Yield the effect records in the order in which they were stored; `cause` is the id of a delivery."""
    subjects = Subjects(tenant)
    async with aclosing(_messages(js, "EFFECTS", subjects.effect(), cause, since)) as messages:
        async for message in messages:
            if message.subject != subjects.decision():
                yield Effect.model_validate_json(message.data)


async def decisions(
    js: JetStreamContext, tenant: str, *, cause: str | None = None, since: datetime | None = None
) -> AsyncGenerator[Decision, None]:
    """Yield the decision records in the order in which they were stored."""
    async with aclosing(_messages(js, "EFFECTS", Subjects(tenant).decision(), cause, since)) as messages:
        async for message in messages:
            yield Decision.model_validate_json(message.data)


async def facts(
    js: JetStreamContext,
    tenant: str,
    *,
    kind: str = "*",
    cause: str | None = None,
    since: datetime | None = None,
) -> AsyncGenerator[Fact, None]:
    """Yield the facts, or those of one kind, in the order in which they were stated."""
    async with aclosing(_messages(js, "FACTS", Subjects(tenant).fact(kind), cause, since)) as messages:
        async for message in messages:
            yield Fact.model_validate_json(message.data)


async def deliveries(
    js: JetStreamContext, tenant: str, *, cause: str | None = None, since: datetime | None = None
) -> AsyncGenerator[Delivery, None]:
    """Yield the deliveries: in order within one project, one partition after the other."""
    for index in range(PARTITIONS):
        wanted, stream = Subjects(tenant).deliveries(index), streams.deliveries(index)
        async with aclosing(_messages(js, stream, wanted, cause, since)) as messages:
            async for message in messages:
                yield Delivery.model_validate_json(message.data)


async def statuses(js: JetStreamContext, tenant: str) -> AsyncGenerator[Status, None]:
    """Yield the latest status of every scope of every service."""
    names.label(tenant)
    latest = replay(js, "KV_status", "$KV.status.>", deliver_policy=DeliverPolicy.LAST_PER_SUBJECT)
    async with aclosing(latest) as messages:
        async for message in messages:
            if message.data:
                yield Status.model_validate_json(message.data)


async def dead(
    js: JetStreamContext, tenant: str, *, since: datetime | None = None
) -> AsyncGenerator[DeadMessage, None]:
    """Yield the messages that were put aside, oldest first."""
    async with aclosing(_messages(js, "DEAD", Subjects(tenant).dead(), None, since)) as messages:
        async for message in messages:
            yield dead_message(message.subject.rpartition(".")[2], message.data, message.headers or {})


def dead_message(stream: str, data: bytes, headers: dict[str, str]) -> DeadMessage:
    """Return a dead letter as it was put aside."""
    ours = (REASON, CODE, ATTEMPTS, DIGEST, SUBJECT, SEQUENCE, CONSUMER, MESSAGE_ID)
    original = {k: v for k, v in headers.items() if k not in ours and not k.lower().startswith("nats-")}
    return DeadMessage(
        stream=stream,
        sequence=int(headers.get(SEQUENCE, "0")),
        consumer=headers.get(CONSUMER, ""),
        subject=headers.get(SUBJECT, ""),
        data=data,
        reason=headers.get(REASON, ""),
        code=headers.get(CODE, ""),
        attempts=int(headers.get(ATTEMPTS, "0")),
        headers=original | ({"Nats-Msg-Id": headers[MESSAGE_ID]} if MESSAGE_ID in headers else {}),
        digest=headers.get(DIGEST, ""),
    )


async def _messages(
    js: JetStreamContext, stream: str, subject: str, cause: str | None, since: datetime | None
) -> AsyncGenerator[Msg, None]:
    wanted = None if cause is None else header_text(cause)
    async with aclosing(replay(js, stream, subject, since=since)) as messages:
        async for message in messages:
            if wanted is None or (message.headers or {}).get("nautes-cause") == wanted:
                yield message


async def replay(
    js: JetStreamContext,
    stream: str,
    subject: str,
    *,
    deliver_policy: DeliverPolicy = DeliverPolicy.ALL,
    since: datetime | None = None,
    headers_only: bool = False,
) -> AsyncGenerator[Msg, None]:
    """Yield the stored messages up to the present end, through a consumer of its own that is removed after.

    Raises Retry(code "bus-unavailable") when the server does not answer or does not know the stream.
    """
    start: dict[str, Any] = {}
    if since is not None:
        deliver_policy = DeliverPolicy.BY_START_TIME
        start = {"opt_start_time": since.astimezone(UTC)}
    own = ephemeral.consumer(js, stream, subject, deliver_policy, headers_only=headers_only or None, **start)
    try:
        async with own as (subscription, info):
            left = info.num_pending or 0
            while left > 0:
                try:
                    batch = await subscription.fetch(min(left, BATCH), timeout=FETCH_TIMEOUT)
                except TimeoutError:
                    # Counted messages may be replaced or removed while we read.
                    left = (await js.consumer_info(stream, info.name)).num_pending or 0
                    continue
                for message in batch:
                    yield message
                    left = message.metadata.num_pending or 0
    except UNAVAILABLE as error:
        raise unavailable(f"stream {stream}", error) from error
