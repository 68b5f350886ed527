"""The laptop stack for those who use it: start, stop, look, and break a part on purpose.

Synchronous; every call is a short one except `up` and `down`.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from nautes_localstack import lock, process, running
from nautes_localstack.description import PartDescription, PartStatus, Progress, StackDescription, StackStatus
from nautes_localstack.layout import SERVICES, Layout, default_state
from nautes_localstack.probes import Probe, answers

__all__ = [
    "NotRunningError",
    "Progress",
    "Stack",
    "StackDescription",
    "StackError",
    "StackStatus",
    "default_state",
    "load",
]

STOP_WITHIN: Final = 45.0
"""Seconds: services finish what they hold, then the servers go; the supervisor's own deadlines are shorter."""


class StackError(Exception):
    """The stack did not do what was asked; the message says why and where to look."""


class NotRunningError(StackError):
    """There is no supervisor for that state folder."""

    def __init__(self, state: Path) -> None:
        super().__init__(f"no stack is running with its state in {state}")


def load(state: Path) -> StackDescription:
    """Return the description of the stack that runs with this state folder; raise NotRunningError."""
    return Stack(state).load()


class Stack:
    """One stack, known by its state folder."""

    def __init__(self, state: Path, name: str = "local") -> None:
        self.layout = Layout(state.resolve())
        self.name = name
        self._bound: subprocess.Popen[bytes] | None = None

    def up(
        self,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        *,
        services: bool | Sequence[str] = True,
        tenant: str = "",
        clusters: Mapping[str, Path] | None = None,
        traces: bool = False,
        bound: bool = False,
    ) -> StackDescription:
        """Start the stack in the background and return when every part has answered.

        `services`: all five, none, or those named. `tenant` is chosen by the first start ("acme" if empty).
        `clusters`: kubeconfigs of clusters that run elsewhere and are used instead of the small ones of their names.
        With `traces` the services write their spans to the folder of that name. With `bound` the stack stops when the calling process ends. Raises StackError when it is running
        already or does not come up; then nothing of it is left running.
        """
        if (pid := lock.holder(self.layout.lock)) is not None:
            raise StackError(str(lock.AlreadyRunningError(pid)))
        wanted = [name for name in SERVICES if services is True or (services and name in services)]
        self.layout.prepare()
        reading, writing = os.pipe()
        command = [
            *(sys.executable, "-P", "-m", "nautes_localstack", "--state", str(self.layout.root)),
            *("--name", self.name, "--tenant", tenant, "--services", ",".join(wanted)),
            *(f"--cluster={cluster}={file.resolve()}" for cluster, file in (clusters or {}).items()),
            *(("--traces",) if traces else ()),
            *("--progress-fd", str(writing), "--bound" if bound else "--detach"),
        ]
        with self.layout.log("supervisor").open("ab") as log, os.fdopen(reading, encoding="utf-8") as lines:
            starter = subprocess.Popen(  # noqa: S603 - our own module with our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                start_new_session=not bound,
            )
            os.close(writing)
            if bound:
                self._bound = starter
            else:
                starter.wait()
            try:
                return self._follow(lines, on_progress)
            except KeyboardInterrupt:
                # Who gives up waiting does not want what comes up behind their back.
                self.down()
                raise

    def _follow(self, lines: Iterable[str], on_progress: Callable[[Progress], None]) -> StackDescription:
        for line in lines:
            progress = Progress.model_validate_json(line)
            on_progress(progress)
            if progress.part == "stack" and progress.state == "ready":
                return self.load()
            if progress.part == "stack":
                raise StackError(progress.message)
        raise StackError(f"the supervisor ended early: see {self.layout.log('supervisor')}")

    def down(self, *, within: float = STOP_WITHIN) -> bool:
        """Stop everything in order; after `within` seconds by force. Say whether anything was running."""
        pid = lock.holder(self.layout.lock)
        if pid is None:
            return bool(running.sweep(self.layout)) if self.layout.root.exists() else False
        _signal(pid, signal.SIGTERM)
        if not self._wait(lambda: not self.is_running(), within):
            _signal(pid, signal.SIGKILL)
            self._wait(lambda: not self.is_running(), 5)
            running.sweep(self.layout)
        if self._bound is not None:
            self._bound.wait()
        return True

    def reset(self) -> bool:
        """Stop everything and delete the state folder. Say whether there was one. Nothing can be undone."""
        self.down()
        if not self.layout.root.exists():
            return False
        known = self.layout.chosen.exists() or self.layout.lock.exists()
        if not known and any(self.layout.root.iterdir()):
            raise StackError(f"{self.layout.root} holds no stack: it is not deleted")
        shutil.rmtree(self.layout.root)
        return True

    def is_running(self) -> bool:
        """Say whether there is a supervisor."""
        return lock.holder(self.layout.lock) is not None

    def load(self) -> StackDescription:
        """Return what runs; raise NotRunningError."""
        if not self.is_running():
            raise NotRunningError(self.layout.root)
        try:
            return StackDescription.model_validate_json(self.layout.description.read_bytes())
        except (OSError, ValidationError):
            # Between taking the lock and the first process there is no description yet.
            raise NotRunningError(self.layout.root) from None

    def status(self) -> StackStatus:
        """Ask every part whether it works; raise NotRunningError."""
        described = self.load()
        parts = asyncio.run(_ask(described))
        return StackStatus(
            name=described.name,
            state=described.state,
            tenant=described.tenant,
            supervisor=described.supervisor,
            healthy=described.ready and all(part.healthy for part in parts),
            parts=parts,
        )

    def kill(self, part: str, how: signal.Signals = signal.SIGKILL, *, hold: bool = False) -> int:
        """Signal the process group of a part and return its number; the supervisor starts it again.

        With `hold` it stays down until `release`. Raises StackError for an unknown part.
        """
        described = self.load()
        if part not in described.parts:
            raise StackError(f"there is no part {part}: {', '.join(sorted(described.parts))}")
        if hold:
            (self.layout.hold / part).touch()
        pid = described.parts[part].pid
        process.signal_group(pid, how)
        self._wait(lambda: not process.is_same(pid, described.parts[part].created), 30)
        return pid

    def release(self, part: str) -> None:
        """Let the supervisor start a part again that is held down."""
        (self.layout.hold / part).unlink(missing_ok=True)

    def wait_healthy(self, within: float = 30.0, *, parts: Sequence[str] = ()) -> StackDescription:
        """Return when the parts (all, if none is named) run and answer; raise StackError after `within` seconds."""

        def healthy() -> bool:
            found = {part.name: part.healthy for part in self.status().parts}
            return all(found.get(name, False) for name in parts or found)

        if not self._wait(healthy, within):
            sick = [part.name for part in self.status().parts if not part.healthy]
            raise StackError(f"not healthy within {within:.0f} s: {', '.join(sick)}")
        return self.load()

    def _wait(self, condition: Callable[[], bool], within: float) -> bool:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


async def _ask(described: StackDescription) -> list[PartStatus]:
    healthy = await asyncio.gather(*(_healthy(part) for part in described.parts.values()))
    return [
        PartStatus(
            name=name,
            pid=part.pid,
            running=process.is_same(part.pid, part.created),
            healthy=well,
            port=part.port,
            url=part.url,
            rss=process.resident(part.pid),
            uptime=max(0.0, round(time.time() - part.created, 1)),
            restarts=part.restarts,
            log=part.log,
        )
        for (name, part), well in zip(described.parts.items(), healthy, strict=True)
    ]


async def _healthy(part: PartDescription) -> bool:
    # Whoever else listens on that port is not the part.
    return process.is_same(part.pid, part.created) and await answers(Probe(part.health_url, part.kubeconfig))


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
