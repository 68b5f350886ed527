"""A real nats-server for tests: JetStream with file storage, on a free loopback port."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nautes_localstack import binaries, ports
from nautes_localstack import nats as config
from nautes_localstack.nats import NatsUser
from support import containers
from support.containers import Contained
from support.processes import Server

__all__ = ["Nats", "NatsUser", "start_nats"]


@dataclass
class Nats(Server):
    """A running server. `url` has no credentials; a user's password is `passwords[name]`."""

    url: str
    monitor_url: str
    config_file: Path
    log_file: Path
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    process: subprocess.Popen[bytes] | Contained | None = None

    def start(self) -> None:
        """Start the server (again, on the same port and data) and wait until JetStream answers."""
        arguments = ["-c", str(self.config_file)]
        if containers.wanted():
            command = ["nats-server", *arguments, "--log", str(self.log_file)]
            self.process = Contained(containers.NATS, command, self.config_file.parent).start()
        else:
            with self.log_file.open("ab") as log:
                command = [str(binaries.nats_server()), *arguments]
                self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"nats-server did not start:\n{self.log_file.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: what was not synced is up to the operating system."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(10)
            self.process = None

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"{self.monitor_url}/healthz?js-enabled-only=true", timeout=1
            ) as answer:
                return json.load(answer).get("status") == "ok"
        except (urllib.error.URLError, OSError, ValueError):
            return False


def start_nats(
    tmp_path: Path,
    *,
    users: Sequence[NatsUser] = (),
    passwords: Mapping[str, str] | None = None,
    sync_always: bool = False,
) -> Nats:
    """Start a server with its data in `tmp_path/nats`; with users, each one's password is its name by default."""
    home = tmp_path / "nats"
    home.mkdir(parents=True, exist_ok=True)
    port, monitor_port = ports.choose(2)
    known = dict(passwords or {user.name: user.name for user in users})
    settings = config.NatsConfig(port, home / "data", monitor_port=monitor_port, sync_always=sync_always)
    config_file = home / "nats.conf"
    config_file.write_text(config.render(settings, users, known))
    server = Nats(
        url=f"nats://127.0.0.1:{port}",
        monitor_url=f"http://127.0.0.1:{monitor_port}",
        config_file=config_file,
        log_file=home / "nats.log",
        passwords=known,
    )
    server.start()
    return server
