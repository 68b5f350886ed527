"""One holder per scope over all replicas: a key that is created, renewed, and lost when it is not renewed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from nautes_domain.failures import Retry
from nautes_runtime.bus import UNAVAILABLE, unavailable
from nautes_runtime.streams import LOCK_TTL
from nautes_runtime.tracing import span

RENEWALS: Final = 3
"""Renewals within the life of a lock."""

MARGIN: Final = 2 / 15
"""Share of its life before the end of which the holder of a lock must have stopped."""


@dataclass(slots=True)
class _Lease:
    """What we know of a lock that we hold: its latest revision, and until when it surely lives (loop clock)."""

    key: str
    revision: int
    safe_until: float
    lost: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """The holder is done; nothing is renewed any more."""


class ScopeLocks:
    """Locks in a bucket that forgets a key `ttl` seconds after it was last written."""

    def __init__(self, kv: KeyValue, owner: str, *, ttl: float = LOCK_TTL) -> None:
        self._kv = kv
        self._owner = owner.encode()
        self._ttl = ttl

    @asynccontextmanager
    async def hold(self, scope: str) -> AsyncIterator[int]:
        """Hold the lock of `scope` (a key of words joined by dots) and yield its fencing revision.

        The revision is greater than that of every earlier holder. Raises Retry: code "scope-busy", after a
        second, if somebody holds it; "bus-unavailable" if nobody knows; "scope-lost" if the lock was lost
        meanwhile: then what ran within was cancelled before the lock could be anyone else's.
        """
        with span("lock"):
            lease = await self._create(scope)
        fence, holder = lease.revision, asyncio.current_task()
        if holder is None:  # pragma: no cover - a coroutine always runs in a task
            raise RuntimeError("a lock is held by a task")
        keeper = asyncio.create_task(self._keep(lease, holder), name=f"lock {scope}")
        try:
            try:
                yield fence
            finally:
                lease.over.set()
                await asyncio.wait({keeper})
                await self._release(lease)
        except asyncio.CancelledError:
            # Ours if we cancelled and nobody else did: the pattern of asyncio.timeout().
            if lease.lost and holder.uncancel() == 0:
                raise _lost(scope) from None
            raise

    async def _create(self, scope: str) -> _Lease:
        started = asyncio.get_running_loop().time()
        try:
            revision = await self._kv.create(scope, self._owner)
        except KeyWrongLastSequenceError:
            raise Retry(
                "somebody else is at work there",
                what=f"scope {scope}",
                after=timedelta(seconds=1),
                code="scope-busy",
            ) from None
        except UNAVAILABLE as error:
            raise unavailable(f"lock {scope}", error) from error
        return _Lease(scope, revision, started + self._ttl * (1 - MARGIN))

    async def _keep(self, lease: _Lease, holder: asyncio.Task[object]) -> None:
        """Renew until it is over. When the lock is lost or may be, cancel the holder."""
        loop = asyncio.get_running_loop()
        pause = usual = self._ttl / RENEWALS
        while not await _is_over(lease, min(pause, lease.safe_until - loop.time())):
            started = loop.time()
            try:
                async with asyncio.timeout_at(lease.safe_until):
                    lease.revision = await self._kv.update(lease.key, self._owner, last=lease.revision)
            except KeyWrongLastSequenceError:
                break
            except UNAVAILABLE:
                if loop.time() >= lease.safe_until:
                    break
                pause = usual / 5
            else:
                lease.safe_until = started + self._ttl * (1 - MARGIN)
                pause = usual
        if not lease.over.is_set():
            lease.lost = True
            holder.cancel()

    async def _release(self, lease: _Lease) -> None:
        """Give the lock back if it is still ours; if that fails, it ends by itself."""
        if lease.lost:
            return
        with suppress(*UNAVAILABLE):
            await self._kv.delete(lease.key, last=lease.revision)


async def _is_over(lease: _Lease, pause: float) -> bool:
    """Wait `pause` seconds for the end of the holder's work."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, pause)):
            await lease.over.wait()
    return lease.over.is_set()


def _lost(scope: str) -> Retry:
    return Retry("the lock was lost", what=f"scope {scope}", after=timedelta(seconds=1), code="scope-lost")
