"""Keeping the parts running: started after their needs, watched, started again, stopped in reverse."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nautes_localstack import process
from nautes_localstack.description import Progress
from nautes_localstack.parts import NEEDS, Part
from nautes_localstack.probes import answers

BACKOFF: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a part is started again; the last one repeats."""

STEADY: Final = 30.0
"""Seconds after which a part counts as running well, and a crash as its first."""

PATIENCE: Final = 60.0
"""Seconds within which a part must answer for the first time."""

FIRST_CRASHES: Final = 3
"""Crashes before a part has ever answered until the start is given up."""

LOG_LIMIT: Final = 20 * 1024 * 1024
"""Bytes of a log until it becomes `<name>.log.1`."""

log = logging.getLogger("nautes.local")


class StartError(Exception):
    """A part or a set-up step did not come up; the message says which and where to look."""


@dataclass
class Child:
    """A part's process, as far as it has one."""

    part: Part
    process: asyncio.subprocess.Process | None = None
    created: float = 0.0
    restarts: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)


def backoff(crashes: int) -> float:
    """Return the seconds to wait before the start after the given number of crashes in a row (from 1)."""
    return BACKOFF[min(max(crashes, 1), len(BACKOFF)) - 1]


def waves(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts in groups: each needs only members of earlier groups, directly or through a set-up."""
    waiting = {part.name: part for part in parts}
    grouped: list[list[Part]] = []
    while waiting:
        group = [part for part in waiting.values() if not _before(part) & waiting.keys()]
        if not group:
            raise ValueError(f"parts need each other in a circle: {', '.join(sorted(waiting))}")
        grouped.append(group)
        for part in group:
            del waiting[part.name]
    return grouped


def _before(part: Part) -> set[str]:
    found: set[str] = set()
    ahead = list(part.needs)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(NEEDS.get(name, ()))
    return found


class Supervisor:
    """Runs the parts until told to stop. `changed` is called whenever a process was started or ready."""

    def __init__(
        self,
        parts: Sequence[Part],
        steps: Mapping[str, Callable[[], Awaitable[None]]],
        environment: Mapping[str, str],
        *,
        logs: Callable[[str], Path],
        hold: Path,
    ) -> None:
        self.children = {part.name: Child(part) for part in parts}
        self._parts = parts
        self._steps = steps
        self._done = {name: asyncio.Event() for name in steps}
        self._environment = environment
        self._logs = logs
        self._hold = hold
        self._began = 0.0
        self.ready = False
        self.report: Callable[[Progress], None] = lambda _progress: None
        self.changed: Callable[[], None] = lambda: None

    async def run(self, stop: asyncio.Event, abandon: asyncio.Event) -> None:
        """Bring everything up, keep it up until `stop`, then stop it; `abandon` cuts the stopping short.

        Raises StartError when something does not come up; everything is stopped by then.
        """
        self._began = asyncio.get_running_loop().time()
        tasks = [
            *(asyncio.create_task(self._keep(child)) for child in self.children.values()),
            *(asyncio.create_task(self._set_up(name)) for name in self._steps),
            asyncio.create_task(self._announce()),
            asyncio.create_task(self._rotate()),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            await self._watch(tasks, stopping)
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            await self._stop_all(abandon)

    async def _watch(self, tasks: list[asyncio.Task[None]], stopping: asyncio.Task[bool]) -> None:
        running: set[asyncio.Task[None] | asyncio.Task[bool]] = {*tasks, stopping}
        while not stopping.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                # Set-ups end; whatever fails ends the stack.
                task.result()

    async def _announce(self) -> None:
        for event in (*self._done.values(), *(child.ready for child in self.children.values())):
            await event.wait()
        self.ready = True
        self.changed()
        self._say("stack", "ready")

    async def _set_up(self, name: str) -> None:
        await self._needs(NEEDS[name])
        try:
            await self._steps[name]()
        except Exception as error:
            self._say(name, "failed", str(error))
            raise StartError(f"{name} failed: {error}") from error
        self._done[name].set()
        self._say(name, "ready")

    async def _keep(self, child: Child) -> None:
        await self._needs(child.part.needs)
        loop = asyncio.get_running_loop()
        crashes = 0
        while True:
            begun = loop.time()
            running = await self._start(child)
            watching = asyncio.create_task(self._wait_ready(child, running))
            try:
                code = await running.wait()
            finally:
                watching.cancel()
            crashes = 1 if loop.time() - begun > STEADY else crashes + 1
            process.signal_group(running.pid, signal.SIGKILL)
            self._crashed(child, code, crashes)
            await asyncio.sleep(backoff(crashes))
            while (self._hold / child.part.name).exists():  # noqa: ASYNC110 - another process removes the file
                await asyncio.sleep(0.05)
            child.restarts += 1

    async def _needs(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._done:
                await self._done[name].wait()
            elif name in self.children:  # What is no child runs elsewhere, and was there before us.
                await self.children[name].ready.wait()

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        part = child.part
        self._say(part.name, "starting")
        try:
            running = await process.start(
                part.command, {**self._environment, **part.environment}, self._logs(part.name)
            )
        except OSError as error:
            raise StartError(f"{part.name} cannot be started: {error}") from error
        child.process, child.created = running, process.created(running.pid)
        self.changed()
        return running

    async def _wait_ready(self, child: Child, running: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not await answers(child.part.probe):
            if loop.time() > deadline:
                if not child.ready.is_set():
                    self._say(child.part.name, "failed", f"did not answer within {PATIENCE:.0f} s")
                process.signal_group(running.pid, signal.SIGKILL)
                return
            await asyncio.sleep(0.05)
        child.ready.set()
        self._say(child.part.name, "ready")
        self.changed()

    def _crashed(self, child: Child, code: int, crashes: int) -> None:
        name = child.part.name
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._say(name, "crashed", how)
        if not child.ready.is_set() and crashes >= FIRST_CRASHES:
            self._say(name, "failed", how)
            raise StartError(f"{name} ends again and again ({how}): see {self._logs(name)}")

    async def _stop_all(self, abandon: asyncio.Event) -> None:
        for wave in reversed(waves(self._parts)):
            await asyncio.gather(*(self._stop(self.children[part.name], abandon) for part in wave))

    async def _stop(self, child: Child, abandon: asyncio.Event) -> None:
        if child.process is None:
            return
        stopping = asyncio.create_task(process.stop(child.process, child.part.stop_after))
        giving_up = asyncio.create_task(abandon.wait())
        await asyncio.wait({stopping, giving_up}, return_when=asyncio.FIRST_COMPLETED)
        giving_up.cancel()
        if not stopping.done():
            process.signal_group(child.process.pid, signal.SIGKILL)
        await stopping
        self._say(child.part.name, "stopped")

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(30)
            for name in (*self.children, "supervisor"):
                rotate(self._logs(name), LOG_LIMIT)

    def _say(self, part: str, state: str, message: str = "") -> None:
        seconds = round(asyncio.get_running_loop().time() - self._began, 2)
        log.info("%s %s %s", part, state, message)
        self.report(
            Progress.model_validate({"part": part, "state": state, "seconds": seconds, "message": message})
        )


def rotate(path: Path, limit: int) -> bool:
    """Move what a log holds to `<name>.1` if it is longer than `limit` bytes; say whether it was.

    The file is copied and cut, since its writer keeps it open; it appends, so it goes on at the new end.
    What it writes in between is lost.
    """
    if not path.exists() or path.stat().st_size <= limit:
        return False
    path.with_name(path.name + ".1").write_bytes(path.read_bytes())
    with path.open("r+b") as file:
        file.truncate(0)
    return True
