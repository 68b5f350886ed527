"""A Docker engine, Compose and a base image, found or made: what the Compose stack's test runs on.

An engine that answers is used as it is. Where only Debian's `dockerd` is installed and we are root, one is started
for the time of the test, with a folder of its own. Where the base image cannot be pulled, one is made of Debian
packages.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / ".tools" / "docker"
"""What an engine of our own keeps between tests: images and layers."""

PYTHON_IMAGE: Final = "docker.io/library/python:3.13-slim-bookworm"
DEBIAN_IMAGE: Final = "nautes/python-debian:bookworm"
DEBIAN_PACKAGES: Final = "python3,python3-venv,ca-certificates"
AUTHORITIES: Final = Path("usr/local/share/ca-certificates")
"""Debian's folder for authorities that the administrator added."""

PULL_WITHIN: Final = 120.0
START_WITHIN: Final = 30.0

VARIANTS: Final[Sequence[Sequence[str]]] = (
    (),
    ("--storage-driver=vfs",),
    ("--iptables=false", "--ip6tables=false"),
    ("--iptables=false", "--ip6tables=false", "--storage-driver=vfs"),
)
"""Settings of dockerd, tried in this order: without overlays, and without rights on the packet filter."""


class AbsentError(Exception):
    """Something is missing; the message says what, and how to get it."""


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and the Compose beside it. `network`: of builds, empty for the engine's own choice."""

    compose: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    network: str = ""

    @property
    def waits(self) -> bool:
        """Whether `up` can wait for health itself: Compose 2 can."""
        return self.compose[0] == "docker"

    def run(self, *command: str, quiet: bool = False, **more: str) -> None:
        """Run a command; raise CalledProcessError if it fails, with its output if that is not shown."""
        subprocess.run(
            command, check=True, cwd=ROOT, env={**self.environment, **more}, capture_output=quiet, text=True
        )

    def ask(self, *command: str, **more: str) -> str:
        """Return what a command writes; raise CalledProcessError if it fails."""
        done = subprocess.run(
            command, check=True, cwd=ROOT, env={**self.environment, **more}, capture_output=True, text=True
        )
        return done.stdout

    def has(self, image: str) -> bool:
        """Whether an image is there."""
        return _works(self.environment, "docker", "image", "inspect", image)


@contextmanager
def engine(environment: Mapping[str, str]) -> Iterator[Engine]:
    """Yield an engine; one that was started here is stopped afterwards. Raises AbsentError."""
    if shutil.which("docker") is None:
        raise AbsentError("no docker: apt-get install docker.io docker-compose")
    compose = _compose(environment)
    if _works(environment, "docker", "version"):
        yield Engine(compose, environment)
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        raise AbsentError(
            "no Docker engine answers: start one, or run this as root with Debian's package docker.io"
        )
    with tempfile.TemporaryDirectory(prefix="nautes-docker-") as folder:
        for settings in VARIANTS:
            process = _start(Path(folder), settings)
            own = {**environment, "DOCKER_HOST": f"unix://{folder}/socket"}
            try:
                if _answers(process, own):
                    filtered = not any("iptables" in one for one in settings)
                    yield Engine(compose, own, "" if filtered else "host")
                    return
            finally:
                process.terminate()
                process.wait(timeout=60)
    raise AbsentError(f"dockerd does not start here: see {KEPT / 'log'}")


def base_image(found: Engine, wanted: str) -> str:
    """Return the image to build from: the one wanted, the usual one, or one made of Debian packages."""
    if wanted:
        return wanted
    if found.has(PYTHON_IMAGE) or _pulls(found):
        return PYTHON_IMAGE
    if not found.has(DEBIAN_IMAGE):
        _make(found)
    return DEBIAN_IMAGE


def package_index(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the build arguments that say where packages come from, as pip is told on this machine."""
    index = environment.get("PIP_INDEX_URL", "")
    if not index and (pip := shutil.which("pip")):
        command = [pip, "config", "get", "global.index-url"]
        index = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    found = {
        "PIP_INDEX_URL": index,
        "UV_DEFAULT_INDEX": environment.get("UV_DEFAULT_INDEX", index),
        # Arguments that every Dockerfile has ("Predefined ARGs").
        **{name: environment.get(name, "") for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")},
    }
    return {name: value for name, value in found.items() if value}


def _compose(environment: Mapping[str, str]) -> Sequence[str]:
    if _works(environment, "docker", "compose", "version"):
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise AbsentError("no Compose: apt-get install docker-compose, or Docker's plugin docker-compose-plugin")


def _start(folder: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    KEPT.mkdir(parents=True, exist_ok=True)
    command = [
        "dockerd",
        f"--host=unix://{folder}/socket",
        f"--data-root={KEPT / 'data'}",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        *settings,
    ]
    with (KEPT / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _answers(process: subprocess.Popen[bytes], environment: Mapping[str, str]) -> bool:
    deadline = time.monotonic() + START_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        if _works(environment, "docker", "version"):
            return True
        time.sleep(0.2)
    return False


def _pulls(found: Engine) -> bool:
    try:
        return _works(found.environment, "docker", "pull", "--quiet", PYTHON_IMAGE, timeout=PULL_WITHIN)
    except subprocess.TimeoutExpired:
        return False


def _make(found: Engine) -> None:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise AbsentError(
            f"{PYTHON_IMAGE} cannot be pulled: set PYTHON_IMAGE to an image with Python and venv, "
            "or run this as root with Debian's package debootstrap, which makes one"
        )
    with tempfile.TemporaryDirectory(prefix="nautes-debian-") as folder:
        found.run(
            "debootstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", "bookworm", folder, quiet=True
        )
        # Who this machine trusts, builds trust: packages may come through a proxy of the house.
        if (Path("/") / AUTHORITIES).is_dir():
            shutil.copytree(Path("/") / AUTHORITIES, Path(folder) / AUTHORITIES, dirs_exist_ok=True)
        found.run("chroot", folder, "update-ca-certificates", quiet=True)
        shutil.rmtree(Path(folder) / "var/cache/apt/archives")
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        with subprocess.Popen(["tar", "--create", "--directory", folder, "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(
                [
                    "docker",
                    "import",
                    f"--change=ENV SSL_CERT_FILE={bundle} PIP_CERT={bundle}",
                    "-",
                    DEBIAN_IMAGE,
                ],
                stdin=tar.stdout,
                env=dict(found.environment),
                check=True,
                capture_output=True,
            )


def _works(environment: Mapping[str, str], *command: str, timeout: float | None = None) -> bool:
    done = subprocess.run(command, env=dict(environment), capture_output=True, check=False, timeout=timeout)
    return done.returncode == 0
