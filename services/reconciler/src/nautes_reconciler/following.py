"""Who attends to the runs of which cluster: one replica each, under a lock; when it dies, another."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from structlog.typing import FilteringBoundLogger

from nautes_domain import names
from nautes_domain.failures import Failure
from nautes_reconciler.attending import Attendant, pause
from nautes_reconciler.clusters import Cluster, Clusters
from nautes_reconciler.queueing import Queue
from nautes_reconciler.results import Results
from nautes_runtime.ending import cancelled
from nautes_runtime.locks import ScopeLocks

SWEEP: Final = 5.0
"""Seconds between two looks at which clusters are declared, and until one that is not registered is asked again."""

_BUSY: Final = "scope-busy"


class Follower:
    """Follows every declared cluster. All replicas run it; the lock of a cluster decides who queues and reports."""

    def __init__(
        self,
        clusters: Clusters,
        declared: Callable[[], Awaitable[Collection[str]]],
        queue: Queue,
        results: Results,
        locks: ScopeLocks,
        log: FilteringBoundLogger,
    ) -> None:
        self._clusters = clusters
        self._declared = declared
        self._queue = queue
        self._results = results
        self._locks = locks
        self._log = log

    async def run(self) -> None:
        """Follow until cancelled: clusters that are declared later are taken up, withdrawn ones let go."""
        following: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = await self._wanted(following)
                for name in following.keys() - wanted:
                    following.pop(name).cancel()
                for name in sorted(wanted - following.keys()):
                    following[name] = group.create_task(self._keep(name), name=f"runs of {name}")
                await asyncio.sleep(SWEEP)

    async def _wanted(self, present: Collection[str]) -> set[str]:
        try:
            return set(await self._declared())
        except Failure as failure:
            self._log.warning("following", reason=str(failure))
            return set(present)

    async def _keep(self, name: str) -> None:
        """Follow one cluster again and again; say once why it does not work."""
        said = ""
        while True:
            seconds, why = SWEEP, ""
            try:
                await self._follow(name)
            except Failure as failure:
                seconds, why = pause(failure), "" if failure.code == _BUSY else str(failure)
            except Exception:  # noqa: BLE001 - a defect met at one cluster must not end the others
                self._log.error("following", cluster=name, exc_info=True)
            if why and why != said:
                self._log.warning("following", cluster=name, reason=why)
            said = why
            await asyncio.sleep(seconds)

    async def _follow(self, name: str) -> None:
        """Follow a cluster while we hold its lock; return when it is not registered, or is to be listed anew."""
        cluster = await self._clusters.get(name)
        if cluster is None:
            return
        async with self._locks.hold(f"reconciler.results.{names.scope('cluster', name)}"):
            attendant = Attendant(name, cluster.engine, self._queue, self._results, self._log)
            attending = asyncio.create_task(attendant.attend(), name=f"attend to {name}")
            try:
                while not attending.done():
                    await asyncio.wait({attending}, timeout=SWEEP)
                    if await self._was_replaced(name, cluster):
                        return
                attending.result()
            finally:
                await cancelled([attending])

    async def _was_replaced(self, name: str, cluster: Cluster) -> bool:
        """Say whether a cluster has other credentials or another engine by now: runs are followed there then."""
        try:
            return await self._clusters.get(name) is not cluster
        except Failure:  # that nobody can tell is no reason to follow no more
            return False
