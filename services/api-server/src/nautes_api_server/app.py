"""Wires the API server: the only module that names concrete tools."""

from collections.abc import AsyncIterator
from datetime import datetime
from time import monotonic

from nats.js import JetStreamContext

from nautes_adapters.gitlab import GitLabCodeHost
from nautes_api_server.callers import Callers
from nautes_api_server.http import Api
from nautes_api_server.settings import ApiServerSettings
from nautes_domain.effects import Decision, Effect, Status
from nautes_domain.events import Delivery
from nautes_domain.snapshot import IndexedProject
from nautes_runtime import reading
from nautes_runtime.context import ServiceContext
from nautes_runtime.records import Bucket

SERVICE = "api-server"
NOBODY = "none"
"""The server's own client carries no token: it only asks whose a caller's token is."""


class StoredRecords:
    """Implements `records.Records` over the bus."""

    def __init__(self, js: JetStreamContext, tenant: str, index: Bucket[IndexedProject]) -> None:
        self._js = js
        self._tenant = tenant
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


async def build(settings: ApiServerSettings, context: ServiceContext) -> None:
    """Connect the tools and serve."""
    url = settings.gitlab.url
    nobody = GitLabCodeHost(url, NOBODY)
    context.on_stop(nobody.close)

    async def sees(token: str, path: str) -> bool:
        caller = GitLabCodeHost(url, token)
        try:
            return await caller.project(path) is not None
        finally:
            await caller.close()

    callers = Callers(settings.tenant, nobody.whose, sees, monotonic)
    records = StoredRecords(context.js, settings.tenant, context.buckets.index(IndexedProject))
    api = Api(settings.tenant, callers, records)
    context.serve_http(api.app(), settings.api.host, settings.api.port)
