"""The streams, buckets and durable consumers of a tenant, and how they come to be and stay.

Definitions are those of the event design; what NATS does with each field is said in the NATS
documentation, "JetStream / Streams" and "Consumers".
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError, ServerError

from nautes_domain.events import PARTITIONS, Subjects
from nautes_domain.failures import Rejected

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
LOCK_TTL: Final = 15.0
"""Seconds after which a lock that is not renewed is gone: the age limit of bucket `locks`."""

STARTED_TTL: Final = 8 * DAY
"""Seconds that the name of a started run is remembered: longer than a delivery is kept, and than GitLab keeps calls
that can be sent again."""

MAX_DELIVER: Final = 10
"""Deliveries until the server gives a message up: the net under handlers that kill their process."""

DELIVERY_BYTES: Final = 64 * 1024
DELIVERIES_TOTAL: Final = 256 * 1024 * 1024
"""Bytes per partition; a full stream refuses, and the gateway spools."""

BUCKETS: Final = ("desired", "status", "index", "locks", "started")
ADVISORY: Final = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"
"""Published by the server when a message was delivered `max_deliver` times (NATS, "JetStream advisories")."""

NAME_IN_USE: Final = 10058
WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
"""Codes of nats-server's `errors.json`: "stream name already in use" and the two "wrong last sequence"."""


def deliveries(partition: int) -> str:
    """Return the name of the stream of one delivery partition."""
    return f"DELIVERIES_{partition:d}"


def stream_configs(tenant: str, *, replicas: int = 1) -> tuple[StreamConfig, ...]:
    """Return what every stream and bucket of a tenant looks like."""
    subjects = Subjects(tenant)

    def stream(name: str, *filters: str, **more: Any) -> StreamConfig:
        return StreamConfig(
            name=name,
            subjects=list(filters),
            storage=StorageType.FILE,
            num_replicas=replicas,
            allow_direct=True,
            **more,
        )

    partitions = [
        stream(
            deliveries(index),
            subjects.deliveries(index),
            max_age=7 * DAY,
            max_bytes=DELIVERIES_TOTAL,
            max_msg_size=DELIVERY_BYTES,
            duplicate_window=HOUR,
            discard=DiscardPolicy.NEW,
        )
        for index in range(PARTITIONS)
    ]
    return (
        *partitions,
        stream("FACTS", subjects.fact(), max_age=30 * DAY, duplicate_window=HOUR, discard=DiscardPolicy.OLD),
        stream("WORK", subjects.work("*"), max_msgs_per_subject=1, discard=DiscardPolicy.OLD),
        stream("EFFECTS", subjects.effect(), duplicate_window=DAY, discard=DiscardPolicy.NEW),
        stream("DEAD", subjects.dead(), duplicate_window=DAY, discard=DiscardPolicy.NEW),
        stream("ADVISORIES", ADVISORY, max_age=7 * DAY, discard=DiscardPolicy.OLD),
        *(bucket_config(name, replicas) for name in BUCKETS),
    )


def bucket_config(name: str, replicas: int = 1) -> StreamConfig:
    """Return the stream behind a bucket (NATS ADR-8). `locks` and `started` forget with time; `status` keeps ten.

    The age limit frees a lock's subject wholly, so the next owner's create sees no predecessor; the
    server's delete markers would stand in its way.
    """
    ttl = {"locks": LOCK_TTL, "started": STARTED_TTL}.get(name, 0.0)
    return StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        storage=StorageType.FILE,
        num_replicas=replicas,
        max_msgs_per_subject=10 if name == "status" else 1,
        max_age=ttl,
        duplicate_window=min(ttl or 120.0, 120.0),
        discard=DiscardPolicy.NEW,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    )


async def provision(js: JetStreamContext, tenant: str, *, replicas: int = 1) -> None:
    """Make every stream and bucket of the tenant as it should be. Any service may, several at once.

    Raises Rejected when one exists and cannot be changed to what it should be.
    """
    for config in stream_configs(tenant, replicas=replicas):
        await _upsert(js, config)


async def _upsert(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        await js.add_stream(config)
    except BadRequestError as error:
        if error.err_code != NAME_IN_USE:
            raise _unfit(config, error) from error
        try:
            await js.update_stream(config)
        except (BadRequestError, ServerError) as second:
            raise _unfit(config, second) from second


def _unfit(config: StreamConfig, error: APIError) -> Rejected:
    return Rejected(
        error.description or "the server refused its configuration",
        what=f"stream {config.name}",
        who="platform team",
        next_step=f"compare with 'nats stream info {config.name}'",
        code="stream-unfit",
    )


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer. `ack_wait` is in seconds; `max_deliver` -1 means without end."""

    stream: str
    durable: str
    filter_subject: str
    ack_wait: float = 60.0
    max_ack_pending: int = 1
    max_deliver: int = MAX_DELIVER

    @property
    def key(self) -> tuple[str, str]:
        """Stream and durable: what a message's reply subject names."""
        return self.stream, self.durable

    def config(self) -> ConsumerConfig:
        """Return the configuration for the server."""
        return ConsumerConfig(
            name=self.durable,
            durable_name=self.durable,
            filter_subject=self.filter_subject,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=self.ack_wait,
            max_deliver=self.max_deliver,
            max_ack_pending=self.max_ack_pending,
            max_waiting=64,
        )


async def ensure(js: JetStreamContext, consumer: Consumer, *, after: int = 0) -> ConsumerInfo:
    """Create the durable, or bring what can be changed of it up to date. Returns the server's view of it.

    `after` is the stream sequence up to which everything was acknowledged when the durable was last seen:
    a durable that is made again starts behind it.
    """
    wanted = consumer.config()
    try:
        found = (await js.consumer_info(consumer.stream, consumer.durable)).config
    except NotFoundError:
        if after:
            wanted = replace(wanted, deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1)
    else:
        wanted = replace(wanted, deliver_policy=found.deliver_policy, opt_start_seq=found.opt_start_seq)
    return await js.add_consumer(consumer.stream, wanted)


async def ensure_consumer(
    js: JetStreamContext,
    stream: str,
    durable: str,
    filter_subject: str,
    *,
    ack_wait: float = 60.0,
    max_ack_pending: int = 1,
) -> None:
    """Create or update a durable pull consumer with explicit acknowledgement. `ack_wait` in seconds."""
    await ensure(js, Consumer(stream, durable, filter_subject, ack_wait, max_ack_pending))
