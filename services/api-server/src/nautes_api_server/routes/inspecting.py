"""What happened, and how things stand: statuses, deliveries, decisions, effects, traces."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from nautes_api_server import views
from nautes_api_server.callers import Caller
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import Problem, not_found
from nautes_api_server.strict import StrictRoute
from nautes_domain import names
from nautes_domain.effects import Decision, Effect
from nautes_domain.events import Delivery

MOST_ROWS: Final = 1_000


class Me(BaseModel):
    """Whose token it is."""

    id: int
    username: str


class Scopes(BaseModel):
    """Scopes that the caller sees."""

    items: list[views.ScopeView]
    total: int


class Deliveries(BaseModel):
    """The newest deliveries; `total` tells how many there are."""

    items: list[Delivery]
    total: int


class Decisions(BaseModel):
    """The newest decisions; `total` tells how many there are."""

    items: list[Decision]
    total: int


class Effects(BaseModel):
    """The newest effects; `total` tells how many there are."""

    items: list[Effect]
    total: int


Cause = Annotated[str | None, Query(max_length=200, description="Id of the delivery that started it.")]
Since = Annotated[
    str | None, Query(max_length=40, description="A time with its zone, as in 2026-01-31T12:00:00Z.")
]


class Sight:
    """What a caller sees of records, by the scopes and repositories that they are about."""

    def __init__(self, parts: Parts, caller: Caller) -> None:
        self._parts = parts
        self._caller = caller

    async def scope(self, scope: str) -> bool:
        """Say whether the caller sees a scope."""
        return await self._parts.callers.may_see(self._caller, scope)

    async def repository(self, path: str) -> bool:
        """Say whether the caller may see what came from a repository, by the group that it lies in."""
        group = path.partition("/")[0]
        known = names.is_label(group) and group != self._parts.tenant
        return await self.scope(names.scope("product", group) if known else names.scope("tenant"))


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", tags=["inspect"], route_class=StrictRoute)
    _of_scopes(routes, parts)
    _of_records(routes, parts)
    return routes


def _of_scopes(routes: APIRouter, parts: Parts) -> None:
    @routes.get("/me", operation_id="whoami")
    async def me(caller: CallerOf) -> Me:
        """Say whose token it is."""
        return Me(id=caller.person.id, username=caller.person.username)

    @routes.get("/scopes", operation_id="list_scopes")
    async def scopes(caller: CallerOf) -> Scopes:
        """List how things stand, scope by scope, as far as the caller sees them."""
        found = [status async for status in parts.records.statuses()]
        sight = Sight(parts, caller)
        visible = [scope for scope in sorted({one.scope for one in found}) if await sight.scope(scope)]
        rows = [views.scope_view(scope, found) for scope in visible]
        return Scopes(items=rows[-MOST_ROWS:], total=len(rows))

    @routes.get("/products/{product_name}/status", operation_id="product_status")
    async def status(product_name: str, caller: CallerOf) -> views.ScopeView:
        """Return how a product stands, service by service."""
        if not names.is_label(product_name):
            raise not_found("product", product_name)
        return await _scope(names.scope("product", product_name), caller, not_found("product", product_name))

    @routes.get("/tenant/status", operation_id="tenant_status")
    async def tenant_status(caller: CallerOf) -> views.ScopeView:
        """Return how the tenant's own declarations stand, service by service."""
        return await _scope(names.scope("tenant"), caller, not_found("tenant", parts.tenant))

    async def _scope(scope: str, caller: Caller, absent: Problem) -> views.ScopeView:
        if not await parts.callers.may_see(caller, scope):
            raise absent
        return views.scope_view(scope, [status async for status in parts.records.statuses()])


def _of_records(routes: APIRouter, parts: Parts) -> None:
    @routes.get("/deliveries", operation_id="list_deliveries")
    async def deliveries(caller: CallerOf, cause: Cause = None, since: Since = None) -> Deliveries:
        """List what the code host told us of."""
        sight = Sight(parts, caller)
        owners = {project.project_id: project.group for project in await parts.records.projects()}
        found = parts.records.deliveries(cause=cause, since=_time(since))
        rows = [one async for one in found if await sight.repository(owners.get(one.project_id, ""))]
        return Deliveries(items=rows[-MOST_ROWS:], total=len(rows))

    @routes.get("/decisions", operation_id="list_decisions")
    async def decisions(caller: CallerOf, cause: Cause = None, since: Since = None) -> Decisions:
        """List what was considered for each delivery, and why."""
        sight = Sight(parts, caller)
        found = parts.records.decisions(cause=cause, since=_time(since))
        rows = [one async for one in found if await sight.repository(one.cause.repository)]
        return Decisions(items=rows[-MOST_ROWS:], total=len(rows))

    @routes.get("/effects", operation_id="list_effects")
    async def effects(caller: CallerOf, cause: Cause = None, since: Since = None) -> Effects:
        """List what was done, or refused."""
        sight = Sight(parts, caller)
        found = parts.records.effects(cause=cause, since=_time(since))
        rows = [one async for one in found if await sight.scope(one.scope)]
        return Effects(items=rows[-MOST_ROWS:], total=len(rows))

    @routes.get("/trace/{cause:path}", operation_id="trace")
    async def trace(cause: str, caller: CallerOf) -> views.Trace:
        """Return everything that one cause led to, in order of time."""
        sight = Sight(parts, caller)
        records = parts.records
        received = [
            one async for one in records.deliveries(cause=cause) if await sight.repository(one.project)
        ]
        decided = [
            one
            async for one in records.decisions(cause=cause)
            if await sight.repository(one.cause.repository)
        ]
        done = [one async for one in records.effects(cause=cause) if await sight.scope(one.scope)]
        return _known(views.trace(cause, received, decided, done), cause)


def _known(trace: views.Trace | None, cause: str) -> views.Trace:
    if trace is None:
        raise not_found("cause", cause)
    return trace


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(400, "BAD_TIME", "`since` is a time as in 2026-01-31T12:00:00Z") from None
    if since.tzinfo is None:
        raise Problem(400, "BAD_TIME", "`since` needs a time zone, as in 2026-01-31T12:00:00Z")
    return since
