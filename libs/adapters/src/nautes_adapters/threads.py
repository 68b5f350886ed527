"""Where blocking clients work: a pool of threads of their own, so that they never hold up the event loop."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_POOL: Final = ThreadPoolExecutor(max_workers=32, thread_name_prefix="adapter")
# Not the loop's default pool: that one has a handful of threads on a small machine, and name
# resolution shares it, so one slow server would stop everything else.


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in a thread and return its result.

    Cancelling the caller does not stop a call that has begun; it ends at its own time limit.
    """
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_POOL, lambda: context.run(function, *args, **kwargs))
