"""Tekton's controller, played: runs that are not held start, take their time, and end; who is stopped ends at once.

Written after Tekton's own order (pkg/reconciler/pipelinerun/pipelinerun.go): done, cancelled, pending, running.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from nautes_adapters.kubernetes import KubernetesClient
from nautes_domain.failures import Failure
from nautes_runtime.ending import cancelled
from support import tekton


class Player:
    """Watches every run of a cluster. Times are those of `time.monotonic`, far finer than what Tekton writes."""

    def __init__(self, client: KubernetesClient, seconds: Callable[[], float]) -> None:
        self._client = client
        self._seconds = seconds
        self._working: dict[str, asyncio.Task[None]] = {}
        self.created: Counter[str] = Counter()
        """How often a run of each name was created."""
        self.causes: Counter[str] = Counter()
        """How many runs answered each delivery."""
        self.spans: dict[str, tuple[float, float]] = {}
        """From when to when each run was at work."""
        self._uids: set[str] = set()

    def most_at_once(self) -> int:
        """Sweep over all starts and ends; where they fall together, ends come first."""
        edges = [(at, step) for span in self.spans.values() for at, step in zip(span, (1, -1), strict=True)]
        most = present = 0
        for _, step in sorted(edges):
            present += step
            most = max(most, present)
        return most

    async def play(self) -> None:
        """Play until cancelled; a server that goes away is listed anew."""
        try:
            while True:
                try:
                    await self._round()
                except Failure:
                    await asyncio.sleep(0.1)
        finally:
            await cancelled(self._working.values())

    async def _round(self) -> None:
        listing = await self._client.listing("PipelineRun")
        for run in listing.items:
            self._look(run)
        since = listing.version
        while True:
            async for change in self._client.watch("PipelineRun", since=since, seconds=60):
                since = change.version
                if change.kind in {"ADDED", "MODIFIED"}:
                    self._look(change.object)

    def _look(self, run: dict[str, Any]) -> None:
        metadata, asked = run["metadata"], run["spec"].get("status", "")
        uid, name, namespace = metadata["uid"], metadata["name"], metadata["namespace"]
        if uid not in self._uids:
            self._uids.add(uid)
            self.created[name] += 1
            self.causes[metadata["annotations"]["nautes.io/cause"]] += 1
        if (run.get("status") or {}).get("completionTime"):
            return
        if asked in {"Cancelled", "CancelledRunFinally"}:
            if (task := self._working.get(uid)) is not None:
                task.cancel()
            else:
                self._working[uid] = asyncio.create_task(self._end(namespace, name, tekton.CANCELLED))
        elif not asked and uid not in self._working:
            self._working[uid] = asyncio.create_task(self._work(namespace, name))

    async def _work(self, namespace: str, name: str) -> None:
        began = time.monotonic()
        status = tekton.SUCCEEDED
        try:
            await self._play(namespace, name, {**tekton.RUNNING, "startTime": _now()})
            await asyncio.sleep(self._seconds())
        except asyncio.CancelledError:
            status = tekton.CANCELLED
        # Before the platform can know of its end: what it lets go then is no overlap.
        self.spans[name] = (began, time.monotonic())
        await self._end(namespace, name, status)

    async def _end(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        await self._play(namespace, name, {**status, "startTime": _now(), "completionTime": _now()})

    async def _play(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        await tekton.play(self._client, namespace, name, status)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def playing(client: KubernetesClient, seconds: Callable[[], float]):
    """Have the runs of a cluster played until the block ends."""
    player = Player(client, seconds)
    task = asyncio.create_task(player.play())
    try:
        yield player
    finally:
        await cancelled([task])
