"""What a run writes, as text or as a line of JSON each, passed on from the service that reaches clusters.

A log may hold what nobody meant to show, so seeing the product does not suffice: Developers of the repository that is
built may, as they may start and stop its runs. This server keeps nothing of it.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from nautes_api_server.callers import Caller
from nautes_api_server.known_runs import RunView
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import Problem, failed, not_found
from nautes_api_server.routes.runs import Asking, Product, RunName
from nautes_domain.access import Level
from nautes_domain.failures import Failure
from nautes_domain.run_logs import GONE, NO_SUCH_PART, NOT_YET, LogChunk, LogLine, LogQuery, LogRequest

TEXT: Final = "text/plain"
LINES: Final = "application/x-ndjson"
_STATUS: Final = {GONE: 404, NO_SUCH_PART: 404, NOT_YET: 409}


class LogEnd(BaseModel):
    """The last line of a log in JSON that did not come to its end, or of which not all is shown."""

    ended: bool = True
    note: str = ""
    reason: str = ""
    """A word for machines."""
    message: str = ""


class LogParameters(LogQuery):
    """What may be asked for."""

    timestamps: bool = False
    """Begin each line of text with its time; in JSON it stands there anyway."""


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The lines: `[task : step] text`, or a JSON object each.",
        "content": {TEXT: {"schema": {"type": "string"}}, LINES: {"schema": LogLine.model_json_schema()}},
    }
}


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/products/{product_name}/runs", tags=["runs"])
    logs = Logs(parts)

    @routes.get(
        "/{run_name}/logs",
        operation_id="logs_of_run",
        response_class=StreamingResponse,
        responses=_ANSWERS,
    )
    async def shown(
        request: Request,
        product_name: Product,
        run_name: RunName,
        caller: CallerOf,
        asked: Annotated[LogParameters, Query()],
    ) -> StreamingResponse:
        """Return what a run wrote. Developers of the repository that it builds may; see `Accept` for the form.

        While a run is followed, an empty line (in JSON) shows that the connection is alive.
        """
        query = LogQuery.model_validate(asked.model_dump())
        found = await logs.readable(caller, product_name, run_name)
        chunks = logs.chunks(caller, found, query)
        first = await _first(chunks)
        as_json = LINES in request.headers.get("accept", "")
        body = _json(first, chunks) if as_json else _text(first, chunks, timestamps=asked.timestamps)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(body, media_type=LINES if as_json else TEXT, headers=headers)

    return routes


class Logs:
    """Finds runs whose logs a caller may read, and reads them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asking = Asking(parts)

    async def readable(self, caller: Caller, product: str, name: str) -> "Readable":
        """Return a run. What is hidden looks like what is not there (404); who only sees it is refused (403)."""
        await self._asking.sees(caller, product)
        run = await self._asking.run(product, name)
        known = await self._parts.records.projects()
        # By its id: another project may bear the path meanwhile that it had when it was built.
        project = next(
            (one for one in known if (one.group, one.project_id) == (product, run.project_id)), None
        )
        level = await self._parts.callers.level_at(caller, project.path) if project else None
        if project is None or level is None:
            raise not_found("run", name)
        if level < Level.DEVELOPER:
            raise Problem(403, "NO_AUTHORIZATION", f"logs of {project.path} are shown to its Developers")
        return Readable(run, project.path)

    async def chunks(
        self, caller: Caller, found: "Readable", query: LogQuery
    ) -> AsyncGenerator[LogChunk, None]:
        """Yield the parts of a log, as long as the caller may read it."""
        run = found.run
        request = LogRequest(
            product=run.product, runtime=run.runtime, run=run.name, project_id=run.project_id, query=query
        )
        try:
            async with aclosing(self._parts.logs.read(request)) as parts:
                async for part in parts:
                    level = await self._parts.callers.level_at(caller, found.path)
                    if level is None or level < Level.DEVELOPER:
                        yield LogChunk(ended=True, note="you may not read it any more")
                        return
                    yield part
        except Failure as failure:  # an answer that has begun can only end with it
            yield LogChunk.failed(failure)


@dataclass(frozen=True, slots=True)
class Readable:
    """A run that a caller may read the log of, and where the project lies that says so."""

    run: RunView
    path: str


async def _first(chunks: AsyncGenerator[LogChunk, None]) -> LogChunk:
    """Return the first part; raise the problem that there is instead of it."""
    first = await anext(chunks, LogChunk(ended=True))
    failure = first.failure
    if failure is not None and not first.lines:
        await chunks.aclose()
        raise _problem(failure)
    return first


def _problem(failure: Failure) -> Problem:
    found = failed(failure)
    status = _STATUS.get(failure.code, found.status)
    return Problem(
        status, found.reason, found.detail, who=found.who, next_step=found.next_step, headers=found.headers
    )


async def _all(first: LogChunk, rest: AsyncGenerator[LogChunk, None]) -> AsyncIterator[LogChunk]:
    async with aclosing(rest):
        yield first
        if first.ended:
            return
        async for chunk in rest:
            yield chunk


async def _text(
    first: LogChunk, rest: AsyncGenerator[LogChunk, None], *, timestamps: bool
) -> AsyncIterator[bytes]:
    async for chunk in _all(first, rest):
        lines = [f"{_prefix(line, timestamps=timestamps)}{line.text}\n" for line in chunk.lines]
        failure = chunk.failure
        lines += [f"nautes: {words}\n" for words in (chunk.note, str(failure or "")) if words]
        if lines:
            yield "".join(lines).encode()


def _prefix(line: LogLine, *, timestamps: bool) -> str:
    place = f"[{line.task} : {line.step}] " if line.step else f"[{line.task}] "
    return f"{line.at.isoformat()} {place}" if timestamps and line.at else place


async def _json(first: LogChunk, rest: AsyncGenerator[LogChunk, None]) -> AsyncIterator[bytes]:
    async for chunk in _all(first, rest):
        lines = [line.model_dump_json() for line in chunk.lines]
        failure = chunk.failure
        if chunk.note or failure is not None:
            reason = failure.code.upper().replace("-", "_") if failure else ""
            lines.append(LogEnd(note=chunk.note, reason=reason, message=str(failure or "")).model_dump_json())
        yield ("".join(f"{line}\n" for line in lines) or "\n").encode()
