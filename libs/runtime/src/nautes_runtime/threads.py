"""Synchronous clients are called in threads, so that the event loop never waits for them."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a synchronous function in a worker thread and return what it returns."""
    return await asyncio.to_thread(function, *args, **kwargs)
