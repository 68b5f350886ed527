"""Background work in lanes: one job at a time and in order within a lane, lanes side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable

import structlog

Job = Callable[[], Awaitable[None]]


class Lanes:
    """Runs what is submitted. A job that raises is logged, and the next one runs."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("forge")

    def submit(self, lane: Hashable, job: Job) -> None:
        """Run a job after those that are in its lane already. Returns at once."""
        if lane in self._waiting:
            self._waiting[lane].append(job)
            return
        self._waiting[lane] = deque([job])
        task = asyncio.create_task(self._run(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, patience: float) -> None:
        """Wait until all is done, jobs submitted meanwhile too; after `patience` seconds give the rest up."""
        try:
            async with asyncio.timeout(patience):
                while self._tasks:
                    await asyncio.wait(set(self._tasks))
        except TimeoutError:
            rest = set(self._tasks)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            self._log.warning("gave up what was waiting", lanes=len(rest))

    async def _run(self, lane: Hashable) -> None:
        jobs = self._waiting[lane]
        try:
            while jobs:
                try:
                    await jobs.popleft()()
                except Exception:  # noqa: BLE001 - one job must not keep the next ones from running
                    self._log.exception("a job failed", lane=str(lane))
        finally:
            del self._waiting[lane]
