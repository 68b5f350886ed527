"""A consumer of one reader's own: nothing is acknowledged, and it is removed after use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from nautes_runtime.bus import UNAVAILABLE

BATCH: Final = 256
WAIT: Final = 1.0
"""Seconds for which something new is waited for in one request."""
PAUSE: Final = 0.5
"""Seconds before a bus that is away is asked again."""


@asynccontextmanager
async def consumer(
    js: JetStreamContext, stream: str, subject: str, deliver_policy: DeliverPolicy, **more: Any
) -> AsyncIterator[tuple[JetStreamContext.PullSubscription, ConsumerInfo]]:
    """Give a subscription to a stream, and what the server said of its consumer; `more` goes into the configuration.

    Raises what `UNAVAILABLE` names while the server is away or does not know the stream.
    """
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=deliver_policy,
        filter_subject=subject,
        inactive_threshold=30.0,
        mem_storage=True,
        num_replicas=1,
        **more,
    )
    info = await js.add_consumer(stream, config)
    subscription = await js.pull_subscribe_bind(consumer=info.name, stream=stream)
    try:
        yield subscription, info
    finally:
        await _forget(js, stream, info.name, subscription)


async def _forget(
    js: JetStreamContext, stream: str, name: str, subscription: JetStreamContext.PullSubscription
) -> None:
    """Remove the consumer now; if the server is away, it removes it by itself after thirty seconds."""
    try:
        await subscription.unsubscribe()
        await js.delete_consumer(stream, name)
    except UNAVAILABLE:
        return


async def fetched(subscription: JetStreamContext.PullSubscription, batch: int) -> list[Msg]:
    """Return the next messages, none if there are none within a second. A full batch is waited for."""
    try:
        return await subscription.fetch(batch, timeout=WAIT)
    except TimeoutError:
        return []
