"""How messages come in: one at a time per free worker, never more, and none once we are closing.

FastStream's pull loop calls `fetch` of a subscription. This one stands in between: FastStream's own
worker limit lets it fetch more than it can start (FastStream issue 2563), so that a message's
`ack_wait` runs out in a local queue, and it calls again at once when the durable is gone.
"""

import asyncio
from typing import Final, Protocol

import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from nautes_runtime.streams import Consumer

FETCH: Final = 1.0
"""Seconds that one fetch lasts: after a server restart we are blind for at most that long."""

RETURN: Final = 1.0
"""Seconds after which a message that we give back unhandled may come to another replica."""


class Pull(Protocol):
    """What we need of `JetStreamContext.PullSubscription`."""

    async def fetch(self, batch: int = 1, timeout: float | None = 5) -> list[Msg]:  # noqa: ASYNC109
        """Return messages, or raise nats.errors.TimeoutError."""
        ...

    async def unsubscribe(self) -> None:
        """End the subscription."""
        ...


class Intake:
    """One subscription: its slots, its heartbeat, and whether it still takes messages."""

    def __init__(self, consumer: Consumer, *, concurrency: int = 1, renewing: bool = False) -> None:
        self.consumer = consumer
        self.concurrency = concurrency
        self.renewing = renewing
        """Whether a message that failed often is published anew; only for streams that keep one per subject."""
        self.alive_at = 0.0
        """When the fetch loop was last seen, on the event loop's clock."""
        self.closing = False
        self._slots = asyncio.Semaphore(concurrency)
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._inner: Pull | None = None

    def attach(self, subscription: Pull) -> None:
        """Take messages from this subscription."""
        self._inner = subscription

    async def fetch(self, batch: int = 1, timeout: float | None = None) -> list[Msg]:  # noqa: ASYNC109
        """Return one message for a free worker. Raises nats.errors.TimeoutError when there is none.

        `batch` and `timeout` are what FastStream passes; one message and `FETCH` seconds is what we do.
        """
        del batch, timeout
        self.alive_at = asyncio.get_running_loop().time()
        if self.closing or self._inner is None:
            await asyncio.sleep(FETCH)
            raise nats.errors.TimeoutError
        await self._acquire()
        try:
            messages = await self._inner.fetch(1, timeout=FETCH)
        except BaseException as error:
            self.release()
            if isinstance(error, JetStreamError | nats.errors.Error | TimeoutError):
                await self._pause(error)
                raise nats.errors.TimeoutError from error
            raise
        if self.closing:
            for message in messages:
                await message.nak(delay=RETURN)
            self.release()
            raise nats.errors.TimeoutError
        return messages

    async def unsubscribe(self) -> None:
        """End the subscription."""
        if self._inner is not None:
            await self._inner.unsubscribe()

    def release(self) -> None:
        """A worker is free again."""
        self._slots.release()
        self._busy -= 1
        if not self._busy:
            self._quiet.set()

    async def close(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Take no more messages and wait until all workers are done. False if `timeout` seconds did not do."""
        self.closing = True
        try:
            async with asyncio.timeout(timeout):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    async def _acquire(self) -> None:
        """Take a slot; give up after `FETCH` seconds, so that the loop is seen to be alive."""
        try:
            async with asyncio.timeout(FETCH):
                await self._slots.acquire()
        except TimeoutError:
            raise nats.errors.TimeoutError from None
        self._busy += 1
        self._quiet.clear()

    async def _pause(self, error: BaseException) -> None:
        """Wait a little after an answer that came at once: the durable is gone, the server is not ready."""
        if not isinstance(error, TimeoutError):
            await asyncio.sleep(FETCH / 4)
