"""The runs of one cluster while we hold its lock: what changes is read, then queued, then reported.

Tasks of their own, so that a code host that is away keeps no run from starting, and a slow cluster nothing from being
read. What is reported of one project keeps its order; projects do not wait for each other.
"""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from typing import Final

from structlog.typing import FilteringBoundLogger

from nautes_domain.capabilities import PipelineEngine
from nautes_domain.failures import Failure, Rejected, Retry
from nautes_domain.queueing import Schedule
from nautes_domain.runs import RunState
from nautes_reconciler.queueing import Queue, Runtime
from nautes_reconciler.results import Results
from nautes_runtime.ending import cancelled

RESYNC: Final = 15.0
"""Seconds until the queues are looked at without an event: limits may have been declared anew."""

PAUSE: Final = 5.0
"""Seconds until a cluster or a report that failed is tried again, unless the failure says when."""

LANES: Final = 8
"""Reports that are under way at one time: each is several requests to the code host, the bus and the cluster."""

LONG_PAUSE: Final = 60.0
"""Seconds until a cluster is asked again on which somebody must act first, as on one without Tekton."""


class Attendant:
    """Attends to the runs of one cluster, from a list of all to the failure that asks for another list."""

    def __init__(
        self,
        cluster: str,
        engine: PipelineEngine,
        queue: Queue,
        results: Results,
        log: FilteringBoundLogger,
    ) -> None:
        self._cluster = cluster
        self._engine = engine
        self._queue = queue
        self._results = results
        self._log = log.bind(cluster=cluster)
        self._arrived: asyncio.Queue[RunState] = asyncio.Queue()
        self._lanes: tuple[asyncio.Queue[tuple[RunState, int]], ...] = tuple(
            asyncio.Queue() for _ in range(LANES)
        )
        self._met: set[str] = set()
        self._plans: dict[Runtime, Schedule] = {}
        self._again = asyncio.timeout(None)

    async def attend(self) -> None:
        """Return when all runs are to be listed anew. Raises what following raises."""
        jobs = [("read", self._read()), ("queue", self._line_up())]
        jobs += [("report", self._report(lane)) for lane in self._lanes]
        tasks = [asyncio.create_task(job, name=f"{word} runs of {self._cluster}") for word, job in jobs]
        try:
            async with self._again:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return
        finally:
            await cancelled(tasks)
        for task in done:
            task.result()

    async def _read(self) -> None:
        async with aclosing(self._engine.follow()) as runs:
            async for run in runs:
                self._arrived.put_nowait(run)

    async def _line_up(self) -> None:
        """Settle the queues that changed, then hand on what is to be reported."""
        loop = asyncio.get_running_loop()
        resync = loop.time() + RESYNC
        while True:
            batch = await self._batch(resync - loop.time())
            touched = {_runtime(run) for run in batch if self._matters(run)}
            if loop.time() >= resync:
                resync = loop.time() + RESYNC
                touched |= self._plans.keys()
            for runtime in sorted(touched):
                await self._settle(runtime, batch)
            for run in batch:
                self._lanes[run.project_id % LANES].put_nowait((run, self._place(run)))

    async def _batch(self, seconds: float) -> list[RunState]:
        """Return everything that arrived, after waiting for the first at most so long."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                batch = [await self._arrived.get()]
        except TimeoutError:
            return []
        while not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        return batch

    def _matters(self, run: RunState) -> bool:
        """Say whether a state may change a queue: a new run, one that waits, one that ended."""
        if run.phase.final:
            self._met.discard(run.uid)
            return True
        new = run.uid not in self._met
        self._met.add(run.uid)
        return new or run.waits

    async def _settle(self, runtime: Runtime, batch: Iterable[RunState]) -> None:
        first = runtime not in self._plans
        waits = bool(not first and self._plans[runtime].waiting) or any(
            run.waits for run in batch if _runtime(run) == runtime
        )
        self._plans.setdefault(runtime, Schedule())
        try:
            self._plans[runtime] = await self._queue.settle(
                self._cluster, self._engine, runtime, waits=waits, first=first
            )
        except Failure as failure:
            self._failed("queue", "/".join(runtime), failure)

    def _place(self, run: RunState) -> int:
        plan = self._plans.get(_runtime(run))
        return plan.place(run.uid) if plan is not None and run.waits else 0

    async def _report(self, lane: asyncio.Queue[tuple[RunState, int]]) -> None:
        while True:
            run, place = await lane.get()
            try:
                await self._results.report(self._cluster, self._engine, run, place)
            except Failure as failure:
                self._failed("report", run.name, failure)

    def _failed(self, doing: str, what: str, failure: Failure) -> None:
        """Say it and go on with the others; what may work later is met again in the next list."""
        self._log.warning(doing, of=what, reason=str(failure), code=failure.code)
        if self._again.when() is None and not isinstance(failure, Rejected):
            self._again.reschedule(asyncio.get_running_loop().time() + pause(failure))


def pause(failure: Failure) -> float:
    """Return how many seconds to wait after a failure."""
    if not isinstance(failure, Retry):
        return LONG_PAUSE
    return PAUSE if failure.after is None else failure.after.total_seconds()


def _runtime(run: RunState) -> Runtime:
    return run.product, run.runtime
