"""Waiting for what the reconciler decides about what a person asked for: it is told, nobody looks for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nautes_domain.effects import Decision


class Decided:
    """Hands decisions to those who wait for them; others pass by unread."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Decision]] = {}

    @contextmanager
    def expected(self, delivery: str) -> Iterator[asyncio.Future[Decision]]:
        """Give what will hold the decision about a delivery; to be called before the delivery is stored."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[delivery] = future
        try:
            yield future
        finally:
            future.cancel()
            self._waiting.pop(delivery, None)

    def is_expected(self, delivery: str) -> bool:
        """Say whether anybody waits for the decision about a delivery."""
        return delivery in self._waiting

    def take(self, decision: Decision) -> None:
        """Hand a decision over."""
        future = self._waiting.get(decision.cause.delivery)
        if future is not None and not future.done():
            future.set_result(decision)


async def within(future: asyncio.Future[Decision], seconds: float) -> Decision | None:
    """Return a decision once it is told, None if it is not in time."""
    done, _ = await asyncio.wait({future}, timeout=seconds)
    return future.result() if done else None
