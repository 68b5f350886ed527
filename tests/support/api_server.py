"""The API server in this process, over a code host and a read model in memory, with people of every kind."""

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from nautes_adapters.memory import MemoryPersonal, MemorySecretStore
from nautes_api_server.callers import Callers, config_path
from nautes_api_server.deciding import Decided
from nautes_api_server.declarations import Declarations
from nautes_api_server.http import application
from nautes_api_server.kinds import Addresses
from nautes_api_server.known_runs import KnownRuns
from nautes_api_server.kubeconfigs import Kubeconfigs
from nautes_api_server.parts import Parts
from nautes_api_server.recording import Audit
from nautes_api_server.writing import Writer
from nautes_domain import names
from nautes_domain.access import Level
from nautes_domain.capabilities import Person
from nautes_domain.effects import Cause, Considered, Decision, Effect, Result, Status
from nautes_domain.events import Delivery, Fact
from nautes_domain.failures import Retry
from nautes_domain.kubeconfig import closed_kubeconfig
from nautes_domain.run_logs import LogChunk, LogLine, LogRequest
from nautes_domain.snapshot import IndexedProject, Snapshot
from nautes_hooks import installed
from support.examples import tree

AT = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = "acme"
LEVELS = {
    "owner": Level.OWNER,
    "maintainer": Level.MAINTAINER,
    "developer": Level.DEVELOPER,
    "reporter": Level.REPORTER,
    "guest": Level.GUEST,
}
"""Members of the group orchard, by their token."""
PEOPLE = (*LEVELS, "manager", "stranger", "former")
"""`manager` manages the tenant; `stranger` has a product of their own, vineyard; `former` was a member of orchard."""


class MemoryNews:
    """Implements `records.News` and `records.Records`; tests play the reconciler."""

    def __init__(self, runs: KnownRuns | None = None) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self.statuses: dict[str, Status] = {}
        self.told: list[Effect] = []
        self.known: list[IndexedProject] = []
        self.away: set[str] = set()
        self.facts: list[Fact] = []
        self.runs, self.decides = runs or KnownRuns(), Decided()
        self.asked: list[Delivery] = []
        self.decided: list[Decision] = []
        self.built = 0
        """Id of the project that runs build."""
        self._version = 0

    def version(self) -> int:
        return self._version

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109
        await asyncio.sleep(min(timeout, 0.01))
        return max(since, self._version)

    def put(self, snapshot: Snapshot, *statuses: Status) -> None:
        self.snapshots[snapshot.scope] = snapshot
        self.statuses.update({f"{one.service}.{one.scope}": one for one in statuses})
        self._version += 1

    @staticmethod
    def decision(request: Delivery) -> Decision:
        """Decide as the reconciler does when it started a run."""
        considered = Considered(
            product="orchard", runtime="apple-ci", trigger="source→build", fired=True, reason="it was asked for",
            run="apple-ci-9", result=Result.DONE,
        )  # fmt: skip
        return Decision(
            id=request.id, at=AT, tenant=TENANT, cause=request.cause, kind=request.kind,
            content_key=request.content_key, considered=(considered,), summary="1 run",
        )  # fmt: skip

    def run(self, name: str, phase: str = "pending", scope: str = "product_orchard") -> None:
        """Tell of a run as the reconciler does."""
        data = {
            "runtime": "apple-ci", "pipeline": "build", "phase": phase, "commit": "0a1b" * 10,
            "repository": "orchard/apple-api-src", "delivery": "d-1", "project_id": self.built,
        }  # fmt: skip
        cause = Cause(delivery="d-1")
        told = Fact(kind="run", verb="told", scope=scope, name=name, by="reconciler", cause=cause, data=data)
        self.facts.append(told)
        self.runs.take(told)

    async def effect(self, effect: Effect) -> bool:
        if "record" in self.away:
            raise Retry("the bus did not confirm", code="bus-unavailable")
        self.told.append(effect)
        return True

    async def state(self, fact: Fact) -> bool:
        if "state" in self.away:
            raise Retry("the bus did not confirm", code="bus-unavailable")
        self.facts.append(fact)
        return True


class MemoryRecords:
    """Implements `records.Records` over what was told."""

    def __init__(self, news: MemoryNews) -> None:
        self._news = news

    async def effects(self, *, cause: str | None = None, since: datetime | None = None):
        for one in self._news.told:
            if cause in (None, one.cause.delivery) and (since is None or one.at >= since):
                yield one

    async def decisions(self, *, cause: str | None = None, since: datetime | None = None):
        del since
        for one in self._news.decided:
            if cause in (None, one.cause.delivery):
                yield one

    async def deliveries(self, *, cause: str | None = None, since: datetime | None = None):
        del cause, since
        for one in ():
            yield one

    async def statuses(self):
        for one in self._news.statuses.values():
            yield one

    async def projects(self) -> list[IndexedProject]:
        return self._news.known

    async def facts(self, kind: str):
        for one in self._news.facts:
            if one.kind == kind:
                yield one

    async def ask(self, request: Delivery) -> bool:
        self._news.asked.append(request)
        self._news.decided.append(self._news.decision(request))
        self._news.decides.take(self._news.decided[-1])
        return True


class Wrapping(MemorySecretStore):
    """A secret store that can be away."""

    def __init__(self, away: set[str]) -> None:
        super().__init__()
        self._away = away

    async def wrap(self, values: Mapping[str, str], ttl: timedelta) -> str:
        if "wrap" in self._away:
            raise Retry("nobody answers", code="vault-unavailable")
        return await super().wrap(values, ttl)


class MemoryLogs:
    """Implements `records.Logs`; tests write what is read."""

    def __init__(self) -> None:
        self.parts: list[LogChunk] = []
        self.asked: list[LogRequest] = []
        self.left = 0
        self.away = False

    async def read(self, request: LogRequest):
        if self.away:
            raise Retry("no service that reaches clusters answers", code="logs-unavailable")
        self.asked.append(request)
        try:
            for part in self.parts:
                yield part
        finally:
            self.left += 1


class World:
    """One tenant with the example product orchard, and vineyard, which is a stranger's."""

    def __init__(self, runs: KnownRuns | None = None) -> None:
        self.host = MemoryPersonal()
        self.news = MemoryNews(runs)
        self.logs = MemoryLogs()
        self.locks: set[str] = set()
        self.away = self.news.away = self.host.away
        """Methods of the code host that fail, and `record`, `state`, `wrap`: those of bus and secret store."""
        self.secrets = Wrapping(self.away)
        self.clock = [0.0]
        self._ids = itertools.count(1)
        people = {name: Person(number, name, name.title()) for number, name in enumerate(PEOPLE, 1)}
        for name, person in people.items():
            self.host.host.add_person(name, person)
        for name, level in LEVELS.items():
            self.host.let_in(people[name], "orchard", level)
        self.people = people
        self.host.let_in(people["manager"], TENANT, Level.MAINTAINER)
        self.host.let_in(people["stranger"], "vineyard", Level.OWNER)
        self.reset()
        for repo in ("apple-api-src", "apple-web-src", "apple-deploy"):
            project = self.host.host.add_project(f"orchard/{repo}")
            self.news.known.append(
                IndexedProject(project_id=project.id, group="orchard", name=repo, path=project.path)
            )
        self.reset()
        self.parts = self._parts()
        self.app = application(self.parts)

    def reset(self) -> None:
        """Make everything as it was in the beginning; what was believed of people is forgotten."""
        self.clock[0] += 1_000
        for name, level in LEVELS.items():
            self.host.let_in(self.people[name], "orchard", level)
        self._ids = itertools.count(1)
        files = {
            "tenant": {**tree("management"), **self.vineyard()},
            "product_orchard": tree("orchard/default.project"),
            "product_vineyard": {},
        }
        for scope, wanted in files.items():
            if scope not in self.news.snapshots or self.files(scope) != _manifests(wanted):
                self.declare(scope, wanted)
            self.take_in(scope)
        for kept in (self.news.runs._runs, self.news.runs._left_out):
            kept.clear()
        self.news.runs._kept = 0
        for kept in (self.news.told, self.news.facts, self.news.asked, self.news.decided):
            kept.clear()
        self.news.built = next((one.project_id for one in self.news.known), 0)
        self.news.run("apple-ci-1")
        self.logs.parts = [LogChunk(lines=(LogLine(task="unit", step="one", text="compiling"),), ended=True)]
        self.logs.asked.clear()
        self.logs.left = 0
        self.host.calls.clear()
        self.away.clear()
        self.secrets._wrapped.clear()

    @staticmethod
    def vineyard() -> dict[str, bytes]:
        text = tree("management")["nautes/overlays/production/products/orchard.yaml"]
        return {"nautes/overlays/production/products/vineyard.yaml": text.replace(b"orchard", b"vineyard")}

    def _parts(self) -> Parts:
        callers = Callers(TENANT, self.host, lambda: self.clock[0])
        addresses = Addresses("https://git.acme.example", "ssh://git@git.acme.example:2222")
        declarations = Declarations(self.news.snapshots, addresses, installed().kinds)
        now = lambda: AT + timedelta(seconds=self.clock[0])  # noqa: E731
        writer = Writer(
            tenant=TENANT, host=self.host, callers=callers, declarations=declarations,
            audit=Audit(TENANT, self.news, now, lambda: self.clock[0]), lock=self.hold,
            kubeconfigs=Kubeconfigs(closed_kubeconfig, self.secrets, self.news, now),
        )  # fmt: skip
        return Parts(
            tenant=TENANT, callers=callers, host=self.host, records=MemoryRecords(self.news), news=self.news, logs=self.logs, runs=self.news.runs, decided=self.news.decides,
            declarations=declarations, writer=writer, request_id=lambda: f"r{next(self._ids)}", now=now, patience=0.0,
        )  # fmt: skip

    @asynccontextmanager
    async def hold(self, scope: str):
        assert scope not in self.locks, "two writers at once"
        self.locks.add(scope)
        try:
            yield 1
        finally:
            self.locks.discard(scope)

    def declare(self, scope: str, files: Mapping[str, bytes]) -> None:
        """Push files as the only ones of a scope, and take them in as the reconciler does."""
        path = config_path(TENANT, scope)
        project = self._project(path)
        old = self.files(scope)
        gone = dict.fromkeys(old.keys() - files.keys())
        self.host.host.commit(project, "main", {"README.md": b"x", **files, **gone})
        self.take_in(scope)

    def take_in(self, scope: str, result: Result = Result.DONE) -> str:
        """Do what the reconciler does with the head of a scope; return its commit."""
        project = self._project(config_path(TENANT, scope))
        commit = self.host.host._repositories[project].branches["main"]
        cause = Cause(delivery=f"d{commit[:8]}", commit=commit, received_at=AT)
        files = self.files(scope)
        snapshot = Snapshot(scope=scope, commit=commit, project_id=project, cause=cause, files=files)
        statuses = [
            Status(service=service, scope=scope, at=AT, cause=cause, commit=commit, result=result)
            for service in ("declarations", "reconciler", "secret-broker")
        ]
        self.news.put(snapshot, *statuses)
        return commit

    def files(self, scope: str) -> dict[str, bytes]:
        """Return the manifests at the head of a scope."""
        repository = self.host.host._repositories[self._project(config_path(TENANT, scope))]
        found = repository.trees.get(repository.branches.get("main", ""), {})
        return _manifests(found)

    def message(self, scope: str) -> str:
        """Return the message of the newest commit."""
        repository = self.host.host._repositories[self._project(config_path(TENANT, scope))]
        return repository.messages[repository.branches["main"]]

    def _project(self, path: str) -> int:
        found = next((one for one in self.host.host._repositories.values() if one.project.path == path), None)
        return (found.project if found else self.host.host.add_project(path)).id

    def client(self, token: str = "owner") -> httpx.AsyncClient:
        """Return a client with somebody's token; "" for none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)

    async def call(self, method: str, path: str, body: Any = None, *, token: str = "owner", **more: Any):
        """Make one request."""
        async with self.client(token) as client:
            kwargs = {"json": body} if body is not None else {}
            return await client.request(method, f"/api/v1{path}", **kwargs, **more)


def _manifests(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: text for path, text in files.items() if path.endswith((".yaml", ".yml"))}


def product_scope(name: str) -> str:
    return names.scope("product", name)
