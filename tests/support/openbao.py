"""A real OpenBao for tests: key-value mounts git, hook, cluster and the AppRole login enabled."""

import json
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nautes_localstack import binaries, ports
from nautes_localstack import openbao as config
from support import containers
from support.containers import Contained
from support.processes import Server


@dataclass
class OpenBao(Server):
    """A running server at `address`; the root token may do everything."""

    address: str
    root_token: str = field(repr=False)
    config_file: Path
    log_file: Path
    persistent: bool = False
    """Whether what was written survives a restart."""
    _mounted: bool = field(default=False, init=False)
    process: subprocess.Popen[bytes] | Contained | None = None

    def start(self) -> None:
        """Start the server (again) and wait until it is unsealed and active."""
        if containers.wanted():
            self.process = self._contained().start()
        else:
            with self.log_file.open("ab") as log:
                command = [str(binaries.openbao()), "server", f"-config={self.config_file}"]
                self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"OpenBao did not start:\n{self.log_file.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None
            self._mounted = False

    def _contained(self) -> Contained:
        """Return Vault in its development mode, which keeps nothing; OpenBao's configuration is not for it."""
        if self.persistent:
            pytest.skip("Vault in a container forgets on restart; this test needs what was written before")
        address = self.address.removeprefix("http://")
        told = [
            f"-dev-root-token-id={self.root_token}",
            f"-dev-listen-address={address}",
            "-dev-no-store-token",
        ]
        command = ["vault", "server", "-dev", *told]
        return Contained(containers.VAULT, command, self.config_file.parent)

    def _ready(self) -> bool:
        if containers.wanted() and not self._mounted:
            self._mounted = self._answers("auth/token/lookup-self") and self._mount()
        # Active is not enough: the initialisation's calls run after that (the token's is the last of them),
        # and a new key-value mount answers 400 while it upgrades itself.
        return self._answers("auth/token/lookup-self") and all(
            self._answers(f"{mount}/config") for mount in config.MOUNTS
        )

    def _mount(self) -> bool:
        return all(self._answers(one.path, json.dumps(one.data).encode()) for one in config.mount_requests())

    def _answers(self, path: str, body: bytes | None = None) -> bool:
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", data=body, headers={"X-Vault-Token": self.root_token}
        )
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                return answer.status in (200, 204)
        except (urllib.error.URLError, OSError):
            return False


def start_openbao(tmp_path: Path, *, persistent: bool = False) -> OpenBao:
    """Start a server with its files in `tmp_path/openbao`.

    In memory it starts in 0.2 s and forgets on restart; persistent (raft) it takes about 4 s the first time.
    """
    home = tmp_path / "openbao"
    (home / "raft").mkdir(parents=True, exist_ok=True)
    seal_key = home / "seal.key"
    if not seal_key.exists():
        seal_key.write_bytes(secrets.token_bytes(config.SEAL_KEY_BYTES))
    port, cluster_port = ports.choose(2)
    token = secrets.token_hex(16)
    config_file = home / "openbao.json"
    settings = config.OpenBaoConfig(
        port,
        cluster_port,
        seal_key,
        home / "raft" if persistent else None,
        initialize=[*config.mount_requests(), config.token_request(token, ["root"])],
    )
    config_file.write_text(config.render(settings))
    server = OpenBao(f"http://127.0.0.1:{port}", token, config_file, home / "openbao.log", persistent)
    server.start()
    return server
