"""What a stored delivery costs: the gateway against a no-op ASGI application on the same uvicorn, in one run.

    .venv/bin/python bench/gateway.py [--seconds 3] [--repeats 3] [--connections 16 64] [--sync-always] [--json FILE]

Server, nats-server and load share the machine, so ratios count more than figures. The gateway is the product's own
receiver, store, spool, protocol and bus (PubAck awaited, file storage); hook secrets come from memory, as they do
from the cache in production. The load is raw sockets, one request in flight on each connection, 64 projects.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
import uvloop

from nautes_domain.events import Delivery
from nautes_localstack import binaries, ports
from nautes_localstack import nats as nats_config
from nautes_runtime import logs
from nautes_runtime.bus import Bus
from nautes_runtime.context import utc_now
from nautes_runtime.messaging import connect
from nautes_runtime.serving import HttpServer
from nautes_runtime.settings import NatsSettings
from nautes_runtime.streams import provision
from nautes_webhook_gateway import verify
from nautes_webhook_gateway.receive import Receiver
from nautes_webhook_gateway.secrets import HookCache, HookSecrets
from nautes_webhook_gateway.server import OPTIONS, ImpatientProtocol
from nautes_webhook_gateway.spool import Spool, SpoolLimits
from nautes_webhook_gateway.store import DeliveryStore

TOKEN = "bench-token"
PROJECTS = 64


async def noop(_scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer 202."""
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


class Hooks:
    """Hook `bench.p<n>` belongs to project n."""

    async def read(self, hook: str) -> HookSecrets | None:
        return HookSecrets(verify.keys((TOKEN,), ()), int(hook.rpartition("p")[2]))


class NoBus:
    """Acknowledges at once: what remains is the gateway's own work."""

    async def deliver(self, delivery: Delivery) -> bool:
        return bool(delivery.id)


async def application(kind: str, nats_url: str, folder: str) -> Any:
    if kind == "noop":
        return noop
    log = structlog.get_logger().bind()
    if kind == "gateway":
        client = await connect(NatsSettings(url=nats_url)).connect()
        js = client.jetstream()
        await provision(js, "bench")
        bus: Any = Bus(js, "bench", "webhook-gateway", utc_now)
    else:
        bus = NoBus()
    store = DeliveryStore(bus, Spool(Path(folder) / uuid4().hex, SpoolLimits()), lambda: True, log)
    return Receiver(HookCache(Hooks(), time.monotonic), store, utc_now, log)


def serve(kind: str, port: int, nats_url: str, folder: str, ready: Event) -> None:
    """Run one application until killed; its log lines are rendered as in production and thrown away."""
    sink = Path("/dev/null").open("w")  # noqa: SIM115 - for as long as the process lives
    logs.configure("webhook-gateway", stream=sink)

    async def main() -> None:
        app = await application(kind, nats_url, folder)
        server = HttpServer(app, "127.0.0.1", port, {**OPTIONS, "http": ImpatientProtocol})
        server.bind()
        running = asyncio.create_task(server.run())
        await server.wait_started()
        gc.collect()
        gc.freeze()
        ready.set()
        await running

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@contextmanager
def serving(kind: str, nats_url: str, folder: str) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    (port,) = ports.choose(1)
    process = context.Process(target=serve, args=(kind, port, nats_url, folder, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(20):
            raise RuntimeError(f"{kind} did not start")
        yield port
    finally:
        process.kill()
        process.join()


@contextmanager
def nats_server(folder: str, *, sync_always: bool) -> Iterator[str]:
    port, monitor = ports.choose(2)
    config = nats_config.NatsConfig(
        port, Path(folder) / "nats", monitor_port=monitor, sync_always=sync_always
    )
    file = Path(folder) / "nats.conf"
    file.write_text(nats_config.render(config, (), {}))
    import subprocess

    process = subprocess.Popen([str(binaries.nats_server()), "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def push(project_id: int) -> bytes:
    """A push of 8 commits, about 6 KB."""
    commit = {
        "message": "Ripen the apples\n\n" + "x" * 300,
        "author": {"name": "Ada", "email": "ada@example.org"},
    }
    commits = [
        {
            "id": f"{n:040x}",
            **commit,
            "added": [f"src/new{n}.py"],
            "modified": [f"src/{n}/{m}.py" for m in range(8)],
        }
        for n in range(8)
    ]
    body = {
        "object_kind": "push",
        "event_name": "push",
        "before": "a" * 40,
        "after": f"{7:040x}",
        "ref": "refs/heads/main",
        "checkout_sha": f"{7:040x}",
        "user_username": "ada",
        "project_id": project_id,
        "project": {
            "id": project_id,
            "path_with_namespace": f"bench/p{project_id}",
            "description": "d" * 500,
        },
        "commits": commits,
        "total_commits_count": 8,
        "push_options": {},
    }
    return json.dumps(body).encode()


def request(project_id: int, body: bytes) -> bytes:
    head = (
        f"POST /hooks/gitlab/bench.p{project_id} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"User-Agent: GitLab/19.0\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: {TOKEN}\r\n"
        f"X-Gitlab-Instance: https://gitlab.example\r\nIdempotency-Key: {uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Caller(asyncio.Protocol):
    """One connection, one request in flight; keeps the latency of each answer."""

    def __init__(self, following: Callable[[], bytes | None]) -> None:
        self._following = following
        self._answer = b""
        self._sent = 0.0
        self.latencies: list[float] = []
        self.bad: list[bytes] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        self.latencies.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 202"):
            self.bad.append(self._answer)
        self._answer = b""
        self._send()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.bad.append(b"connection lost")
            self.done.set_result(None)

    def _send(self) -> None:
        following = self._following()
        if following is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(following)


async def load(port: int, connections: int, seconds: float) -> dict[str, float]:
    """Return requests per second and latency percentiles in milliseconds."""
    bodies = {project: push(project) for project in range(1, PROJECTS + 1)}
    loop = asyncio.get_running_loop()
    ends = time.perf_counter() + seconds
    turn = 0

    def following() -> bytes | None:
        nonlocal turn
        if time.perf_counter() >= ends:
            return None
        turn += 1
        project = turn % PROJECTS + 1
        return request(project, bodies[project])

    started = time.perf_counter()
    made = [loop.create_connection(lambda: Caller(following), "127.0.0.1", port) for _ in range(connections)]
    callers = [caller for _, caller in await asyncio.gather(*made)]
    await asyncio.gather(*(caller.done for caller in callers))
    spent = time.perf_counter() - started
    bad = [answer for caller in callers for answer in caller.bad]
    if bad:
        raise RuntimeError(f"{len(bad)} bad answers, the first: {bad[0]!r}")
    latencies = sorted(1000 * one for caller in callers for one in caller.latencies)
    cut = statistics.quantiles(latencies, n=100)
    return {"rps": len(latencies) / spent, "p50": cut[49], "p99": cut[98], "body": len(bodies[1])}


def measure(port: int, connections: int, seconds: float) -> dict[str, float]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        work: Awaitable[dict[str, float]] = load(port, connections, seconds)
        return runner.run(work)


KINDS = {"noop": "no-op ASGI", "nobus": "gateway without bus", "gateway": "gateway, PubAck awaited"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument(
        "--sync-always", action="store_true", help="nats-server flushes each message to the disk"
    )
    parser.add_argument("--json", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    runs: dict[tuple[int, str], list[dict[str, float]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        nats_server(folder, sync_always=options.sync_always) as nats_url,
    ):
        time.sleep(1)
        for repeat in range(options.repeats):
            kinds = list(KINDS) if repeat % 2 == 0 else list(reversed(KINDS))
            for kind in kinds:
                with serving(kind, nats_url, folder) as port:
                    measure(port, 8, 0.5)
                    for connections in options.connections:
                        found = measure(port, connections, options.seconds)
                        runs.setdefault((connections, kind), []).append(found)
    report(options, runs)


def report(options: argparse.Namespace, runs: dict[tuple[int, str], list[dict[str, float]]]) -> None:
    rows = []
    for (connections, kind), found in sorted(
        runs.items(), key=lambda item: (item[0][0], list(KINDS).index(item[0][1]))
    ):
        base = statistics.median(one["rps"] for one in runs[(connections, "noop")])
        row = {name: statistics.median(one[name] for one in found) for name in ("rps", "p50", "p99")}
        spread = [round(min(one["rps"] for one in found)), round(max(one["rps"] for one in found))]
        rows.append(
            {"connections": connections, "kind": kind, **row, "spread": spread, "ratio": row["rps"] / base}
        )
    print(f"{'':26}{'conn':>5}{'rps':>9}{'p50 ms':>9}{'p99 ms':>9}{'of no-op':>10}   min–max rps")
    for row in rows:
        print(
            f"{KINDS[row['kind']]:26}{row['connections']:>5}{row['rps']:>9.0f}{row['p50']:>9.2f}{row['p99']:>9.2f}"
            f"{row['ratio']:>10.2f}   {row['spread'][0]}–{row['spread'][1]}"
        )
    result = {
        "bench": "gateway",
        "seconds": options.seconds,
        "repeats": options.repeats,
        "sync_always": options.sync_always,
        "body_bytes": len(push(1)),
        "results": [
            {**row, **{name: round(row[name], 3) for name in ("rps", "p50", "p99", "ratio")}} for row in rows
        ],
    }
    text = json.dumps(result)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
