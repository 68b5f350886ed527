"""`/livez`, `/readyz` and `/metrics`, answered by a thread: it can say that the event loop is stuck when the loop cannot."""

import asyncio
import inspect
import json
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from nautes_domain.failures import Failure

CheckResult = bool | str | None
Check = Callable[[], CheckResult | Awaitable[CheckResult]]
"""Says what is wrong: a text. True, None and the empty text mean that nothing is. May raise a failure."""

BEAT: Final = 0.5
"""Seconds between two beats of the event loop."""

STUCK: Final = 5.0
"""Seconds without a beat after which the loop counts as stuck."""

CHECK_TIMEOUT: Final = 2.0
"""Seconds that all readiness checks together may take."""


class Health:
    """Named readiness checks and the heartbeat of the event loop, served over HTTP by a thread of its own."""

    def __init__(self, *, stuck: float = STUCK, registry: CollectorRegistry | None = None) -> None:
        self._stuck = stuck
        self._registry = registry or CollectorRegistry()
        self._checks: dict[str, Check] = {}
        self._beat_at = monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: ThreadingHTTPServer | None = None
        self._beating: asyncio.Task[None] | None = None

    def add(self, name: str, check: Check) -> None:
        """Ask this too before saying that the service is ready."""
        self._checks[name] = check

    def start(self, host: str, port: int) -> int:
        """Answer on this address; return the port. Call it in the event loop that is to be judged."""
        self._loop = asyncio.get_running_loop()
        self._beat_at = monotonic()
        self._beating = self._loop.create_task(self._beat(), name="heartbeat")
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return int(self._server.server_address[1])

    async def stop(self) -> None:
        """Answer no more."""
        if self._beating is not None:
            self._beating.cancel()
        if self._server is not None:
            await asyncio.to_thread(self._server.shutdown)
            self._server.server_close()

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Say whether the event loop has turned lately. Called from the thread."""
        age = monotonic() - self._beat_at
        return age < self._stuck, {"live": age < self._stuck, "heartbeat_age": round(age, 3)}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Say whether every check is content. Called from the thread; the checks run in the loop."""
        if self._loop is None or not self.live()[0]:
            return False, {"ready": False, "checks": {"event loop": "stuck"}}
        asked = asyncio.run_coroutine_threadsafe(self.checks(), self._loop)
        try:
            checks = asked.result(CHECK_TIMEOUT)
        except FutureTimeoutError:
            asked.cancel()
            checks = {"checks": f"no answer within {CHECK_TIMEOUT:g} s"}
        good = all(not problem for problem in checks.values())
        return good, {"ready": good, "checks": {name: problem or "ok" for name, problem in checks.items()}}

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format. Called from the thread."""
        return generate_latest(self._registry)

    async def checks(self) -> dict[str, str]:
        """Ask every check; return what each says is wrong, empty if nothing."""
        return {name: await _ask(check) for name, check in list(self._checks.items())}

    async def _beat(self) -> None:
        while True:
            self._beat_at = monotonic()
            await asyncio.sleep(BEAT)


async def _ask(check: Check) -> str:
    try:
        said = check()
        if inspect.isawaitable(said):
            said = await said
    except Failure as failure:
        return str(failure)
    except Exception as error:  # noqa: BLE001 - a check that breaks is a check that fails
        return type(error).__name__
    if isinstance(said, str):
        return said
    return "no" if said is False else ""


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        """GET only; no log lines, no server version."""

        server_version = "nautes"
        sys_version = ""
        timeout = 5

        def do_GET(self) -> None:
            questions = {"/livez": health.live, "/readyz": health.ready}
            question = questions.get(self.path)
            if self.path == "/metrics":
                self._send(200, health.metrics(), CONTENT_TYPE_LATEST)
            elif question is None:
                self._send_json(404, {"error": "ask for /livez, /readyz or /metrics"})
            else:
                good, content = question()
                self._send_json(200 if good else 503, content)

        def _send_json(self, status: int, content: dict[str, Any]) -> None:
            self._send(status, json.dumps(content).encode(), "application/json")

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            # Whoever asked may have gone meanwhile.
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            """Say nothing: probes come every few seconds."""

    return Answer
