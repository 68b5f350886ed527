"""What a web framework costs: a bare route and one with a body of pydantic models, each on the same uvicorn, in one run.

    uv run --with litestar python -m bench.frameworks [--seconds 2] [--connections 16]

Litestar is measured where it is installed; it is no dependency of the project. The body is the largest one that the
API takes, a pipeline runtime; each framework reads it by its own means and answers 202.
"""

import argparse
import asyncio
import importlib.metadata
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import uvloop
from pydantic import BaseModel

from bench.gateway import Caller, noop
from nautes_domain.manifests.pipeline import ProjectPipelineRuntimeSpec
from nautes_localstack import ports
from nautes_runtime.serving import HttpServer

BODY = {
    "project": "apple-api", "pipeline_source": "apple-ci-defs", "isolation": "shared", "account": "apple-builder",
    "destination": {"environment": "build", "namespace": "apple-ci"},
    "pipelines": [{"name": "trunk", "label": "main", "path": "ci/trunk.yaml"}],
    "event_sources": [
        {"name": "src", "gitlab": {"repo_name": "apple-api-src", "revision": "main", "events": ["push_events"]}},
        {"name": "night", "calendar": {"schedule": "5 2 * * *", "timezone": "UTC"}},
    ],
    "pipeline_triggers": [{"event_source": "src", "pipeline": "trunk", "revision": "", "inputs": []}],
}  # fmt: skip


class Answer(BaseModel):
    message: str


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def bare(_: Request) -> JSONResponse:
        return JSONResponse({"message": "ok"}, 202)

    async def body(request: Request) -> JSONResponse:
        read = ProjectPipelineRuntimeSpec.model_validate_json(await request.body())
        return JSONResponse(Answer(message=read.project).model_dump(), 202)

    return Starlette(routes=[Route("/bare", bare), Route("/body", body, methods=["POST"])])


def fastapi() -> Any:
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/bare", status_code=202)
    async def bare() -> Answer:
        return Answer(message="ok")

    @app.post("/body", status_code=202)
    async def body(read: ProjectPipelineRuntimeSpec) -> Answer:
        return Answer(message=read.project)

    return app


def litestar() -> Any:
    from litestar import Litestar, get, post  # type: ignore[import-not-found]

    @get("/bare", status_code=202)
    async def bare() -> Answer:
        return Answer(message="ok")

    @post("/body", status_code=202)
    async def body(data: ProjectPipelineRuntimeSpec) -> Answer:
        return Answer(message=data.project)

    return Litestar([bare, body])


KINDS: dict[str, Callable[[], Any]] = {
    "noop": lambda: noop,
    "starlette": starlette,
    "fastapi": fastapi,
    "litestar": litestar,
}


def application(kind: str) -> Any:
    name, _, more = kind.partition(":")
    if name == "api":
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
        from bench.api import listing

        return listing(int(more))
    return KINDS[name]()


def serve(kind: str, port: int, ready: Event) -> None:
    async def main() -> None:
        server = HttpServer(application(kind), "127.0.0.1", port, {"http": "httptools", "access_log": False})
        server.bind()
        running = asyncio.create_task(server.run())
        await server.wait_started()
        ready.set()
        await running

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@contextmanager
def serving(kind: str) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    (port,) = ports.choose(1)
    process = context.Process(target=serve, args=(kind, port, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(30):
            raise RuntimeError(f"{kind} did not start")
        yield port
    finally:
        process.kill()
        process.join()


async def load(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    ends = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()

    def following() -> bytes | None:
        return request if time.perf_counter() < ends else None

    began = time.perf_counter()
    made = [loop.create_connection(lambda: Caller(following), "127.0.0.1", port) for _ in range(connections)]
    callers = [caller for _, caller in await asyncio.gather(*made)]
    await asyncio.gather(*(caller.done for caller in callers))
    spent = time.perf_counter() - began
    if bad := [answer for caller in callers for answer in caller.bad]:
        raise RuntimeError(f"{len(bad)} bad answers, the first: {bad[0]!r}")
    latencies = [1000 * one for caller in callers for one in caller.latencies]
    return {"rps": len(latencies) / spent, "p99_ms": statistics.quantiles(latencies, n=100)[98]}


def requests() -> dict[str, bytes]:
    content = json.dumps(BODY).encode()
    head = f"POST /body HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return {"bare": b"GET /bare HTTP/1.1\r\nHost: bench\r\n\r\n", "body": head.encode() + content}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    ceiling = 0.0
    for kind in KINDS:
        try:
            version = "" if kind == "noop" else importlib.metadata.version(kind)
        except importlib.metadata.PackageNotFoundError:
            continue
        with serving(kind) as port:
            for name, request in requests().items():
                rounds = [
                    asyncio.run(load(port, request, options.connections, options.seconds)) for _ in range(3)
                ]
                best = max(rounds, key=lambda one: one["rps"])
                ceiling = ceiling or best["rps"]
                row = {**best, "share_of_noop": best["rps"] / ceiling}
                shown = {key: round(value, 3) for key, value in row.items()}
                print(
                    json.dumps({"framework": f"{kind} {version}".strip(), "route": name, **shown}), flush=True
                )


if __name__ == "__main__":
    main()
