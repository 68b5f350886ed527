"""Services as processes against real servers, fed through the bus, with what they may do in the secret store."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from nats.js import JetStreamContext

from nautes_domain.effects import Cause, Effect, Status
from nautes_domain.events import Fact, Work
from nautes_domain.snapshot import IndexedProject, Snapshot, project_key
from nautes_localstack import openbao as bao_config
from nautes_localstack import rights
from nautes_runtime import reading, streams
from nautes_runtime.bus import Bus
from nautes_runtime.records import Bucket
from support.examples import tree
from support.nats import Nats
from support.openbao import OpenBao
from support.processes import Process, free_port, python_module, wait_until
from support.runtime import connected

T = TypeVar("T")
TENANT = "acme"
COMMIT = "c" * 40
CLUSTERS = "nautes/overlays/production/clusters"


def vault_settings(openbao: OpenBao, folder: Path, service: str) -> dict[str, str]:
    """Make the AppRole that a service has on the laptop stack, with its policy; return the settings."""
    secret_id = f"{service}-secret-id"
    requests = [
        bao_config.policy_request(service, rights.VAULT[service]),
        *bao_config.role_requests(service, service, secret_id),
    ]
    for request in requests:
        bao(openbao, "POST", request.path, dict(request.data))
    file = folder / f"{service}.secret-id"
    file.write_text(secret_id + "\n")
    return {
        "NAUTES_VAULT__ADDRESS": openbao.address,
        "NAUTES_VAULT__ROLE_ID": service,
        "NAUTES_VAULT__SECRET_ID_FILE": str(file),
    }


def bao(openbao: OpenBao, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Call OpenBao as root; the answer's `data`, None if nothing is there."""
    answer = httpx.request(
        method, f"{openbao.address}/v1/{path}", json=body, headers={"X-Vault-Token": openbao.root_token}
    )
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    return answer.json().get("data") if answer.content else {}


def read_secret(openbao: OpenBao, mount: str, path: str) -> tuple[dict[str, str], int] | None:
    """Return fields and version of a secret, None if there is none."""
    found = bao(openbao, "GET", f"{mount}/data/{path}")
    return None if found is None or found["data"] is None else (found["data"], found["metadata"]["version"])


def write_secret(openbao: OpenBao, mount: str, path: str, values: Mapping[str, str]) -> None:
    bao(openbao, "POST", f"{mount}/data/{path}", {"data": dict(values)})


def service(
    folder: Path, module: str, nats: Nats, environment: Mapping[str, str], *, name: str = ""
) -> Process:
    """Start `python -m <module>` and wait until it says that it is ready."""
    health = free_port()
    settings = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - what a process needs to start
        "NAUTES_TENANT": TENANT,
        "NAUTES_NATS__URL": nats.url,
        "NAUTES_HEALTH__PORT": str(health),
        **environment,
    }
    process = Process(python_module(module), folder / f"{name or module}.log", settings)

    def ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{health}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    process.start(ready, timeout=60)
    return process


@dataclass
class Desk:
    """The test's own place on the bus: it declares, states facts, asks for work and reads what was done."""

    js: JetStreamContext
    bus: Bus

    @property
    def desired(self) -> Bucket[Snapshot]:
        return Bucket(self.js, "desired", Snapshot)

    @property
    def status(self) -> Bucket[Status]:
        return Bucket(self.js, "status", Status)

    async def declare(
        self,
        scope: str,
        files: Mapping[str, bytes],
        *,
        project_id: int = 1,
        deletions: bool = False,
        commit: str = COMMIT,
    ) -> None:
        snapshot = Snapshot(
            scope=scope,
            commit=commit,
            project_id=project_id,
            cause=self.cause("declare"),
            files=files,
            deletions_allowed=deletions,
        )
        await self.desired.put(scope, snapshot)

    async def index(self, *projects: tuple[int, str, str]) -> None:
        bucket = Bucket(self.js, "index", IndexedProject)
        for number, group, name in projects:
            path = f"{group}/{name}"
            await bucket.put(
                project_key(number), IndexedProject(project_id=number, group=group, name=name, path=path)
            )

    def cause(self, word: str) -> Cause:
        """A new cause each time."""
        return Cause(delivery=f"{word}-{uuid4().hex[:8]}", repository="acme/management", commit=COMMIT)

    async def fact(self, kind: str, verb: str, scope: str, name: str, **data: Any) -> Cause:
        cause = self.cause(verb)
        await self.bus.state(
            Fact(kind=kind, verb=verb, scope=scope, name=name, by="test", cause=cause, data=data)
        )
        return cause

    async def forget(self, *numbers: int) -> None:
        """Lose projects from the index."""
        for number in numbers:
            await Bucket(self.js, "index", IndexedProject).delete(project_key(number))

    async def provisioned(self, number: int, group: str, name: str) -> Cause:
        """State that a repository is on the code host."""
        cause = self.cause("provisioned")
        config = name in ("management", "default.project")
        await self.bus.state(
            Fact(
                kind="coderepo",
                verb="provisioned",
                scope="tenant" if config else f"product_{group}",
                name=name,
                by="test",
                cause=cause,
                data={"project_id": number, "group": group, "name": name},
            )
        )
        return cause

    async def work(self, name: str, scope: str) -> Cause:
        """Ask a service for a scope."""
        cause = self.cause("work")
        await self.bus.request(name, Work(scope=scope, because="the test asks", cause=cause))
        return cause

    async def settled(self, name: str, scope: str) -> Status:
        """Ask a service for a scope and return the status that answers it."""
        cause = await self.work(name, scope)
        return await self.answered(name, scope, cause)

    async def answered(self, name: str, scope: str, cause: Cause) -> Status:
        async def found() -> Status | None:
            status = await self.status.get(f"{name}.{scope}")
            return status if status is not None and status.cause == cause else None

        return await eventually(found, f"{name} to answer for {scope}")

    async def removed(self, name: str, scope: str, cause: Cause | None = None) -> list[Effect]:
        """Wait until a scope has no status any more, which is how its removal ends; return what was done for it.

        Without a cause the service is asked for the scope.
        """
        asked = cause or await self.work(name, scope)

        async def gone() -> bool:
            return await self.status.get(f"{name}.{scope}") is None

        await eventually(gone, f"{name} to have removed {scope}")
        return await self.effects(asked)

    async def effects(self, cause: Cause | None = None) -> list[Effect]:
        wanted = cause.delivery if cause else None
        return [one async for one in reading.effects(self.js, TENANT, cause=wanted)]

    async def facts(self, kind: str = "", verb: str = "") -> list[Fact]:
        return [
            one
            async for one in reading.facts(self.js, TENANT)
            if kind in ("", one.kind) and verb in ("", one.verb)
        ]

    async def everything(self) -> bytes:
        """All that is stored on the bus, payloads and headers."""
        found = []
        for config in streams.stream_configs(TENANT):
            async for message in reading.replay(self.js, str(config.name), ">"):
                found += [message.data, json.dumps(dict(message.headers or {})).encode()]
        return b"\n".join(found)


@asynccontextmanager
async def desk(nats: Nats) -> AsyncIterator[Desk]:
    """Give a place on the bus, with streams and buckets made."""
    async with connected(nats.url) as (_, js):
        await streams.provision(js, TENANT)
        yield Desk(js, Bus(js, TENANT, "test", lambda: datetime.now(UTC)))


async def eventually(find: Callable[[], Any], what: str, seconds: float = 40) -> Any:
    """Return the first truthy value of an async callable; the limit is for what never happens."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (found := await find()):
        assert loop.time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.05)
    return found


def tenant_files(servers: Mapping[str, str] | None = None, without: Iterable[str] = ()) -> dict[str, bytes]:
    """Return the example tenant's files, its clusters at other addresses, some files left out."""
    files = {
        path: text for path, text in tree("management").items() if not any(word in path for word in without)
    }
    for cluster, server in (servers or {}).items():
        path = f"{CLUSTERS}/{cluster}.yaml"
        files[path] = re.sub(rb"apiServer: \S+", f"apiServer: {server}".encode(), files[path])
    return files


__all__ = [
    "TENANT",
    "Desk",
    "bao",
    "desk",
    "eventually",
    "read_secret",
    "service",
    "tenant_files",
    "wait_until",
]
