"""A real gateway process for tests, with its hooks in a real OpenBao, and what it stored read back from NATS."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import nats
from nats.js.errors import NotFoundError

from nautes_domain import names
from nautes_domain.events import PARTITIONS, Delivery
from nautes_localstack import ports
from support.openbao import OpenBao

TENANT = "acme"
HOOK = "orchard.apple-api-src"
TOKEN = "canary-token-5ea1"
SIGNING = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PROJECT = 15
START = 20
"""Seconds; a generous bound, not a measurement."""


def push_body(
    before: str = "a" * 40, after: str = "b" * 40, *, project_id: int = PROJECT, **more: Any
) -> bytes:
    """Return a push of GitLab's shape."""
    return json.dumps(
        {
            "object_kind": "push",
            "event_name": "push",
            "before": before,
            "after": after,
            "ref": "refs/heads/main",
            "checkout_sha": after,
            "user_username": "ada",
            "user_email": "canary-mail@example.org",
            "project_id": project_id,
            "project": {"id": project_id, "path_with_namespace": "orchard/apple-api-src"},
            "commits": [{"id": after, "message": "Ripen", "added": ["a"], "modified": [], "removed": []}],
            "total_commits_count": 1,
            **more,
        }
    ).encode()


def headers(key: str = "", token: str = TOKEN) -> dict[str, str]:
    """Return the headers of a delivery with a secret token."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/19.0",
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Instance": "https://gitlab.example",
        "X-Gitlab-Event-UUID": str(uuid4()),
        "Idempotency-Key": key or str(uuid4()),
        "X-Gitlab-Token": token,
    }


def signed_headers(body: bytes, key: str = "", secret: str = SIGNING) -> dict[str, str]:
    """Return the headers of a delivery that is signed now."""
    sent = headers(key)
    del sent["X-Gitlab-Token"]
    message_id, timestamp = sent["Idempotency-Key"], str(int(time.time()))
    mac = hmac.new(
        base64.b64decode(secret.removeprefix("whsec_")),
        f"{message_id}.{timestamp}.".encode() + body,
        hashlib.sha256,
    )
    signature = "v1," + base64.b64encode(mac.digest()).decode()
    return sent | {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def write_hook(openbao: OpenBao, hook: str = HOOK, project_id: int = PROJECT, **fields: str) -> None:
    """Store a hook's secrets, as the secret broker does."""
    values = {"token": TOKEN, "signing_token": "", "previous_token": "", "previous_signing_token": ""}
    data = values | {"project_id": str(project_id)} | fields
    _bao(openbao, f"hook/data/{names.hook_secret_path(hook)}", {"data": data})


def _bao(openbao: OpenBao, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(
        f"{openbao.address}/v1/{path}", json=body, headers={"X-Vault-Token": openbao.root_token}
    ).raise_for_status()
    return answer.json() if answer.content else {}


def approle(openbao: OpenBao, folder: Path) -> dict[str, str]:
    """Make the gateway's role, which reads hook secrets only; return its settings."""
    policy = json.dumps({"path": {"hook/data/*": {"capabilities": ["read"]}}})
    _bao(openbao, "sys/policies/acl/webhook-gateway", {"policy": policy})
    _bao(openbao, "auth/approle/role/webhook-gateway", {"token_policies": ["webhook-gateway"]})
    address = f"{openbao.address}/v1/auth/approle/role/webhook-gateway/role-id"
    role_id = httpx.get(address, headers={"X-Vault-Token": openbao.root_token}).json()["data"]["role_id"]
    secret_id = _bao(openbao, "auth/approle/role/webhook-gateway/secret-id", {})["data"]["secret_id"]
    file = folder / "secret-id"
    file.write_text(secret_id + "\n")
    return {
        "NAUTES_VAULT__ADDRESS": openbao.address,
        "NAUTES_VAULT__ROLE_ID": role_id,
        "NAUTES_VAULT__SECRET_ID_FILE": str(file),
    }


@dataclass
class Gateway:
    """A gateway process; `url` is where a hook is called, without the hook's id."""

    environment: dict[str, str] = field(repr=False)
    port: int
    health_port: int
    spool: Path
    log_file: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.base}/hooks/gitlab/{HOOK}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def spooled(self) -> list[str]:
        return sorted(path.name for path in self.spool.glob("*.json"))

    def start(self, *, connected: bool = True) -> None:
        """Start (again) and wait until it answers and, if `connected`, until it has the bus."""
        seen = len(self.log) if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            command = [sys.executable, "-m", "nautes_webhook_gateway"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        until(lambda: self._is_running() and self._is_ready(), "gateway to answer", self.log_file)
        if connected:
            until(lambda: "bus connected" in self.log[seen:], "gateway to connect", self.log_file)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process = None
        return code

    def _is_running(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"gateway ended:\n{self.log[-3000:]}")
        return True

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.health_port}/readyz", timeout=1)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


def until(condition: Any, what: str, log_file: Path | None = None, seconds: float = START) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            tail = log_file.read_text()[-3000:] if log_file else ""
            raise TimeoutError(f"waited in vain for {what}\n{tail}")
        time.sleep(0.02)


@contextmanager
def running_gateway(
    tmp_path: Path, nats_url: str, openbao: OpenBao, *, connected: bool = True, **environment: str
) -> Iterator[Gateway]:
    """Run a gateway against these servers, its spool in `tmp_path/spool`."""
    port, health_port = ports.choose(2)
    settings = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - what a process needs to start
        "NAUTES_TENANT": TENANT,
        "NAUTES_NATS__URL": nats_url,
        "NAUTES_HEALTH__PORT": str(health_port),
        "NAUTES_GATEWAY__PORT": str(port),
        "NAUTES_GATEWAY__SPOOL_DIR": str(tmp_path / "spool"),
        **approle(openbao, tmp_path),
        **environment,
    }
    gateway = Gateway(settings, port, health_port, tmp_path / "spool", tmp_path / "gateway.log")
    try:
        gateway.start(connected=connected)
        yield gateway
    finally:
        if gateway.process is not None:
            gateway.kill()


async def stored(nats_url: str) -> list[tuple[Delivery, dict[str, str]]]:
    """Return what the delivery streams hold, in the order of each, with the headers."""
    client = await nats.connect(nats_url)
    found = []
    try:
        js = client.jetstream()
        for index in range(PARTITIONS):
            try:
                info = await js.stream_info(f"DELIVERIES_{index}")
            except NotFoundError:
                continue
            for sequence in range(max(1, info.state.first_seq), info.state.last_seq + 1):
                message = await js.get_msg(f"DELIVERIES_{index}", sequence)
                delivery = Delivery.model_validate_json(message.data or b"")
                assert (
                    message.subject
                    == f"nautes.{TENANT}.delivery.{index}.{delivery.kind}.{delivery.project_id}"
                )
                found.append((delivery, dict(message.headers or {})))
    finally:
        await client.close()
    return found


async def stored_ids(nats_url: str) -> list[str]:
    """Return the ids of what is stored."""
    return [delivery.id for delivery, _ in await stored(nats_url)]
