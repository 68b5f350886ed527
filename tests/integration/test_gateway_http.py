"""The gateway as a process, with a real nats-server and a real OpenBao: what each answer promises is looked up."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from nautes_domain.events import DeliveryKind
from support.gateway import (
    HOOK,
    SIGNING,
    TOKEN,
    Gateway,
    headers,
    push_body,
    running_gateway,
    signed_headers,
    stored,
    stored_ids,
    write_hook,
)
from support.nats import Nats, start_nats
from support.openbao import OpenBao, start_openbao


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with start_openbao(tmp_path_factory.mktemp("bao")) as server:
        write_hook(server)
        write_hook(server, "orchard.signed", signing_token=SIGNING)
        write_hook(server, "orchard.broken", project_id=0)
        yield server


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with start_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, bus: Nats, openbao: OpenBao) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), bus.url, openbao) as running:
        yield running


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{gateway.base}/hooks/gitlab/", timeout=20) as client:
        yield client


async def test_202_means_stored(http: httpx.AsyncClient, bus: Nats) -> None:
    key = str(uuid4())
    answer = await http.post(HOOK, content=push_body(), headers=headers(key))
    assert (answer.status_code, answer.json()) == (202, {"status": "stored", "id": key})
    delivery, envelope = next(one for one in await stored(bus.url) if one[0].id == key)
    assert delivery.kind is DeliveryKind.PUSH
    assert (delivery.project_id, delivery.ref, delivery.actor) == (15, "refs/heads/main", "ada")
    assert key in envelope["Nats-Msg-Id"]
    assert envelope["nautes-cause"] == key
    everything = delivery.model_dump_json() + json.dumps(envelope)
    assert "canary" not in everything


async def test_a_resend_is_a_duplicate(http: httpx.AsyncClient, bus: Nats) -> None:
    key = str(uuid4())
    for expected in ("stored", "duplicate", "duplicate"):
        answer = await http.post(HOOK, content=push_body(), headers=headers(key))
        assert (answer.status_code, answer.json()) == (202, {"status": expected, "id": key})
    assert (await stored_ids(bus.url)).count(key) == 1


async def test_a_signed_delivery(http: httpx.AsyncClient, bus: Nats) -> None:
    key, body = str(uuid4()), push_body()
    answer = await http.post("orchard.signed", content=body, headers=signed_headers(body, key))
    assert answer.json() == {"status": "stored", "id": key}
    tampered = push_body(after="c" * 40)
    refused = await http.post("orchard.signed", content=tampered, headers=signed_headers(body))
    assert refused.status_code == 401
    both = headers() | signed_headers(body, secret=SIGNING.replace("M", "N"))
    assert (await http.post("orchard.signed", content=body, headers=both)).status_code == 401
    assert (await stored_ids(bus.url)).count(key) == 1


@pytest.mark.parametrize(
    ("path", "token", "content", "status", "code"),
    [
        (HOOK, "wrong", push_body(), 401, "unauthorized"),
        (HOOK, "", push_body(), 401, "unauthorized"),
        ("orchard.nobody", TOKEN, push_body(), 401, "unauthorized"),
        ("orchard.broken", TOKEN, push_body(), 503, "secrets-unavailable"),
        ("../gitlab2/" + HOOK, TOKEN, push_body(), 404, "not-found"),
        (HOOK, TOKEN, b"{", 400, "not-json"),
        (HOOK, TOKEN, b"[]", 400, "not-an-object"),
        (HOOK, TOKEN, push_body(project_id=16), 403, "project-mismatch"),
        (HOOK, TOKEN, push_body(ref="refs/heads/a b"), 422, "bad-ref"),
        (HOOK, TOKEN, b" " * (25 * 1024 * 1024 + 1), 413, "too-large"),
    ],
)
async def test_refused_and_nothing_stored(
    http: httpx.AsyncClient, bus: Nats, path: str, token: str, content: bytes, status: int, code: str
) -> None:
    before = await stored_ids(bus.url)
    # A refusal may come while the body is still being sent, and then as a broken connection.
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):
        answer = await http.post(path, content=content, headers=headers(token=token))
        assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert await stored_ids(bus.url) == before


async def test_the_largest_body_that_gitlab_sends(http: httpx.AsyncClient, bus: Nats) -> None:
    key, body = str(uuid4()), push_body()
    body = body + b" " * (25 * 1024 * 1024 - len(body))
    answer = await http.post("orchard.signed", content=body, headers=signed_headers(body, key))
    assert answer.json() == {"status": "stored", "id": key}
    assert key in await stored_ids(bus.url)


async def test_genuine_but_uninteresting(http: httpx.AsyncClient, bus: Nats) -> None:
    before = await stored_ids(bus.url)
    answer = await http.post(HOOK, content=b'{"text": "template"}', headers=headers())
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert await stored_ids(bus.url) == before


async def test_many_at_once_are_all_stored(http: httpx.AsyncClient, bus: Nats) -> None:
    keys = [str(uuid4()) for _ in range(400)]
    answers = await asyncio.gather(
        *(http.post(HOOK, content=push_body(), headers=headers(key)) for key in keys)
    )
    assert {answer.status_code for answer in answers} == {202}
    assert set(keys) <= set(await stored_ids(bus.url))


def exchange(gateway: Gateway, *pieces: bytes) -> bytes:
    """Send raw bytes and return all that comes until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


def request(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join((f"POST /hooks/gitlab/{HOOK} HTTP/1.1", "Host: x", *lines, "", "")).encode() + body


GENUINE = (f"X-Gitlab-Token: {TOKEN}", "Content-Type: application/json")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"not http at all\r\n\r\n", b"400"),
        (request(*GENUINE, "Content-Length: 5", "Content-Length: 6", body=b"{}{}{}"), b"400"),
        (request(*GENUINE, "Content-Length: 26214401"), b"413"),
        (
            request(*GENUINE, "Content-Encoding: gzip", "Content-Length: 2", "Connection: close", body=b"{}"),
            b"415",
        ),
        (request(*GENUINE, f"X-Gitlab-Token: {TOKEN}", "Content-Length: 0", "Connection: close"), b"401"),
        (request("X-Gitlab-Token: \xff", "Content-Length: 0", "Connection: close"), b"401"),
        (request("X-Filler: " + "x" * 70_000), b"431"),
        (request("X-Filler: " + "x" * 70_000)[:-4], b"431"),
        (request(*[f"X-{number}: {'x' * 1000}" for number in range(70)]), b"431"),
        (b"GET / HTTP/1.0\r\n\r\n", b"404"),
        (b"GET http://elsewhere/hooks HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
async def test_raw_requests(gateway: Gateway, bus: Nats, sent: bytes, status: bytes) -> None:
    before = await stored_ids(bus.url)
    answer = await asyncio.to_thread(exchange, gateway, sent)
    assert answer.startswith((b"HTTP/1.1 " + status, b"HTTP/1.0 " + status)), answer
    assert await stored_ids(bus.url) == before


async def test_an_endless_body_is_cut_off(gateway: Gateway, bus: Nats) -> None:
    before = await stored_ids(bus.url)
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = request(*GENUINE, "Transfer-Encoding: chunked")
    answer = await asyncio.to_thread(exchange, gateway, head, *([chunk] * 60))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert await stored_ids(bus.url) == before


async def test_slow_callers_lose_the_connection(gateway: Gateway, bus: Nats) -> None:
    before = await stored_ids(bus.url)
    stalled = request(*GENUINE, "Content-Length: 100", body=b'{"object_kind"')
    nothing, half, answered = await asyncio.gather(
        asyncio.to_thread(exchange, gateway),
        asyncio.to_thread(exchange, gateway, b"POST /hooks/gitlab/x HTTP/1.1\r\n", b"Host: x\r\n"),
        asyncio.to_thread(exchange, gateway, stalled),
    )
    assert (nothing, half) == (b"", b"")
    assert answered.startswith(b"HTTP/1.1 408")
    assert await stored_ids(bus.url) == before


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway, bus: Nats) -> None:
    body = push_body()
    keys = [str(uuid4()) for _ in range(3)]
    length = f"Content-Length: {len(body)}"
    first, second = (request(*GENUINE, f"Idempotency-Key: {key}", length, body=body) for key in keys[:2])
    last = request(*GENUINE, f"Idempotency-Key: {keys[2]}", length, "Connection: close", body=body)
    answer = await asyncio.to_thread(exchange, gateway, first + second + last)
    positions = [answer.index(key.encode()) for key in keys]
    assert positions == sorted(positions)
    assert set(keys) <= set(await stored_ids(bus.url))


async def test_rotation(gateway: Gateway, openbao: OpenBao) -> None:
    """Both secrets count in rotation, also where the former one was read before; strangers never."""
    address = f"{gateway.base}/hooks/gitlab/orchard.rotating"
    write_hook(openbao, "orchard.rotating", token="first")
    async with httpx.AsyncClient() as client:

        async def status(token: str) -> int:
            return (await client.post(address, content=push_body(), headers=headers(token=token))).status_code

        assert await status("first") == 202
        write_hook(openbao, "orchard.rotating", token="second", previous_token="first")
        await asyncio.sleep(1)
        assert [await status(token) for token in ("second", "first", "third")] == [202, 202, 401]


def test_no_secret_in_the_log(gateway: Gateway, openbao: OpenBao) -> None:
    secret_id = Path(gateway.environment["NAUTES_VAULT__SECRET_ID_FILE"]).read_text().strip()
    logged = gateway.log
    assert '"event": "hook call"' in logged
    for secret in (
        TOKEN,
        SIGNING,
        SIGNING.removeprefix("whsec_"),
        openbao.root_token,
        secret_id,
        "canary",
        "v1,",
    ):
        assert secret not in logged
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    calls = [line for line in lines if line["event"] == "hook call"]
    assert {"hook", "status", "outcome", "cause", "ms"} <= calls[0].keys()
    assert all(call["status"] in {202, 400, 401, 403, 404, 405, 408, 413, 415, 422, 503} for call in calls)
    assert "Traceback" not in logged


def test_sigterm_is_an_orderly_end(tmp_path: Path, bus: Nats, openbao: OpenBao) -> None:
    with running_gateway(tmp_path, bus.url, openbao) as other:
        assert other.stop() == 0
        assert '"event": "stopping"' in other.log
        assert "Traceback" not in other.log
