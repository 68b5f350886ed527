"""The servers of the suites in containers instead of from wheels: `pytest --containers`.

A container shares the network of the machine and sees the server's folder under the same path, so that the server
is told exactly what a process would be told. Without an engine or an image a test is skipped, and says which.
"""

import gc
import os
import signal
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

NATS: Final = "docker.io/library/nats:2.15.1-alpine"
VAULT: Final = "docker.io/hashicorp/vault:1.21.1"
K3S: Final = "docker.io/rancher/k3s:v1.34.1-k3s1"

_config: list[pytest.Config] = []


def configure(config: pytest.Config) -> None:
    """Remember whether the run asks for containers."""
    _config[:] = [config] if config.getoption("--containers") else []


def wanted() -> bool:
    """Whether servers are to run in containers."""
    return bool(_config)


@cache
def missing(image: str) -> str:
    """Return what keeps this image from being run, empty if nothing does. Asked once in a run."""
    with warnings.catch_warnings():
        # docker-py leaves a socket open behind a refused connection.
        warnings.simplefilter("ignore", ResourceWarning)
        reason = _missing(image)
        gc.collect()
    return reason


def _missing(image: str) -> str:
    import docker

    try:
        client = docker.from_env(timeout=20)
    except docker.errors.DockerException as error:
        return f"no container engine answers: {_short(error)}"
    try:
        client.ping()
        client.images.get(image)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(image)
        except docker.errors.DockerException as error:
            return f"image {image} is not here and cannot be pulled: {_short(error)}"
    except docker.errors.DockerException as error:
        return f"no container engine answers: {_short(error)}"
    finally:
        client.close()
    return ""


@dataclass
class Contained:
    """One server in a container; as far as the fixtures look, a `subprocess.Popen`."""

    image: str
    command: list[str]
    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    container: Any = field(default=None, init=False)

    def start(self) -> "Contained":
        """Start it; the test is skipped where that cannot be."""
        if reason := missing(self.image):
            pytest.skip(reason)
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        # Its reaper is one more image; what is started here is stopped here.
        testcontainers_config.ryuk_disabled = True
        shared = {"network_mode": "host", "user": f"{os.getuid()}:{os.getgid()}", "entrypoint": ""}
        container = DockerContainer(self.image, command=self.command).with_kwargs(**shared | self.options)
        self.container = container.with_volume_mapping(str(self.folder), str(self.folder), "rw").start()
        return self

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        wrapped = self.container.get_wrapped_container()
        wrapped.reload()
        return None if wrapped.status in ("created", "running") else int(wrapped.attrs["State"]["ExitCode"])

    def send_signal(self, how: signal.Signals) -> None:
        """Send a signal to the server."""
        self.container.get_wrapped_container().kill(signal=how.name)

    def wait(self, timeout: float) -> int:
        """Wait for the end, and remove the container."""
        code = int(self.container.get_wrapped_container().wait(timeout=timeout)["StatusCode"])
        self.container.stop()
        return code


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
