"""A real forge for tests, in its own process, with the administrator's token."""

import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from support.processes import Process, free_port, python_module

ROOT_TOKEN = "glpat-root-token-of-the-tests"


@dataclass
class Forge:
    """A running forge at `url`; `token` is that of user `root`."""

    url: str
    token: str = field(repr=False)
    process: Process

    def start(self) -> None:
        """Start (again, on the same port and state) and wait until it answers."""
        self.process.start(self._ready)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/readiness", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def start_forge(tmp_path: Path, *arguments: str) -> Forge:
    """Start a forge with its state in `tmp_path/forge`; further command line arguments may follow."""
    home = tmp_path / "forge"
    home.mkdir(parents=True, exist_ok=True)
    token_file = home / "root-token"
    token_file.write_text(ROOT_TOKEN + "\n")
    token_file.chmod(0o600)
    port = free_port()
    command = python_module(
        "nautes_localstack.forge",
        *("--host", "127.0.0.1", "--port", str(port), "--state", str(home / "state")),
        *("--root-token-file", str(token_file)),
        *arguments,
    )
    forge = Forge(f"http://127.0.0.1:{port}", ROOT_TOKEN, Process(command, home / "forge.log"))
    forge.start()
    return forge
