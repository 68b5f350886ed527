"""A reconciler that is born at once and dies on demand: `python -m support.mortal_reconciler LOG`.

Each line on stdin is one life. Everything is imported once and each life is a fork, or two hundred lives would be
two hundred times the import of all its libraries. A life may name a step at which the process kills itself: the
n-th time that a function is entered or left, awaits included. Nothing of the product is changed for it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from nautes_adapters.kubernetes import KubernetesClient
from nautes_adapters.tekton import TektonEngine
from nautes_reconciler.app import SERVICE, build
from nautes_reconciler.attending import Attendant
from nautes_reconciler.deliveries import Deliveries
from nautes_reconciler.missed import MissedPushes
from nautes_reconciler.queueing import Queue
from nautes_reconciler.results import Results
from nautes_reconciler.runs import Starter
from nautes_reconciler.settings import ReconcilerSettings
from nautes_reconciler.started import StartedRuns
from nautes_runtime.bus import Bus
from nautes_runtime.service import run
from support.processes import python_module

STEPS: Final = {
    step.__qualname__: step.__code__
    for step in (
        Deliveries.handle, Starter.start, StartedRuns.knows, TektonEngine.start, KubernetesClient.create,
        StartedRuns.remember, Bus.effect, Bus.decision, MissedPushes.heard,
        Queue.settle, Queue._carry_out, Queue._record, TektonEngine.steer, KubernetesClient.patch_merge,
        KubernetesClient.delete, Attendant._settle, Results.report, Results._show, TektonEngine.mark_reported,
    )
}  # fmt: skip
"""What happens from a delivery to a run, and from a run to its place in the queue and its report."""


class Mortal:
    """One life after the other, seen from the test."""

    def __init__(self, log: Path, settings: Mapping[str, str]) -> None:
        command = [*python_module("support.mortal_reconciler"), str(log)]
        tests = str(Path(__file__).parents[1])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**settings, "PATH": os.environ["PATH"], "PYTHONPATH": tests},  # noqa: TID251
            text=True,
        )
        self._pid = 0
        """Of the present life; 0 if there is none."""

    def live(self, step: str = "", event: str = "", count: int = 0) -> None:
        """Begin a life, to end at a step if one is named."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"step": step, "event": event, "count": count}) + "\n")
        self._process.stdin.flush()
        self._pid = int(self._answer())

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def ended(self) -> int:
        """Wait for its end; return the status of `os.waitpid`."""
        status, self._pid = int(self._answer()), 0
        return status

    def close(self) -> None:
        """End it, and the process that gives birth."""
        self.kill()
        with self._process as process:
            process.terminate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _until(step: str, event: str, count: int) -> None:
    code, seen = STEPS[step], 0

    def watch(frame: Any, happened: str, _: Any) -> None:
        nonlocal seen
        if frame.f_code is code and happened == event:
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def _live(life: Mapping[str, Any], log: Path) -> None:
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    if life["step"]:
        _until(life["step"], life["event"], life["count"])
    settings = ReconcilerSettings()
    run(SERVICE, settings, partial(build, settings))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    log = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(json.loads(line), log)
            os._exit(0)
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(status)


if __name__ == "__main__":
    main()
