"""One holder per scope over all replicas: a key that is created, renewed, and lost when it is not renewed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from nautes_domain.failures import Retry
from nautes_runtime.bus import UNAVAILABLE, unavailable
from nautes_runtime.streams import LOCK_TTL

RENEWAL: Final = LOCK_TTL / 3
"""Seconds between renewals."""

MARGIN: Final = 2.0
"""Seconds before the lock may be gone at which its holder must have stopped."""


@dataclass(slots=True)
class _Lease:
    """What we know of a lock that we hold: its latest revision, and until when it surely lives."""

    key: str
    revision: int
    safe_until: float
    lost: bool = False


class ScopeLocks:
    """Locks in bucket `locks`. The server forgets a lock fifteen seconds after its last renewal."""

    def __init__(self, kv: KeyValue, owner: str) -> None:
        self._kv = kv
        self._owner = owner.encode()

    @asynccontextmanager
    async def hold(self, scope: str) -> AsyncIterator[int]:
        """Hold the lock of `scope` (a key of words joined by dots) and yield its fencing revision.

        The revision is greater than that of every earlier holder. Raises Retry: code "scope-busy", after a
        second, if somebody holds it; "bus-unavailable" if nobody knows; "scope-lost" if the lock was lost
        meanwhile: then whatever ran within was cancelled before anyone else could hold it.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        revision = await self._create(scope)
        lease = _Lease(scope, revision, started + LOCK_TTL - MARGIN)
        holder = asyncio.current_task()
        if holder is None:  # pragma: no cover - a coroutine always runs in a task
            raise RuntimeError("a lock is held by a task")
        keeper = asyncio.create_task(self._keep(lease, holder), name=f"lock {scope}")
        try:
            yield revision
        except asyncio.CancelledError:
            # Ours if we cancelled and nobody else did: the pattern of asyncio.timeout().
            if lease.lost and holder.uncancel() == 0:
                raise _lost(scope) from None
            raise
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            await self._release(lease)

    async def _create(self, scope: str) -> int:
        try:
            return await self._kv.create(scope, self._owner)
        except KeyWrongLastSequenceError:
            raise Retry(
                "somebody else is at work there",
                what=f"scope {scope}",
                after=timedelta(seconds=1),
                code="scope-busy",
            ) from None
        except UNAVAILABLE as error:
            raise unavailable(f"lock {scope}", error) from error

    async def _keep(self, lease: _Lease, holder: asyncio.Task[object]) -> None:
        """Renew until cancelled. When the lock is lost or may be, cancel the holder and end."""
        loop = asyncio.get_running_loop()
        pause = RENEWAL
        while True:
            await asyncio.sleep(max(0.0, min(pause, lease.safe_until - loop.time())))
            started = loop.time()
            try:
                async with asyncio.timeout(max(0.0, lease.safe_until - started)):
                    lease.revision = await self._kv.update(lease.key, self._owner, last=lease.revision)
            except KeyWrongLastSequenceError:
                break
            except UNAVAILABLE:
                if loop.time() >= lease.safe_until:
                    break
                pause = 1.0
            else:
                lease.safe_until = started + LOCK_TTL - MARGIN
                pause = RENEWAL
        lease.lost = True
        holder.cancel()

    async def _release(self, lease: _Lease) -> None:
        """Give the lock back if it is still ours; if that fails, it ends by itself."""
        if lease.lost:
            return
        with suppress(*UNAVAILABLE):
            await self._kv.delete(lease.key, last=lease.revision)


def _lost(scope: str) -> Retry:
    return Retry("the lock was lost", what=f"scope {scope}", after=timedelta(seconds=1), code="scope-lost")
