"""The REST face: routes, tokens, problems. What is shown is made in `views`; who may see it, in `callers`."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nautes_api_server import views
from nautes_api_server.callers import Caller, Callers
from nautes_api_server.records import Records
from nautes_domain import names
from nautes_domain.failures import Failure

MOST_ROWS: Final = 1_000
PROBLEM: Final = "application/problem+json"
"""RFC 9457."""

Handler = Callable[[Request], Awaitable[Response]]


class Problem(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Api:
    """The routes. Every one but `/healthz` needs a token of the code host."""

    def __init__(self, tenant: str, callers: Callers, records: Records) -> None:
        self._tenant = tenant
        self._callers = callers
        self._records = records

    def app(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/healthz", self._health),
            Route("/api/v1/me", self._me),
            Route("/api/v1/scopes", self._scopes),
            Route("/api/v1/products/{product}/status", self._status),
            Route("/api/v1/tenant/status", self._tenant_status),
            Route("/api/v1/deliveries", self._deliveries),
            Route("/api/v1/decisions", self._decisions),
            Route("/api/v1/effects", self._effects),
            Route("/api/v1/trace/{cause:path}", self._trace),
        ]
        handlers: dict[Any, Callable[[Request, Any], Response]] = {
            Problem: lambda _, problem: _problem(problem.status, problem.code, problem.detail),
            Failure: lambda _, failure: _problem(503, failure.code, str(failure)),
            HTTPException: lambda _, error: _problem(error.status_code, "http", error.detail),
        }
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _me(self, request: Request) -> Response:
        caller = await self._caller(request)
        return JSONResponse({"id": caller.person.id, "username": caller.person.username})

    async def _scopes(self, request: Request) -> Response:
        caller = await self._caller(request)
        found = [status async for status in self._records.statuses()]
        scopes = sorted({status.scope for status in found})
        visible = [scope for scope in scopes if await self._callers.may_see(caller, scope)]
        return _rows(views.scope_view(scope, found) for scope in visible)

    async def _status(self, request: Request) -> Response:
        product = request.path_params["product"]
        if not names.is_label(product):
            raise _no_such("product", product)
        return await self._scope(request, names.scope("product", product), _no_such("product", product))

    async def _tenant_status(self, request: Request) -> Response:
        return await self._scope(request, names.scope("tenant"), _no_such("tenant", self._tenant))

    async def _scope(self, request: Request, scope: str, absent: Problem) -> Response:
        caller = await self._caller(request)
        if not await self._callers.may_see(caller, scope):
            raise absent
        found = [status async for status in self._records.statuses()]
        return _one(views.scope_view(scope, found))

    async def _deliveries(self, request: Request) -> Response:
        caller = await self._caller(request)
        owners = {project.project_id: project.group for project in await self._records.projects()}
        return _rows(
            [
                one
                async for one in self._records.deliveries(cause=_cause(request), since=_since(request))
                if await self._callers.may_see(caller, self._scope_of(owners.get(one.project_id, "")))
            ]
        )

    async def _decisions(self, request: Request) -> Response:
        caller = await self._caller(request)
        return _rows(
            [
                one
                async for one in self._records.decisions(cause=_cause(request), since=_since(request))
                if await self._sees(caller, one.cause.repository)
            ]
        )

    async def _effects(self, request: Request) -> Response:
        caller = await self._caller(request)
        return _rows(
            [
                one
                async for one in self._records.effects(cause=_cause(request), since=_since(request))
                if await self._callers.may_see(caller, one.scope)
            ]
        )

    async def _trace(self, request: Request) -> Response:
        caller = await self._caller(request)
        cause = request.path_params["cause"]
        deliveries = [
            one
            async for one in self._records.deliveries(cause=cause)
            if await self._sees(caller, one.project)
        ]
        decisions = [
            one
            async for one in self._records.decisions(cause=cause)
            if await self._sees(caller, one.cause.repository)
        ]
        effects = [
            one
            async for one in self._records.effects(cause=cause)
            if await self._callers.may_see(caller, one.scope)
        ]
        found = views.trace(cause, deliveries, decisions, effects)
        if found is None:
            raise _no_such("cause", cause)
        return _one(found)

    async def _sees(self, caller: Caller, repository: str) -> bool:
        """Say whether the caller may see what came from a repository, by the group that it lies in."""
        return await self._callers.may_see(caller, self._scope_of(repository.partition("/")[0]))

    def _scope_of(self, group: str) -> str:
        known = names.is_label(group) and group != self._tenant
        return names.scope("product", group) if known else names.scope("tenant")

    async def _caller(self, request: Request) -> Caller:
        token = _token(request)
        caller = await self._callers.identify(token) if token else None
        if caller is None:
            raise Problem(
                401, "unauthenticated", "send a token of the code host as `Authorization: Bearer …`"
            )
        return caller


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("private-token", "").strip()


def _since(request: Request) -> datetime | None:
    text = request.query_params.get("since")
    if text is None:
        return None
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(400, "bad-time", "`since` is a time as in 2026-01-31T12:00:00Z") from None
    if since.tzinfo is None:
        raise Problem(400, "bad-time", "`since` needs a time zone, as in 2026-01-31T12:00:00Z")
    return since


def _cause(request: Request) -> str | None:
    return request.query_params.get("cause")


def _no_such(kind: str, name: str) -> Problem:
    return Problem(404, f"no-such-{kind}", f"there is no {kind} {name[:100]!r} that you may see")


def _one(value: BaseModel) -> Response:
    return JSONResponse(value.model_dump(mode="json"))


def _rows(values: Iterable[BaseModel]) -> Response:
    """Return the newest rows; `total` tells how many there are."""
    rows = [value.model_dump(mode="json") for value in values]
    return JSONResponse({"items": rows[-MOST_ROWS:], "total": len(rows)})


def _problem(status: int, code: str, detail: str) -> Response:
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status == 503:
        headers["Retry-After"] = "1"
    return JSONResponse(body, status, headers=headers, media_type=PROBLEM)
