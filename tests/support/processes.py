"""Child processes for tests: free ports, waiting without fixed sleeps, one supervised subprocess."""

import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from nautes_localstack import ports

T = TypeVar("T")


def free_port() -> int:
    """Return a loopback port that nobody listens on and that the kernel does not lend out."""
    return ports.choose(1)[0]


def wait_until(
    condition: Callable[[], T], *, timeout: float = 10.0, every: float = 0.02, what: str = "the condition"
) -> T:
    """Return the first truthy value of `condition`; raise TimeoutError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s")
        time.sleep(every)
    return value


class Server(ABC):
    """What starts and stops, again and again, and does not outlive its block."""

    @abstractmethod
    def start(self) -> None:
        """Start, on the address and data of the time before, and wait until it answers."""

    @abstractmethod
    def stop(self) -> object:
        """Stop in order; nothing happens if it does not run."""

    def restart(self) -> None:
        """Stop if running, start with the same address."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass
class Process:
    """A subprocess with its output in a file; starts, stops, is killed, starts again."""

    command: Sequence[str]
    log_file: Path
    environment: Mapping[str, str] | None = None
    """None: that of the tests."""
    popen: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process id; RuntimeError when it is not started."""
        if self.popen is None:
            raise RuntimeError("the process is not started")
        return self.popen.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.popen is not None and self.popen.poll() is None

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self, ready: Callable[[], object] = lambda: True, timeout: float = 20.0) -> None:
        """Start and wait until `ready`; if it ends before or takes too long, raise RuntimeError with its output."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self.popen = self._launch()
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.command[0]} did not start:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if self.environment is None else dict(self.environment),
            )

    def stop(self, timeout: float = 30.0) -> int:
        """SIGTERM, wait, return the exit code; SIGKILL and TimeoutExpired when it does not end in time."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> int:
        """SIGKILL and wait."""
        return self._end(signal.SIGKILL, 10.0)

    def _end(self, how: signal.Signals, timeout: float) -> int:
        process, self.popen = self.popen, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def python_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs `python -m name` with this interpreter."""
    return [sys.executable, "-m", name, *arguments]
