"""A consumer of one reader's own: nothing is acknowledged, and it is removed after use."""

from collections.abc import AsyncGenerator, AsyncIterator
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


async def followed(
    js: JetStreamContext, stream: str, subject: str, deliver_policy: DeliverPolicy, **more: Any
) -> AsyncGenerator[tuple[list[Msg], int], None]:
    """Yield what comes, in order, each time with how many messages that are kept are still to come; at first none.

    Ends after the last message before one that was lost on its way to us. Raises what the client raises.
    """
    async with consumer(js, stream, subject, deliver_policy, **more) as (subscription, info):
        left, expected = info.num_pending or 0, 1
        yield [], left
        while True:
            messages = await _fetched(subscription, min(left, BATCH) or 1)
            taken = []
            for message in messages:
                if message.metadata.sequence.consumer != expected:
                    break
                expected += 1
                left = message.metadata.num_pending or 0
                taken.append(message)
            if not messages:  # is it still there? What was counted may have been removed, too
                left = (await js.consumer_info(stream, info.name)).num_pending or 0
            yield taken, left
            if len(taken) < len(messages):
                return


async def _fetched(subscription: JetStreamContext.PullSubscription, batch: int) -> list[Msg]:
    """Return the next messages, none if there are none within a second. A full batch is waited for."""
    try:
        return await subscription.fetch(batch, timeout=WAIT)
    except TimeoutError:
        return []
