"""The bus of an installation: nats-server with the very configuration of `k8s/`, on loopback."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from nautes_localstack import binaries, ports, rights
from nautes_localstack.layout import SERVICES
from nautes_runtime.settings import NatsSettings
from support import k8s, k8s_rights
from support.processes import Process

USERS = (*SERVICES, rights.OPERATOR)


@dataclass
class Member:
    """One server of the bus; `name` is what its pod would be called."""

    name: str
    client: int
    routes: int
    monitor: int
    process: Process

    def asked(self, path: str) -> dict[str, Any]:
        """Return what the monitoring port answers, nothing while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}{path}", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (urllib.error.URLError, OSError):
            return {}

    @property
    def ready(self) -> bool:
        """Whether the probe that a pod is started with would succeed."""
        return self.asked("/healthz").get("status") == "ok"


@dataclass
class Bus:
    """All servers of the bus, and the files that services get of it."""

    members: list[Member]
    folder: Path
    scheme: str

    def settings(self, user: str, member: int = 0) -> NatsSettings:
        """Return a service's settings for one of the servers."""
        encrypted = self.scheme == "tls"
        return NatsSettings(
            url=f"{self.scheme}://127.0.0.1:{self.members[member].client}",
            user=user,
            password_file=self.folder / f"{user}.password",
            ca_file=self.folder / "ca.crt" if encrypted else None,
            replicas=len(self.members),
        )


@contextmanager
def bus(folder: Path, overlay: str) -> Iterator[Bus]:
    """Run as many servers as the overlay has replicas; all are healthy when it yields."""
    objects = k8s.rendered(overlay)
    size = k8s.workloads(objects)["nats"]["spec"]["replicas"]
    files = k8s.configuration(objects, "nats-config")
    _write_certificates(folder)
    for user in USERS:
        # What looks like a number must stay a text.
        (folder / f"{user}.password").write_text(f"1e{USERS.index(user)}\n")
    chosen = ports.choose(3 * size)
    numbers = [chosen[index::size] for index in range(size)]
    with ExitStack() as stack:
        members = [_member(folder, files, numbers, index) for index in range(size)]
        for member in members:
            stack.callback(member.process.kill)
            member.process.start(lambda: True)
        for member in members:
            _wait(member)
        yield Bus(members, folder, "tls" if size > 1 else "nats")


def _wait(member: Member) -> None:
    from support.processes import wait_until

    wait_until(
        lambda: member.ready or not member.process.running, timeout=30, what=f"{member.name} is healthy"
    )
    assert member.process.running, member.process.log


def _member(folder: Path, files: Mapping[str, str], numbers: list[tuple[int, ...]], index: int) -> Member:
    name, place = f"nats-{index}", folder / f"nats-{index}"
    client, routes, monitor = numbers[index]
    for inside in ("config", "data", "run"):
        (place / inside).mkdir(parents=True)
    moved = {
        "0.0.0.0:4222": f"127.0.0.1:{client}",
        "0.0.0.0:6222": f"127.0.0.1:{routes}",
        "0.0.0.0:8222": f"127.0.0.1:{monitor}",
        **{f"nats-{i}.nats-pods.nautes.svc:6222": f"127.0.0.1:{numbers[i][1]}" for i in range(len(numbers))},
        '"/data"': f'"{place / "data"}"',
        "/run/nats": str(place / "run"),
        "/etc/nats-tls": str(folder),
    }
    for file, text in files.items():
        for before, after in moved.items():
            text = text.replace(before, after)  # noqa: PLW2901 - the next replaces in what this one did
        (place / "config" / file).write_text(text)
    environment = {"POD_NAME": name}
    environment |= {
        k8s_rights.variable(user): f'"{(folder / f"{user}.password").read_text().strip()}"' for user in USERS
    }
    command = [str(binaries.nats_server()), "-c", str(place / "config" / "nats.conf")]
    return Member(name, client, routes, monitor, Process(command, place / "log", environment))


def _write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "nats.nautes.svc", "*.nats-pods.nautes.svc")
    (folder / "ca.crt").write_bytes(authority.cert_pem.bytes())
    (folder / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / "tls.key").write_bytes(certificate.private_key_pem.bytes())
