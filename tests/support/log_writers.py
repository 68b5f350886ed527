"""What runs a run, played far enough that it writes: one way for each engine."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nautes_domain.run_logs import LineSplitter, LogLine, shown_line
from nautes_domain.runs import RunPhase
from support import tekton
from support.engines import Harness


@dataclass
class Writer:
    """Begins the task `unit` of one run, writes lines of it, and ends the run."""

    harness: Harness
    begin: Callable[[], Awaitable[None]]
    write: Callable[..., Awaitable[None]]
    end: Callable[[RunPhase], Awaitable[None]]

    @property
    def engine(self) -> Any:
        return self.harness.engine


def memory_writer(harness, request):
    place = (request.namespace, request.name)
    count = itertools.count()

    async def begin():
        await harness.move(request, RunPhase.RUNNING)

    async def write(*lines):
        for text in lines:
            (bounded,) = LineSplitter().feed(text.encode() + b"\n")
            at = datetime.fromtimestamp(next(count), UTC)
            line = LogLine(task="unit", step="one", at=at, text=shown_line(bounded))
            await harness.engine.write(*place, line)

    async def end(phase):
        await harness.move(request, phase)

    return Writer(harness, begin, write, end)


def tekton_writer(harness, client, request):
    pod = tekton.Pod(client, request.namespace, request.name, "unit", ("one",))

    async def begin():
        await harness.move(request, RunPhase.RUNNING)
        await pod.create()
        await pod.run()

    async def write(*lines):
        await pod.write("one", *lines)

    async def end(phase):
        await pod.end(0 if phase is RunPhase.SUCCEEDED else 3)
        await harness.move(request, phase)

    return Writer(harness, begin, write, end)


def gitlab_ci_writer(harness, ci, request):
    written = 0

    async def begin():
        await harness.move(request, RunPhase.RUNNING)

    async def write(*lines):
        nonlocal written
        job = ci.taken[await ci.numbered(request)]
        text = "".join(f"{line}\n" for line in lines)
        assert await ci.runner.write(job, text, start=written) == 202
        written += len(text.encode())

    async def end(phase):
        await harness.move(request, phase)

    return Writer(harness, begin, write, end)
