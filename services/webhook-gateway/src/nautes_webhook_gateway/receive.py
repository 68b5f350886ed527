"""The HTTP face: `POST /hooks/gitlab/<hook id>` in, one small answer out. A raw ASGI application.

Order of things: path and headers, token (before the body is read), body within limits, signature, project,
store. Nothing is kept of a call that was not verified. An unknown hook and a wrong secret get the same answer.
GitLab counts every 4xx and 5xx towards disabling a hook (GitLab documentation, "Auto-disabled webhooks"), so
what is genuine but of no interest is answered 2xx.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from nautes_domain.events import Delivery
from nautes_domain.failures import Failure
from nautes_runtime.tracing import span
from nautes_webhook_gateway import verify
from nautes_webhook_gateway.bounds import Ignored, Malformed
from nautes_webhook_gateway.gitlab import Call, normalise
from nautes_webhook_gateway.secrets import HookCache, HookSecrets
from nautes_webhook_gateway.store import DeliveryStore, Log, Stored

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH: Final = "/hooks/gitlab/"
_HOOK = re.compile(r"[a-z0-9][-a-z0-9]{0,62}\.[a-z0-9][-.a-z0-9]{0,126}\Z")
"""What `names.hook_id` can give."""
TOO_SLOW: Final = 408
_ENCODER = msgspec.json.Encoder()
_IN_THREAD: Final = 256 * 1024
"""Bytes from which hashing and parsing leave the event loop."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller, and all of them, may take."""

    body: int = 25 * 1024 * 1024
    """Bytes; GitLab sends no larger body (`REQUEST_BODY_SIZE_LIMIT`)."""
    read: timedelta = timedelta(seconds=10)
    """For the whole body; GitLab itself gives up after 10 s."""
    requests: int = 1024
    """Calls at once, whatever they wait for."""
    buffered: int = 128 * 1024 * 1024
    """Bytes of bodies in memory at once."""
    discard: timedelta = timedelta(seconds=1)
    discarded: int = 1024 * 1024
    """Time and bytes for reading and throwing away a rest, so that a refused caller gets to read the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    body: Mapping[str, str]
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refusal(Exception):
    """The call ends here with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.get("error", ""))
        self.answer = answer


def refusal(status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> Refusal:
    """Return the refusal with an error body."""
    return Refusal(Answer(status, {"error": code, "message": message}, headers))


def busy(code: str, message: str) -> Refusal:
    """Return a 503 that says when to come back."""
    return refusal(503, code, message, (b"retry-after", b"5"))


def unauthorised() -> Refusal:
    """Return the one answer to unknown hooks and wrong secrets: hook ids are names of private projects."""
    return refusal(401, "unauthorized", "unknown hook or wrong secret")


@dataclass(slots=True)
class _Trace:
    """What the access log says of one call. Never a header, never a body."""

    hook: str = ""
    id: str = ""
    project_id: int = 0
    kind: str = ""
    size: int = 0
    body_read: bool = False
    started: float = field(default_factory=time.perf_counter)


class Receiver:
    """The ASGI application."""

    def __init__(
        self,
        secrets: HookCache,
        store: DeliveryStore,
        now: Callable[[], datetime],
        log: Log,
        limits: Limits | None = None,
    ) -> None:
        self._secrets = secrets
        self._store = store
        self._now = now
        self._log = log
        self._limits = limits or Limits()
        self._nobody = verify.unknowable_keys()
        self._requests = 0
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event of ASGI 3."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = _Trace()
        try:
            answer = await self._counted(scope, receive, trace)
        except Refusal as refused:
            answer = refused.answer
        except _Gone:
            self._log.info("hook call broken off", hook=trace.hook, size=trace.size)
            return
        except Exception as error:  # noqa: BLE001 - the last line of defence of a public face
            self._log.error("hook call failed", hook=trace.hook, error=type(error).__name__, exc_info=True)
            answer = refusal(500, "internal", "this is a defect of the gateway").answer
        if not trace.body_read and answer.status != TOO_SLOW:
            trace.body_read = await self._discarded(receive)
        await _respond(send, answer, keep=trace.body_read)
        self._log_call(trace, answer)

    async def _counted(self, scope: Scope, receive: Receive, trace: _Trace) -> Answer:
        if self._requests >= self._limits.requests:
            raise busy("too-many-requests", "too many calls at once")
        self._requests += 1
        try:
            return await self._answer(scope, receive, trace)
        finally:
            self._requests -= 1

    async def _answer(self, scope: Scope, receive: Receive, trace: _Trace) -> Answer:
        hook = trace.hook = _hook_of(scope)
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        _check_headers(headers, self._limits.body)
        credentials = verify.credentials(headers)
        if credentials is None:
            raise unauthorised()
        result = await self._understood(hook, credentials, headers, receive, trace)
        if isinstance(result, Malformed):
            raise refusal(_STATUS.get(result.code, 422), result.code, result.message)
        if isinstance(result, Ignored):
            return Answer(202, {"status": "ignored", "reason": result.reason})
        trace.id, trace.project_id, trace.kind = result.id, result.project_id, result.kind
        return await self._stored(result)

    async def _understood(
        self,
        hook: str,
        credentials: verify.Credentials,
        headers: list[tuple[bytes, bytes]],
        receive: Receive,
        trace: _Trace,
    ) -> Delivery | Ignored | Malformed:
        """Return what a verified call says. The body is let go on return."""
        secrets = None
        if not credentials.signature:
            secrets = await self._verified(hook, credentials, b"")
        try:
            with span("receive"):
                body = await self._body(receive, trace)
            if secrets is None:
                secrets = await self._verified(hook, credentials, body)
            call = _call(hook, secrets, credentials, headers, body)
            with span("normalise"):
                if len(body) < _IN_THREAD:
                    return normalise(call, self._now())
                return await asyncio.to_thread(normalise, call, self._now())
        finally:
            self._buffered -= trace.size

    async def _verified(self, hook: str, credentials: verify.Credentials, body: bytes) -> HookSecrets:
        """Return the secrets that the call was made with, or raise Refusal."""
        with span("verify"):
            return await self._made_with(hook, credentials, body)

    async def _made_with(self, hook: str, credentials: verify.Credentials, body: bytes) -> HookSecrets:
        """Return the secrets that the call was made with; looks again once for secrets rotated just now."""
        for renew in (False, True):
            try:
                found = await self._secrets.lookup(hook, renew=renew)
            except Failure as failure:
                raise busy(failure.code, "the hook cannot be checked now") from failure
            keys = self._nobody if found is None else found.keys
            if await self._passes(keys, credentials, body) and found is not None:
                return found
        raise unauthorised()

    async def _passes(self, keys: verify.Keys, credentials: verify.Credentials, body: bytes) -> bool:
        if not verify.is_signed(keys, credentials):
            return verify.token_matches(keys, credentials)
        if len(body) < _IN_THREAD:
            return verify.signature_matches(keys, credentials, body, self._now())
        return await asyncio.to_thread(verify.signature_matches, keys, credentials, body, self._now())

    async def _body(self, receive: Receive, trace: _Trace) -> bytes:
        """Return the whole body, counted while it is read; what is announced is not believed."""
        chunks = []
        try:
            async with asyncio.timeout(self._limits.read.total_seconds()):
                more = True
                while more:
                    chunk, more = await _next(receive)
                    trace.size += len(chunk)
                    self._buffered += len(chunk)
                    if trace.size > self._limits.body:
                        raise too_large(self._limits.body)
                    if self._buffered > self._limits.buffered:
                        raise busy("too-many-bytes", "too many large calls at once")
                    chunks.append(chunk)
        except TimeoutError:
            raise refusal(TOO_SLOW, "too-slow", "the body did not arrive in time") from None
        trace.body_read = True
        return b"".join(chunks)

    async def _stored(self, delivery: Delivery) -> Answer:
        try:
            with span("store"):
                where = await self._store.store(delivery)
        except Failure as failure:
            raise busy(failure.code, "the delivery cannot be stored now") from failure
        status = "duplicate" if where is Stored.DUPLICATE else "stored"
        return Answer(202, {"status": status, "id": delivery.id})

    async def _discarded(self, receive: Receive) -> bool:
        """Read and throw away a small rest of the body; say whether that was all of it."""
        size, more = 0, True
        try:
            async with asyncio.timeout(self._limits.discard.total_seconds()):
                while more and size <= self._limits.discarded:
                    chunk, more = await _next(receive)
                    size += len(chunk)
        except (TimeoutError, _Gone):
            return False
        return not more

    def _log_call(self, trace: _Trace, answer: Answer) -> None:
        self._log.info(
            "hook call",
            hook=trace.hook,
            status=answer.status,
            outcome=answer.body.get("status") or answer.body.get("error"),
            reason=answer.body.get("reason", ""),
            cause=trace.id,
            kind=trace.kind,
            project_id=trace.project_id,
            size=trace.size,
            ms=round((time.perf_counter() - trace.started) * 1000, 1),
        )


_STATUS: Final[Mapping[str, int]] = {"not-json": 400, "not-an-object": 400, "project-mismatch": 403}


class _Gone(Exception):
    """The caller hung up before the body was complete."""


def too_large(limit: int) -> Refusal:
    """Return the refusal of a body above the limit."""
    return refusal(413, "too-large", f"a body may have at most {limit} bytes")


def route(scope: Scope) -> str:
    """Return the template of a path, for counting."""
    return f"{PATH}{{hook}}" if scope["path"].startswith(PATH) else "other"


def _hook_of(scope: Scope) -> str:
    """Return the hook id in the path; raises Refusal for another path or method."""
    path: str = scope["path"]
    if not path.startswith(PATH):
        raise refusal(404, "not-found", "there is nothing at this path")
    if scope["method"] != "POST":
        raise refusal(405, "method-not-allowed", "hooks are called with POST", (b"allow", b"POST"))
    hook = path[len(PATH) :]
    if _HOOK.match(hook) is None:
        raise unauthorised()
    return hook


def _check_headers(headers: list[tuple[bytes, bytes]], limit: int) -> None:
    """Refuse what need not be read: encodings, other types, bodies that are announced too large."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise refusal(415, "content-encoding", "send the body as it is, without content encoding")
        if name == b"content-type" and value.partition(b";")[0].strip().lower() != b"application/json":
            raise refusal(415, "content-type", "send application/json")
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > limit):
            raise too_large(limit)


def _call(
    hook: str,
    secrets: HookSecrets,
    credentials: verify.Credentials,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> Call:
    """Return the call. If it was signed, its id is the signed one: other headers anyone may have changed."""
    values = {name: value.decode("latin-1").strip() for name, value in headers}
    message_id = credentials.message_id.decode("latin-1")
    if not verify.is_signed(secrets.keys, credentials):
        message_id = values.get(b"idempotency-key") or message_id
    return Call(
        hook=hook,
        project_id=secrets.project_id,
        body=body,
        message_id=message_id[: verify.MAX_ID_BYTES],
        event=values.get(b"x-gitlab-event", ""),
        event_uuid=values.get(b"x-gitlab-event-uuid", ""),
        instance=values.get(b"x-gitlab-instance", ""),
    )


async def _next(receive: Receive) -> tuple[bytes, bool]:
    """Return the next piece of the body and whether more follows. Raises _Gone."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message.get("body", b""), message.get("more_body", False)


async def _respond(send: Send, answer: Answer, *, keep: bool) -> None:
    body = _ENCODER.encode(answer.body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *answer.headers,
    ]
    if not keep:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
