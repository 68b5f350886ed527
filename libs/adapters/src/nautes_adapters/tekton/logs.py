"""What the steps of a run wrote: pods of the run, containers `step-*`, their logs from the cluster.

Tekton Pipelines, docs/labels.md and docs/tasks.md: a pod carries the labels of its run and its task, each step is a
container of it, and the steps of a task run one after the other.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.kubernetes.errors import UNAVAILABLE, NotFound
from nautes_adapters.tekton.following import RUN_LABEL
from nautes_adapters.tekton.rules import KIND
from nautes_adapters.tekton.status import TASK_LABEL, progress_of
from nautes_domain.failures import Failure, Retry, most_urgent
from nautes_domain.run_logs import (
    LineSplitter,
    LogLine,
    LogQuery,
    gone,
    no_such_part,
    not_yet,
    shown_line,
    stamped,
)
from nautes_domain.runs import RunState

PREFIX: Final = "step-"
AHEAD: Final = 64
"""Lines that are read before they are asked for."""
PAUSE: Final = 1.0
"""Seconds between two looks at what a run that is followed consists of."""
SILENCE: Final = 60.0
"""Seconds after which a step that says nothing is asked anew: a connection may die without a word."""

Pod = Mapping[str, Any]


class RunLogs:
    """One reading of one run's logs."""

    def __init__(
        self, client: KubernetesClient, run: RunState, query: LogQuery, *, pause: float = PAUSE
    ) -> None:
        self._client = client
        self._run = run
        self._query = query
        self._pause = pause
        self._begun = False
        self._over = False

    async def lines(self) -> AsyncGenerator[LogLine, None]:
        """Yield the lines; see `capabilities.PipelineEngine.logs`."""
        async with aclosing(self._followed() if self._query.follow else self._written()) as lines:
            async for line in lines:
                yield line
        if not self._begun:
            raise await self._nothing()

    async def _written(self) -> AsyncGenerator[LogLine, None]:
        """Yield what was written by now, step after step."""
        present = await self._present()
        order = _declared_tasks(present) if present is not None else []
        # Clusters tell times by the second: tasks of one second come as the pipeline names them.
        for pod in sorted(await self._pods(), key=lambda pod: (_created(pod), _place_in(order, _task(pod)))):
            for container in self._steps(pod):
                if _has_begun(pod, container):
                    async with aclosing(self._read(pod, container)) as lines:
                        async for line in lines:
                            yield line

    async def _followed(self) -> AsyncGenerator[LogLine, None]:
        """Yield what all tasks write, as it comes; each task is read no faster than its lines are taken."""
        lines: asyncio.Queue[LogLine] = asyncio.Queue(AHEAD)
        reading = asyncio.create_task(self._read_all(lines), name=f"logs of {self._run.name}")
        try:
            while (line := await _next(lines, reading)) is not None:
                yield line
            reading.result()
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read_all(self, lines: asyncio.Queue[LogLine]) -> None:
        """Read every task from its begin to the end of the run."""
        met: set[str] = set()
        failures: list[Failure] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    over = (
                        await self._is_over()
                    )  # asked first: whatever was made before its end is listed then
                    for pod in await self._pods():
                        if pod["metadata"]["uid"] not in met:
                            met.add(pod["metadata"]["uid"])
                            tasks.create_task(self._read_task(pod, lines))
                    self._over = over
                    if over:
                        break
                    await asyncio.sleep(self._pause)
        except* Failure as group:
            failures = [one for one in group.exceptions if isinstance(one, Failure)]
        if (failure := most_urgent(failures)) is not None:
            raise failure

    async def _read_task(self, pod: Pod, lines: asyncio.Queue[LogLine]) -> None:
        metadata, present = pod["metadata"], pod
        for container in self._steps(pod):
            while not _has_begun(present, container):
                over = self._over  # a run that had ended before we looked begins nothing any more
                found = await self._client.get("Pod", metadata["name"], metadata["namespace"])
                if found is None:
                    return
                present = found
                if not _has_begun(present, container):
                    if over or _has_ended(present):
                        return
                    await asyncio.sleep(self._pause)
            async with aclosing(self._read(present, container)) as written:
                async for line in written:
                    await lines.put(line)

    async def _read(self, pod: Pod, container: str) -> AsyncGenerator[LogLine, None]:
        """Yield the lines of one step: what is there, or until its container has ended.

        A stream that ends, or says nothing for long, is asked for again from its last line on.
        """
        self._begun = True
        place = _Place()
        while True:
            over = not self._query.follow or await self._container_ended(pod, container)
            try:
                async with aclosing(self._stream(pod, container, place, follow=not over)) as lines:
                    async for line in lines:
                        yield line
            except NotFound:
                return  # the pod is gone: what it wrote went with it
            except Retry as failure:
                if over or failure.code != UNAVAILABLE:
                    raise
            if over:
                return
            await asyncio.sleep(self._pause)

    async def _stream(
        self, pod: Pod, container: str, place: "_Place", *, follow: bool
    ) -> AsyncGenerator[LogLine, None]:
        metadata, splitter = pod["metadata"], LineSplitter()
        options = {"follow": "true"} if follow else {}
        if place.stamp:
            options["sinceTime"] = place.stamp
        elif self._query.tail is not None:
            options["tailLines"] = str(self._query.tail)
        place.again()
        log = self._client.pod_log(
            metadata["name"], metadata["namespace"], container, silence=SILENCE, **options
        )
        async with aclosing(log) as chunks:
            async for chunk in chunks:
                for text in splitter.feed(chunk):
                    if place.is_news(text):
                        yield _line(pod, container, text)
        for text in splitter.rest():
            if place.is_news(text):
                yield _line(pod, container, text)

    async def _is_over(self) -> bool:
        found = await self._present()
        return found is None or progress_of(found.get("status") or {}).phase.final

    async def _present(self) -> Pod | None:
        found = await self._client.get(KIND, self._run.name, self._run.namespace)
        return found if found is not None and found["metadata"]["uid"] == self._run.uid else None

    async def _container_ended(self, pod: Pod, container: str) -> bool:
        metadata = pod["metadata"]
        found = await self._client.get("Pod", metadata["name"], metadata["namespace"])
        return found is None or "terminated" in _state(found, container) or _has_ended(found)

    async def _pods(self) -> list[Pod]:
        """Return the pods of the run in the order in which they were made."""
        found = await self._client.list("Pod", self._run.namespace, labels=f"{RUN_LABEL}={self._run.name}")
        return sorted(found, key=lambda pod: (_created(pod), pod["metadata"]["name"]))

    def _steps(self, pod: Pod) -> Iterator[str]:
        """Yield the containers that are wanted of a pod."""
        task = _task(pod)
        for container in _containers(pod):
            if self._query.means(task, container.removeprefix(PREFIX)):
                yield container

    async def _nothing(self) -> Failure:
        """Return why there was nothing to read."""
        known = [
            (_task(pod), one.removeprefix(PREFIX)) for pod in await self._pods() for one in _containers(pod)
        ]
        if known and not any(self._query.means(*one) for one in known):
            return no_such_part(self._run, self._query, known)
        found = await self._present()
        if found is None:
            return gone(self._run, "the run was deleted, and its pods with it")
        status = found.get("status") or {}
        progress = progress_of(status)
        if not progress.phase.final:
            return not_yet(self._run)
        if known or not status.get("childReferences"):
            return gone(self._run, f"it ended before any step began: {progress.why}")
        return gone(self._run, "its pods are gone from the cluster, and with them what they wrote")


def _created(pod: Pod) -> str:
    return str(pod["metadata"]["creationTimestamp"])


def _declared_tasks(run: Pod) -> list[str]:
    """Return the names of a run's tasks as its pipeline lists them (tekton.dev/v1, `PipelineRunStatus.pipelineSpec`)."""
    resolved = (run.get("status") or {}).get("pipelineSpec") or run["spec"].get("pipelineSpec") or {}
    return [str(task["name"]) for part in ("tasks", "finally") for task in resolved.get(part) or ()]


def _place_in(order: Sequence[str], task: str) -> int:
    return order.index(task) if task in order else len(order)


class _Place:
    """Up to where a step was read. It is asked for again from a time on, so that some lines come twice."""

    def __init__(self) -> None:
        self.stamp = ""
        """The time of the last line, as the cluster writes it: of fixed width, so that texts compare as times do."""
        self._count = 0
        self._met = 0

    def again(self) -> None:
        """It is read once more."""
        self._met = 0

    def is_news(self, line: str) -> bool:
        """Say whether a line was not read before; lines come in order."""
        stamp = line.partition(" ")[0]
        if stamp < self.stamp:
            return False
        if stamp > self.stamp:
            self.stamp, self._count, self._met = stamp, 0, 0
        self._met += 1
        if self._met <= self._count:
            return False
        self._count = self._met
        return True


async def _next(lines: asyncio.Queue[LogLine], reading: asyncio.Task[None]) -> LogLine | None:
    """Return the next line; None when reading has ended and all are taken."""
    if lines.empty() and not reading.done():
        getting = asyncio.create_task(lines.get())
        try:
            await asyncio.wait({getting, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not getting.done():
                getting.cancel()
        if not getting.cancelling():
            return getting.result()
    return None if lines.empty() else lines.get_nowait()


def _line(pod: Pod, container: str, text: str) -> LogLine:
    at, rest = stamped(text)
    return LogLine(task=_task(pod), step=container.removeprefix(PREFIX), at=at, text=shown_line(rest))


def _task(pod: Pod) -> str:
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get(TASK_LABEL) or pod["metadata"]["name"])


def _containers(pod: Pod) -> list[str]:
    names = (str(one.get("name") or "") for one in pod["spec"].get("containers") or ())
    return [name for name in names if name.startswith(PREFIX)]


def _state(pod: Pod, container: str) -> Mapping[str, Any]:
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((one.get("state") or {} for one in found if one.get("name") == container), {})


def _has_begun(pod: Pod, container: str) -> bool:
    return bool({"running", "terminated"} & _state(pod, container).keys())


def _has_ended(pod: Pod) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
