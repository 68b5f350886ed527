"""The HTTP face, driven as ASGI: who gets which answer, and that nothing is stored for those refused.

The bus is away throughout, so whatever is accepted is found in the spool.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nautes_domain.events import Delivery
from nautes_domain.failures import Retry
from nautes_webhook_gateway.receive import Limits, Receiver
from nautes_webhook_gateway.secrets import HookCache, HookSecrets, hook_secrets
from nautes_webhook_gateway.spool import Spool, SpoolLimits
from nautes_webhook_gateway.store import DeliveryStore

from .test_gitlab import PUSH
from .test_verify import SECRET, sign

HOOK = "orchard.apple-api-src"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "canary-token-9c1f"
KEY = b"f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
BODY = json.dumps(PUSH).encode()
PATH = f"/hooks/gitlab/{HOOK}"


class AwayBus:
    async def deliver(self, delivery: Delivery) -> bool:
        raise Retry(f"away, {delivery.id} is not stored", code="bus-unavailable")


class Hooks:
    def __init__(self) -> None:
        self.hooks: dict[str, HookSecrets] = {}
        self.down = False

    async def read(self, hook: str) -> HookSecrets | None:
        if self.down:
            raise Retry("down")
        return self.hooks.get(hook)


@dataclass
class Response:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: Any = None


class Bench:
    def __init__(self, folder: Path, limits: Limits, deliveries: int = 50) -> None:
        self.hooks = Hooks()
        self.log = structlog.testing.CapturingLogger()
        self.spool = Spool(folder, SpoolLimits(deliveries=deliveries))
        log = structlog.wrap_logger(self.log, processors=[structlog.processors.JSONRenderer()])
        self.store = DeliveryStore(AwayBus(), self.spool, lambda: False, log)
        self.time = 0.0
        self.app = Receiver(HookCache(self.hooks, lambda: self.time), self.store, lambda: NOW, log, limits)
        self.remember(token=TOKEN)

    def remember(self, hook: str = HOOK, **fields: str) -> None:
        self.hooks.hooks[hook] = hook_secrets(hook, {"project_id": "15", **fields})

    @property
    def stored(self) -> list[Delivery]:
        return [one for entry in self.spool.waiting() if (one := self.spool.read(entry)) is not None]

    async def call(
        self,
        body: bytes | list[bytes] = BODY,
        *,
        path: str = PATH,
        method: str = "POST",
        token: str | None = TOKEN,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        hang_up: bool = False,
    ) -> Response:
        chunks = [body] if isinstance(body, bytes) else list(body)
        response = Response()

        async def receive() -> dict[str, Any]:
            if chunks:
                return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks) or hang_up}
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                response.status, response.headers = message["status"], dict(message["headers"])
            else:
                response.body = json.loads(message["body"])

        sent = [(b"x-gitlab-event", b"Push Hook"), *headers]
        if token is not None:
            sent.append((b"x-gitlab-token", token.encode()))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": sent,
            "query_string": b"token=" + TOKEN.encode(),
        }
        await self.app(scope, receive, send)
        return response


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, Limits(body=10_000, requests=2, buffered=20_000, read=timedelta(seconds=5)))
    yield made
    made.store.close()
    made.spool.close()


async def test_a_genuine_push_is_stored(bench: Bench) -> None:
    answer = await bench.call(headers=((b"idempotency-key", KEY),))
    assert (answer.status, answer.body) == (202, {"status": "stored", "id": KEY.decode()})
    assert [one.id for one in bench.stored] == [KEY.decode()]
    assert len(json.dumps(answer.body)) < 200


async def test_a_body_in_pieces(bench: Bench) -> None:
    answer = await bench.call([BODY[:1], b"", BODY[1:100], BODY[100:]])
    assert answer.status == 202
    assert len(bench.stored) == 1


@pytest.mark.parametrize(
    "token", [None, "", "wrong", TOKEN.upper(), TOKEN + " x", "tökén", "\x00", "x" * 9000]
)
async def test_a_wrong_token_stores_nothing(bench: Bench, token: str | None) -> None:
    answer = await bench.call(token=token)
    assert (answer.status, answer.body["error"]) == (401, "unauthorized")
    assert bench.stored == []


async def test_unknown_hooks_and_wrong_tokens_get_the_same_answer(bench: Bench) -> None:
    wrong = await bench.call(token="wrong")
    paths = [
        "orchard.unknown",
        "x",
        "",
        "a/b",
        "..",
        "%2e%2e",
        "a" * 500,
        "a.b\n",
        "Orchard.Apple-api-src",
        "a.b/",
    ]
    for path in paths:
        answer = await bench.call(path=f"/hooks/gitlab/{path}")
        assert (answer.status, answer.body, answer.headers) == (401, wrong.body, wrong.headers)
    assert bench.stored == []


async def test_two_tokens_are_none(bench: Bench) -> None:
    answer = await bench.call(headers=((b"x-gitlab-token", TOKEN.encode()),))
    assert answer.status == 401


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "POST", 404),
        ("/hooks/gitlab", "POST", 404),
        ("/hooks/github/orchard.api", "POST", 404),
        ("/hooks/../hooks/gitlab/x.y", "POST", 404),
        (PATH, "GET", 405),
        (PATH, "HEAD", 405),
        (PATH, "OPTIONS", 405),
        (PATH, "PUT", 405),
    ],
)
async def test_other_paths_and_methods(bench: Bench, path: str, method: str, status: int) -> None:
    answer = await bench.call(b"", path=path, method=method)
    assert answer.status == status
    assert bench.stored == []


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"content-encoding", b"gzip", 415),
        (b"content-encoding", b"identity, gzip", 415),
        (b"content-encoding", b"identity", 202),
        (b"content-type", b"application/x-www-form-urlencoded", 415),
        (b"content-type", b"application/json; charset=utf-8", 202),
        (b"content-length", b"10001", 413),
        (b"content-length", b"9" * 5000, 413),
        (b"content-length", "٣".encode(), 413),
        (b"content-length", b"1", 202),
    ],
)
async def test_headers_that_end_a_call_early(bench: Bench, name: bytes, value: bytes, status: int) -> None:
    answer = await bench.call(headers=((name, value),))
    assert answer.status == status
    assert len(bench.stored) == (status == 202)


async def test_a_body_is_counted_while_it_is_read(bench: Bench) -> None:
    answer = await bench.call([b" " * 4000] * 3)
    assert (answer.status, answer.body["error"]) == (413, "too-large")
    exact = BODY + b" " * (10_000 - len(BODY))
    assert (await bench.call(exact)).status == 202
    assert len(bench.stored) == 1


async def test_a_caller_who_hangs_up_stores_nothing(bench: Bench) -> None:
    answer = await bench.call([BODY], hang_up=True)
    assert answer.status == 0
    assert bench.stored == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not-json"),
        (b"not json", 400, "not-json"),
        (b"[]", 400, "not-an-object"),
        (BODY.replace(b"15", b"16"), 403, "project-mismatch"),
        (BODY.replace(b"refs/heads/main", b"main"), 422, "bad-ref"),
    ],
)
async def test_bad_bodies(bench: Bench, body: bytes, status: int, code: str) -> None:
    answer = await bench.call(body)
    assert (answer.status, answer.body["error"]) == (status, code)
    assert bench.stored == []


async def test_the_uninteresting_is_answered_with_success(bench: Bench) -> None:
    answer = await bench.call(b'{"custom": "template"}')
    assert (answer.status, answer.body) == (202, {"status": "ignored", "reason": "not-a-gitlab-event"})
    assert bench.stored == []


def signed(
    body: bytes = BODY, message_id: bytes = KEY, at: datetime = NOW
) -> tuple[tuple[bytes, bytes], ...]:
    timestamp = str(int(at.timestamp())).encode()
    return (
        (b"webhook-id", message_id),
        (b"webhook-timestamp", timestamp),
        (b"webhook-signature", sign(SECRET, message_id, timestamp, body)),
    )


async def test_a_signature(bench: Bench) -> None:
    bench.remember(signing_token=SECRET)
    answer = await bench.call(token=None, headers=signed())
    assert answer.body == {"status": "stored", "id": KEY.decode()}
    late = signed(at=NOW - timedelta(minutes=6))
    assert (await bench.call(token=None, headers=late)).status == 401
    assert (await bench.call(BODY + b" ", token=None, headers=signed())).status == 401
    assert len(bench.stored) == 1


async def test_a_right_token_does_not_make_up_for_a_wrong_signature(bench: Bench) -> None:
    bench.remember(token=TOKEN, signing_token=SECRET)
    assert (await bench.call(headers=signed(b"other body"))).status == 401
    assert (await bench.call(headers=signed()[:2])).status == 202
    assert len(bench.stored) == 1


async def test_a_signature_that_nobody_can_check_leaves_the_token(bench: Bench) -> None:
    assert (await bench.call(headers=signed(b"other"))).status == 202
    assert (await bench.call(token="wrong", headers=signed())).status == 401


async def test_the_id_of_a_signed_call_is_the_signed_one(bench: Bench) -> None:
    bench.remember(signing_token=SECRET)
    forged = ((b"idempotency-key", b"00000000-0000-4000-8000-000000000001"), *signed())
    assert (await bench.call(token=None, headers=forged)).body["id"] == KEY.decode()


async def test_a_secret_rotated_a_moment_ago_is_taken(bench: Bench) -> None:
    assert (await bench.call()).status == 202
    bench.remember(token="the-new-one")
    bench.time = 6
    assert (await bench.call(token="the-new-one")).status == 202
    assert (await bench.call()).status == 401


async def test_no_secret_store_and_nothing_known_is_503(bench: Bench) -> None:
    bench.hooks.down = True
    answer = await bench.call()
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
    assert bench.stored == []


async def test_bus_away_and_spool_full_is_503(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Limits(), deliveries=1)
    with bench.spool:
        assert (await bench.call()).status == 202
        answer = await bench.call(headers=((b"idempotency-key", KEY),))
        assert (answer.status, answer.body["error"]) == (503, "spool-full")
        assert answer.headers[b"retry-after"] == b"5"
        assert len(bench.stored) == 1


async def test_too_many_calls_and_too_many_bytes_at_once(bench: Bench) -> None:
    hold = asyncio.Event()
    started = asyncio.Event()
    answers: list[int] = []

    async def slow(size: int) -> None:
        pieces = [b" " * size]

        async def receive() -> dict[str, Any]:
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": True}
            started.set()
            await hold.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            answers.append(message.get("status", 0))

        headers = [(b"x-gitlab-token", TOKEN.encode())]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
        await bench.app(scope, receive, send)

    first = asyncio.create_task(slow(10_000))
    await started.wait()
    started.clear()
    second = asyncio.create_task(slow(9_990))
    await started.wait()
    answer = await bench.call()
    assert (answer.status, answer.body["error"]) == (503, "too-many-requests")
    hold.set()
    await asyncio.gather(first, second)
    assert answers == []
    assert (await bench.call()).status == 202


async def test_bytes_in_memory_are_bounded_and_given_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Limits(body=10_000, buffered=len(BODY) + 100))
    with bench.spool:
        for _ in range(3):
            assert (await bench.call([BODY, b" " * 200])).body["error"] == "too-many-bytes"
            assert (await bench.call()).status == 202


async def test_a_body_that_never_comes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Limits(read=timedelta(0), discard=timedelta(0)))
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    headers = [(b"x-gitlab-token", TOKEN.encode())]
    with bench.spool:
        await bench.app({"type": "http", "method": "POST", "path": PATH, "headers": headers}, receive, send)
    assert statuses[0] == 408


async def test_no_secret_is_logged(bench: Bench) -> None:
    bench.remember(token=TOKEN, signing_token=SECRET)
    canaries = signed()
    await bench.call()
    await bench.call(headers=canaries)
    await bench.call(token=TOKEN + "x")
    await bench.call(path=f"/hooks/gitlab/{TOKEN}")
    await bench.call(BODY.replace(b"refs/heads", TOKEN.encode()))
    logged = str(bench.log.calls)
    assert "hook call" in logged
    assert HOOK in logged
    assert TOKEN not in logged
    assert SECRET not in logged
    assert canaries[2][1].decode() not in logged


async def test_lifespan(bench: Bench) -> None:
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await bench.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


HEADER_NAMES = [
    b"content-type",
    b"content-length",
    b"content-encoding",
    b"x-gitlab-event",
    b"x-gitlab-instance",
    b"x-gitlab-event-uuid",
    b"idempotency-key",
    b"webhook-id",
    b"webhook-signature",
    b"webhook-timestamp",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.binary(max_size=400) | st.sampled_from([BODY, b"{}"]),
    headers=st.lists(
        st.tuples(
            st.sampled_from(HEADER_NAMES),
            st.binary(max_size=50) | st.sampled_from([b"application/json", b"1767225600", b"v1,AAAA"]),
        ),
        max_size=5,
    ),
    signing=st.booleans(),
)
async def test_whatever_is_sent_the_answer_is_never_a_5xx(
    bench: Bench, body: bytes, headers: list[tuple[bytes, bytes]], *, signing: bool
) -> None:
    bench.remember(token=TOKEN, signing_token=SECRET if signing else "")
    answer = await bench.call(body, headers=tuple(headers))
    assert 200 <= answer.status < 500
    assert isinstance(answer.body, dict)
    for entry in bench.spool.waiting():
        bench.spool.remove(entry)
