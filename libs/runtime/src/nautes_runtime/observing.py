"""An ASGI application whose requests are counted, timed and traced."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from opentelemetry.trace import SpanKind

from nautes_runtime.metrics import OTHER, Metrics
from nautes_runtime.tracing import ROOT, span

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def matched_route(scope: Scope) -> str:
    """Return the path template of the route that Starlette's router left in the scope when it found one."""
    return str(getattr(scope.get("route"), "path", OTHER))


class Observed:
    """ASGI middleware. `route` is asked after the request and returns a path template, never a path."""

    def __init__(self, app: App, metrics: Metrics, route: Callable[[Scope], str] = matched_route) -> None:
        self._app = app
        self._metrics = metrics
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the event on; count it if it is a request. One that was broken off counts as 499, as in nginx."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        code, began = 499, perf_counter()

        async def noting(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        self._metrics.requests_in_flight.inc()
        with span("request", kind=SpanKind.SERVER, within=ROOT) as current:
            try:
                await self._app(scope, receive, noting)
            finally:
                self._metrics.requests_in_flight.dec()
                route, seconds = self._route(scope), perf_counter() - began
                self._metrics.answered(scope["method"], route, code, seconds)
                current.update_name(f"request {route}")
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", code)
