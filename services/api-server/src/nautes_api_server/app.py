"""Wires the API server: the only module that names concrete tools."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from nautes_adapters.gitlab import GitLabPersonal
from nautes_adapters.vault import VaultSecretStore, VaultSession
from nautes_api_server.callers import Callers
from nautes_api_server.deciding import Decided
from nautes_api_server.declarations import Declarations
from nautes_api_server.http import application
from nautes_api_server.kinds import Addresses
from nautes_api_server.known_runs import KnownRuns
from nautes_api_server.kubeconfigs import Kubeconfigs
from nautes_api_server.parts import Parts
from nautes_api_server.recording import SERVICE, Audit
from nautes_api_server.settings import ApiServerSettings
from nautes_api_server.writing import Writer
from nautes_domain.effects import Decision, Effect, Status
from nautes_domain.events import Delivery, Fact
from nautes_domain.hooks import HookKinds
from nautes_domain.kubeconfig import closed_kubeconfig
from nautes_domain.runs import FACT_KIND
from nautes_domain.snapshot import IndexedProject, Snapshot
from nautes_hooks import installed
from nautes_runtime import reading
from nautes_runtime.bus import Bus
from nautes_runtime.context import ServiceContext
from nautes_runtime.feed import Feed
from nautes_runtime.mirror import Mirror
from nautes_runtime.records import Bucket
from nautes_runtime.run_logs import LogReader

__all__ = ["SERVICE", "build"]


class StoredRecords:
    """Implements `records.Records` over the bus."""

    def __init__(self, js: JetStreamContext, bus: Bus, index: Bucket[IndexedProject]) -> None:
        self._js = js
        self._bus = bus
        self._tenant = bus.tenant
        self._index = index

    def effects(self, *, cause: str | None = None, since: datetime | None = None) -> AsyncIterator[Effect]:
        """Yield effect records."""
        return reading.effects(self._js, self._tenant, cause=cause, since=since)

    def decisions(
        self, *, cause: str | None = None, since: datetime | None = None
    ) -> AsyncIterator[Decision]:
        """Yield decision records."""
        return reading.decisions(self._js, self._tenant, cause=cause, since=since)

    def deliveries(
        self, *, cause: str | None = None, since: datetime | None = None
    ) -> AsyncIterator[Delivery]:
        """Yield deliveries."""
        return reading.deliveries(self._js, self._tenant, cause=cause, since=since)

    def statuses(self) -> AsyncIterator[Status]:
        """Yield the newest status of every scope."""
        return reading.statuses(self._js, self._tenant)

    async def projects(self) -> list[IndexedProject]:
        """Return every project that the platform knows."""
        return [project for _, project in await self._index.items("project_")]

    def facts(self, kind: str) -> AsyncIterator[Fact]:
        """Yield the facts of a kind."""
        return reading.facts(self._js, self._tenant, kind=kind)

    async def ask(self, request: Delivery) -> bool:
        """Store what a person asks for."""
        return await self._bus.deliver(request)


class MirroredNews:
    """Implements `records.News` over two mirrored buckets."""

    def __init__(self, desired: Mirror[Snapshot], status: Mirror[Status]) -> None:
        self._desired = desired
        self._status = status

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The last good snapshot of every scope."""
        return self._desired.records

    @property
    def statuses(self) -> Mapping[str, Status]:
        """The newest status by `<service>.<scope>`."""
        return self._status.records

    def version(self) -> int:
        """Count every change of both."""
        return self._desired.changes + self._status.changes

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 - waiting is what it does
        """Wait until either has changed."""
        if self.version() <= since:
            each = (self._desired, self._status)
            waits = [asyncio.create_task(one.changed(one.changes, timeout)) for one in each]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return self.version()


async def build(settings: ApiServerSettings, context: ServiceContext) -> None:
    """Connect the tools and serve."""
    host = GitLabPersonal(settings.gitlab.url)
    vault = VaultSession(settings.vault.address, settings.vault.login(), verify=settings.vault.verify)
    for close in (host.close, vault.close):
        context.on_stop(close)
    kubeconfigs = Kubeconfigs(closed_kubeconfig, VaultSecretStore(vault), context.bus, context.now)
    news = _news(context)
    callers = Callers(settings.tenant, host, monotonic)
    addresses = Addresses(settings.gitlab.url.rstrip("/"), settings.gitlab.ssh_url.rstrip("/"))
    declarations = Declarations(news.snapshots, addresses, _hooks(context))
    writer = Writer(
        tenant=settings.tenant,
        host=host,
        callers=callers,
        declarations=declarations,
        audit=Audit(settings.tenant, context.bus, context.now, monotonic),
        kubeconfigs=kubeconfigs,
        lock=context.locks.hold,
    )
    parts = Parts(
        tenant=settings.tenant,
        callers=callers,
        host=host,
        records=StoredRecords(context.js, context.bus, context.buckets.index(IndexedProject)),
        news=news,
        logs=LogReader(context.client, context.subjects),
        runs=_runs(context),
        decided=_decided(context),
        declarations=declarations,
        writer=writer,
        request_id=lambda: uuid4().hex,
        now=context.now,
    )
    context.serve_http(application(parts), settings.api.host, settings.api.port)


def _hooks(context: ServiceContext) -> HookKinds:
    return installed().told(lambda problem: context.log.warning("hook_not_offered", reason=problem))


def _news(context: ServiceContext) -> MirroredNews:
    desired = Mirror(context.js, "desired", Snapshot)
    status = Mirror(context.js, "status", Status)
    for mirror in (desired, status):
        context.every(1.0, mirror.run)  # it has no end; should it break, it begins again after a second
        context.ready(f"read model: {mirror.bucket}", partial(_problem_of, mirror))
    return MirroredNews(desired, status)


def _runs(context: ServiceContext) -> KnownRuns:
    """Return the runs, as they are told of."""
    known = KnownRuns()

    def take(message: Msg) -> None:
        known.take(Fact.model_validate_json(message.data))

    feed = Feed(context.js, "FACTS", context.subjects.fact(FACT_KIND), take, from_start=True)
    context.every(1.0, feed.run)
    context.ready("read model: runs", partial(_problem_of, feed))
    return known


def _decided(context: ServiceContext) -> Decided:
    """Return where decisions arrive that somebody waits for; the others are not even parsed."""
    decided = Decided()

    def take(message: Msg) -> None:
        if decided.is_expected((message.headers or {}).get("nautes-cause", "")):
            decided.take(Decision.model_validate_json(message.data))

    feed = Feed(context.js, "EFFECTS", context.subjects.decision(), take, from_start=False)
    context.every(1.0, feed.run)
    context.ready("read model: decisions", partial(_problem_of, feed))
    return decided


def _problem_of(source: Mirror[Any] | Feed) -> str:
    return source.problem
