"""A real local Kubernetes API for tests, in a process of its own."""

import secrets
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from support import containers
from support.processes import Process, Server, free_port, python_module


@dataclass
class LocalKubernetes(Server):
    """A running server at `url` (https); the token is that of the administrator."""

    url: str
    token: str = field(repr=False)
    ca_file: Path
    kubeconfig: Path
    process: Process
    is_real: ClassVar[bool] = False
    """Whether this is a server of Kubernetes itself."""

    def start(self) -> None:
        """Start (again), with all that it kept, and wait until it is ready."""
        self.process.start(self._is_ready)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        return self.process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def _is_ready(self) -> bool:
        if not (self.ca_file.exists() and self.kubeconfig.exists()):
            return False
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca_file))),
        )
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def start_kubernetes(
    tmp_path: Path,
    name: str = "build-east",
    *,
    crds: Path | None = None,
    history: int | None = None,
    absent_finalizer: str = "",
) -> LocalKubernetes:
    """Start a server with its files in `tmp_path/kubernetes-<name>`.

    `crds`: a directory of definitions instead of the shipped ones; `history`: changes that watches can go back;
    `absent_finalizer`: one that the server takes off by itself.
    """
    state = tmp_path / f"kubernetes-{name}"
    state.mkdir(parents=True, exist_ok=True)
    token_file = state / "admin-token"
    if not token_file.exists():
        token_file.write_text(secrets.token_urlsafe(24) + "\n")
        token_file.chmod(0o600)
    if containers.wanted():
        if history or absent_finalizer:
            pytest.skip("what only the small Kubernetes API has is not to be had of k3s")
        return _start_k3s(state, name, token_file.read_text().strip(), crds)
    port = free_port()
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--state", str(state), "--name", name]
    arguments += ["--token-file", str(token_file)]
    arguments += ["--crds", str(crds)] if crds else []
    arguments += ["--history", str(history)] if history else []
    arguments += ["--absent-finalizer", absent_finalizer] if absent_finalizer else []
    server = LocalKubernetes(
        url=f"https://127.0.0.1:{port}",
        token=token_file.read_text().strip(),
        ca_file=state / "ca.pem",
        kubeconfig=state / "kubeconfig.yaml",
        process=Process(python_module("nautes_localstack.kubernetes", *arguments), state / "server.log"),
    )
    server.start()
    return server


def _start_k3s(state: Path, name: str, token: str, crds: Path | None) -> LocalKubernetes:
    # Imported here: nothing else of these suites needs it.
    from support import kubernetes_k3s

    port = free_port()
    url = f"https://127.0.0.1:{port}"
    process = kubernetes_k3s.server(state, port, token)
    server = LocalKubernetes(url, token, state / "ca.pem", state / "kubeconfig.yaml", process)
    process.start(
        lambda: kubernetes_k3s.write_files(state, url, name, token) and server._is_ready(), timeout=90
    )
    kubernetes_k3s.install_definitions(server.kubeconfig, crds)
    return server
