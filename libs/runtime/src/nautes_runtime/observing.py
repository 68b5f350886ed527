"""An ASGI application whose requests are counted and timed."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from nautes_runtime.metrics import OTHER, Metrics

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
        try:
            await self._app(scope, receive, noting)
        finally:
            self._metrics.requests_in_flight.dec()
            seconds = perf_counter() - began
            self._metrics.answered(scope["method"], self._route(scope), code, seconds)
