"""The forge as an ASGI application: API, git, readiness."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from nautes_localstack.forge import smart_http
from nautes_localstack.forge.api import (
    commits,
    deploy_keys,
    groups,
    hooks,
    jobs,
    members,
    merge_requests,
    notes,
    pipelines,
    projects,
    repository,
    statuses,
    users,
)
from nautes_localstack.forge.api.call import Services
from nautes_localstack.forge.api.router import PREFIX, Router
from nautes_localstack.forge.git import serving
from nautes_localstack.forge.hooks.delivery import Deliveries
from nautes_localstack.forge.hosting import Host
from nautes_localstack.forge.lanes import Lanes
from nautes_localstack.forge.merge_requests import MergeRequests
from nautes_localstack.forge.pipelines import Pipelines
from nautes_localstack.forge.pushes import Pushes
from nautes_localstack.forge.smart_http import SmartHttp
from nautes_localstack.forge.ssh import SshGit, kept_key

ROUTES: Final = tuple(
    route
    for module in (
        users,
        groups,
        projects,
        members,
        hooks,
        deploy_keys,
        repository,
        commits,
        statuses,
        merge_requests,
        notes,
        pipelines,
        jobs,
    )
    for route in module.ROUTES
)

PATIENCE: Final = 2.0
"""Seconds that a stopping forge gives to hooks that wait for their delivery."""

SSH_PATIENCE: Final = 1.0
"""Seconds that it gives to clones and pushes over SSH."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the forge is started with."""

    state: Path
    url: str
    """Its address as others see it, in payloads and answers."""
    root_token: str
    allow_local_hooks: bool = True
    ssh_address: str = "127.0.0.1"
    ssh_port: int = 0
    """0 for no SSH."""


class _ByPath:
    """Sends API calls to the API and git's paths to git; the rest to a small application."""

    def __init__(self, api: ASGIApp, git: ASGIApp, rest: ASGIApp) -> None:
        self._api = api
        self._git = git
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = self._rest
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            target = self._api
        elif scope["type"] == "http" and smart_http.PATH.match(scope["path"]):
            target = self._git
        await target(scope, receive, send)


async def _readiness(_request: Request) -> Response:
    return JSONResponse({"status": "ok", "master_check": [{"status": "ok"}]})


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _no_pages(_request: Request) -> Response:
    return PlainTextResponse("This forge has an API and git, but no pages.\n", 404)


async def _listen(ssh: SshGit, settings: Settings) -> None:
    key = kept_key(settings.state)
    await ssh.start(settings.ssh_address, settings.ssh_port, key)
    key.publish(settings.state, urlsplit(settings.url).hostname or settings.ssh_address, settings.ssh_port)


def build(settings: Settings) -> Starlette:
    """Return the application. Its state is opened at start and closed at the end."""
    host = Host(settings.state, settings.url, ssh_port=settings.ssh_port)
    host.admit_root(settings.root_token)
    lanes = Lanes()
    deliveries = Deliveries(host, lanes)
    requests = MergeRequests(host, lanes, deliveries)
    pushes = Pushes(host, lanes, deliveries, requests)
    served = serving.environment(host.scratch)
    ssh = SshGit(host, pushes, served)
    services = Services(host, pushes, deliveries, requests, Pipelines(host), settings.allow_local_hooks)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await host.mend()
        if settings.ssh_port:
            await _listen(ssh, settings)
        yield
        await ssh.stop(SSH_PATIENCE)
        await lanes.drain(PATIENCE)
        await deliveries.close()
        host.close()

    rest = Starlette(
        routes=[
            Route("/-/readiness", _readiness),
            Route("/-/liveness", _alive),
            Route("/-/health", _alive),
            Route("/{path:path}", _no_pages),
        ]
    )
    switch = _ByPath(Router(services, ROUTES), SmartHttp(host, pushes, served), rest)
    return Starlette(routes=[Mount("/", switch)], lifespan=lifespan)
