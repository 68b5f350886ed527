"""Tasks that must be over before what they use is closed."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

CANCEL_AGAIN: Final = 0.5
"""Seconds that a cancelled task has to end before it is cancelled once more."""


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they end.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which nats-py is built on, swallows a
    cancellation that comes together with the result (CPython issue 86296).
    """
    every = list(tasks)
    while late := [task for task in every if not task.done()]:
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=CANCEL_AGAIN)
    await asyncio.gather(*every, return_exceptions=True)
