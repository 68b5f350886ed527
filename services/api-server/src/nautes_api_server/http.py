"""The REST face: which routers there are, how problems are told, and the description of it all (OpenAPI 3.1)."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from nautes_api_server.parts import Parts
from nautes_api_server.problems import (
    MEDIA_TYPE,
    Problem,
    ProblemView,
    ViolationView,
    failed,
    unauthenticated,
)
from nautes_api_server.routes import comparing, hooks, inspecting, logs, reads, runs, watching, writes
from nautes_domain.access import FORBIDDEN, UNKNOWN_CALLER
from nautes_domain.failures import Failure

ROUTERS: Final[tuple[Callable[[Parts], APIRouter], ...]] = (
    inspecting.router,
    comparing.router,
    watching.router,
    runs.router,
    hooks.router,
    logs.router,
    reads.router,
    writes.router,
)
"""A further router is one more name here."""

MOST_VIOLATIONS: Final = 100
"""Of the shape of a body; rules are always told all."""

_WORDS: Final[Mapping[str, str]] = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "model_attributes_type": "it must be a JSON object",
}
_FIXES: Final[Mapping[str, str]] = {
    "missing": "add it",
    "extra_forbidden": "remove it, or check its spelling",
    "model_attributes_type": "send one, with Content-Type: application/json",
}
"""What is said of a wrong shape instead of Pydantic's own words, and what to do about it, by its type of error."""

ABOUT: Final = """Declares products, what they consist of, and clusters. Paths, bodies and filters are those of Nautes v0.4.2.

Every write is one commit in your name to the repository that declares the product (or the tenant); reads come from what
the platform has taken in. Send a token of GitLab. What you may not see looks as if it did not exist."""

PROBLEMS: Final[Mapping[int, str]] = {
    400: "The request is not understood, or a field does not hold what it must.",
    401: "GitLab does not know the token.",
    403: "You may see it, but not do this.",
    404: "It does not exist, or you may not see it.",
    409: "Others use it, or write to the same repository.",
    412: "It is not what you last saw (`If-Match`, `If-None-Match`).",
    413: "The body is too large.",
    422: "It breaks rules of declarations; all of them are listed.",
    503: "GitLab or the bus is away; `Retry-After` says when to try again.",
}


def application(parts: Parts) -> FastAPI:
    """Return the ASGI application."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": words, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemView"}}}}
        for status, words in PROBLEMS.items()
    }  # fmt: skip
    app = FastAPIOffline(
        title="Nautes",
        version="v1",
        description=ABOUT,
        docs_url="/q/swagger-ui",
        redoc_url="/q/redoc",
        openapi_url="/openapi.json",
        static_url="/q/static",
        responses=answers,
        redirect_slashes=False,
        strict_content_type=False,  # the original's callers say nothing of it; rights never come from a browser's cookies
        # Requests are traced by `Observed`, which begins a trace of its own (decision 17); FastAPI's would go on with
        # the caller's, and its logs would repeat what was sent, credentials included.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.callers = parts.callers

    @app.get("/healthz", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    for router in ROUTERS:
        app.include_router(router(parts))
    _explain(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _explain(app: FastAPI) -> None:
    """Turn everything that is raised into a problem; never a stack trace."""

    @app.exception_handler(Problem)
    async def problem(_: Request, raised: Problem) -> Response:
        return _answer(raised)

    @app.exception_handler(Failure)
    async def failure(_: Request, raised: Failure) -> Response:
        if raised.code == UNKNOWN_CALLER:
            return _answer(unauthenticated())
        if raised.code == FORBIDDEN:
            return _answer(Problem(403, "NO_AUTHORIZATION", str(raised)))
        return _answer(failed(raised))

    @app.exception_handler(RequestValidationError)
    async def shape(_: Request, raised: RequestValidationError) -> Response:
        return _answer(_misshapen(raised))

    @app.exception_handler(HTTPException)
    async def http(_: Request, raised: HTTPException) -> Response:
        if isinstance(raised.__cause__, Problem):  # raised while the body was read, and wrapped by FastAPI
            return _answer(raised.__cause__)
        known = raised.status_code == 405
        reason, words = (
            ("METHOD_NOT_ALLOWED", "no such method here") if known else ("NO_SUCH_ROUTE", "no such route")
        )
        next_step = "the routes are described at /q/swagger-ui and in /openapi.json"
        return _answer(
            Problem(raised.status_code, reason, words, next_step=next_step, headers=raised.headers)
        )


def _answer(problem: Problem) -> Response:
    return JSONResponse(problem.body(), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def _misshapen(raised: RequestValidationError) -> Problem:
    """Return the problem for a request of the wrong shape: every place, in words; the values are not repeated."""
    found = []
    for one in islice(raised.errors(), MOST_VIOLATIONS):
        place, *path = one["loc"]
        pointer = "".join(f"/{part}" for part in path) if place == "body" else ""
        field = ".".join(str(part) for part in path)
        words = _WORDS.get(one["type"]) or str(one["msg"]).removeprefix("Value error, ")
        found.append(
            ViolationView(
                file="",
                line=0,
                kind=str(place),
                name="",
                field=field,
                rule="schema",
                message=words,
                fix=_FIXES.get(one["type"], "correct it"),
                pointer=pointer,
            )
        )
    first = found[0]
    return Problem(
        400,
        "VALIDATOR",
        f"{first.kind} {first.field}: {first.message}".replace(" :", ":"),
        found,
        next_step=first.fix,
    )


def _described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document; it holds the schema of problems, and none of FastAPI's own."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        template = "#/components/schemas/{model}"
        problem = ProblemView.model_json_schema(ref_template=template, mode="serialization")
        schemas.update(problem.pop("$defs", {}))
        schemas["ProblemView"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema
