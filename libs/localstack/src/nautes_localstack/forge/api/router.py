"""From URL to handler. Own, because GitLab's URLs hold encoded slashes (`group%2Fproject`) that must not split.

Starlette matches decoded paths, in which they would.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from nautes_localstack.forge.api.answers import Problem, bad_request, unauthorized
from nautes_localstack.forge.api.call import Call, Services
from nautes_localstack.forge.git.committing import Unacceptable
from nautes_localstack.forge.hosting import RUNNER, Caller
from nautes_localstack.forge.rights import allows_call

PREFIX: Final = "/api/v4/"
BODY_LIMIT: Final = 64 * 1024 * 1024

Handler = Callable[[Call], Awaitable[Response | Mapping[str, Any] | Sequence[Any]]]
"""Returns an answer, or JSON for a 200."""


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` is a method and a path, in which `:name` stands for one segment."""

    pattern: str
    handler: Handler
    of_runners: bool = False
    """The call carries the token of a runner or a job, which the handler checks, and not one of a user."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.pattern.split(" ")[0]

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's parts."""
        return tuple(self.pattern.split(" ")[1].split("/"))

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return what the named segments are, or None if the path is another."""
        if len(segments) != len(self.segments):
            return None
        found = {}
        for wanted, given in zip(self.segments, segments, strict=True):
            if wanted.startswith(":"):
                found[wanted[1:]] = unquote(given)
            elif wanted != given:
                return None
        return found


class Router:
    """An ASGI application for everything below PREFIX."""

    def __init__(self, services: Services, routes: Sequence[Route]) -> None:
        self._services = services
        self._routes: dict[tuple[str, int], list[Route]] = {}
        for route in routes:
            self._routes.setdefault((route.method, len(route.segments)), []).append(route)
        self._log = structlog.get_logger("forge")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call; what a handler did not foresee is a 500 with a line in the log."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Problem as problem:
            response = JSONResponse(problem.body, problem.status)
        except Unacceptable as error:
            response = JSONResponse({"message": str(error)}, 400)
        except Exception:  # noqa: BLE001 - the last resort of a server
            self._log.exception("a call failed", method=request.method, path=request.url.path)
            response = JSONResponse({"message": "500 Internal Server Error"}, 500)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        raw = request.scope["raw_path"].decode("ascii", errors="replace").partition("?")[0]
        path = raw.removeprefix(PREFIX).rstrip("/")
        method = "GET" if request.method == "HEAD" else request.method
        if path.startswith("jobs/"):
            return await self._dispatch(request, RUNNER, method, path)
        caller = self._services.host.authenticate(api_token(request))
        if caller is None:
            raise unauthorized()
        if not allows_call(caller.token.scopes, method, path):
            raise Problem(
                403,
                {
                    "error": "insufficient_scope",
                    "error_description": "The request requires higher privileges than provided by the access token.",
                    "scope": "api",
                },
            )
        return await self._dispatch(request, caller, method, path)

    async def _dispatch(self, request: Request, caller: Caller, method: str, path: str) -> Response:
        segments = path.split("/")
        for route in self._routes.get((method, len(segments)), ()):
            found = route.match(segments)
            if found is None or route.of_runners != (caller is RUNNER):
                continue
            call = Call(
                self._services,
                caller,
                f"{self._services.host.url}{PREFIX}{path}",
                found,
                dict(parse_qsl(request.url.query, keep_blank_values=True)),
                await body_of(request),
                request.headers,
            )
            answer = await route.handler(call)
            return answer if isinstance(answer, Response) else JSONResponse(answer)
        if any(route.match(segments) is not None for routes in self._routes.values() for route in routes):
            raise Problem(405, {"error": "405 Not Allowed"})
        raise Problem(404, {"error": "404 Not Found"})


def api_token(request: Request) -> str:
    """Return the token of a call: `PRIVATE-TOKEN`, or `Authorization: Bearer`; empty without."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("private-token") or (value.strip() if kind.lower() == "bearer" else "")


async def body_of(request: Request) -> Mapping[str, Any]:
    """Return the body: a JSON object, a form, or text under `text`; empty without one."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_LIMIT:
            raise Problem(413, {"error": "Request Entity Too Large"})
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content:
        return {}
    if kind == "text/plain":  # what a job wrote
        return {"text": content.decode(errors="replace")}
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    if kind != "application/json":
        raise Problem(415, {"error": f"The provided content-type '{kind[:80]}' is not supported."})
    try:
        parsed = json.loads(content)
        if b"\\u" in content:
            # A lone surrogate, which JSON can spell and UTF-8 cannot, would be found only when it is stored.
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise bad_request("Problems parsing JSON") from None
    if not isinstance(parsed, dict):
        raise bad_request("The body is not an object")
    return parsed
