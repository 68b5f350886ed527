"""Who follows the runs of which cluster: one replica each, under a lock; when it dies, another."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Final

from structlog.typing import FilteringBoundLogger

from nautes_domain import names
from nautes_domain.failures import Failure, Rejected, Retry
from nautes_reconciler.clusters import Clusters
from nautes_reconciler.results import Results
from nautes_runtime.locks import ScopeLocks

SWEEP: Final = 5.0
"""Seconds between two looks at which clusters are declared, and until one that is not registered is asked again."""

PAUSE: Final = 5.0
"""Seconds until a cluster or a report that failed is tried again, unless the failure says when."""

LONG_PAUSE: Final = 60.0
"""Seconds until a cluster is asked again on which somebody must act first, as on one without Tekton."""

_BUSY: Final = "scope-busy"


class Follower:
    """Follows every declared cluster. All replicas run it; the lock of a cluster decides who reports."""

    def __init__(
        self,
        clusters: Clusters,
        declared: Callable[[], Awaitable[Collection[str]]],
        results: Results,
        locks: ScopeLocks,
        log: FilteringBoundLogger,
    ) -> None:
        self._clusters = clusters
        self._declared = declared
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
            pause, why = SWEEP, ""
            try:
                await self._follow(name)
            except Failure as failure:
                pause, why = _pause(failure), "" if failure.code == _BUSY else str(failure)
            except Exception:  # noqa: BLE001 - a defect met at one cluster must not end the others
                self._log.error("following", cluster=name, exc_info=True)
            if why and why != said:
                self._log.warning("following", cluster=name, reason=why)
            said = why
            await asyncio.sleep(pause)

    async def _follow(self, name: str) -> None:
        """Follow a cluster while we hold its lock; return when it is not registered, or is to be listed anew."""
        cluster = await self._clusters.get(name)
        if cluster is None:
            return
        async with self._locks.hold(f"reconciler.results.{names.scope('cluster', name)}"):
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(None) as again, aclosing(cluster.engine.follow()) as runs:
                    async for run in runs:
                        try:
                            await self._results.report(name, cluster.engine, run)
                        except Failure as failure:
                            self._say(name, run.name, failure)
                            # The others go on; what may work later is met again in the next list.
                            if again.when() is None and not isinstance(failure, Rejected):
                                again.reschedule(loop.time() + _pause(failure))
            except TimeoutError:
                return

    def _say(self, cluster: str, run: str, failure: Failure) -> None:
        self._log.warning("report", cluster=cluster, run=run, reason=str(failure), code=failure.code)


def _pause(failure: Failure) -> float:
    if not isinstance(failure, Retry):
        return LONG_PAUSE
    return PAUSE if failure.after is None else failure.after.total_seconds()
