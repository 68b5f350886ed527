"""The HTTP side: requests in, answers and watches out, as a raw ASGI application."""

import asyncio
import contextlib
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from nautes_localstack.kubernetes import errors, requests
from nautes_localstack.kubernetes.api import Answer, Api
from nautes_localstack.kubernetes.lifecycle import Lifecycle
from nautes_localstack.kubernetes.requests import Request

MAX_BODY: Final = 3 * 2**20
"""Bytes that a request may have, as in a real server."""

_log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Server:
    """The ASGI application of one API server."""

    def __init__(self, api: Api, lifecycle: Lifecycle) -> None:
        self._api = api
        self._lifecycle = lifecycle

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or run from start to end of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            body = await _read(receive)
            if body is None:
                await _send(send, _too_large())
                return
            answer = self._answer(requests.of_scope(scope, body))
            if answer.stream is None:
                await _send(send, answer)
            else:
                await _stream(answer.stream, answer.content_type, receive, send)

    def _answer(self, request: Request) -> Answer:
        try:
            return self._api.answer(request)
        except Exception as error:  # noqa: BLE001
            # Whatever a body did to us: the next request is answered. Values stay out of the log.
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error(
                "%s %s: %s at %s:%s",
                request.method,
                request.path,
                type(error).__name__,
                place.filename,
                place.lineno,
            )
            return _status(errors.ApiError(500, "InternalError", f"internal error: {type(error).__name__}"))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._lifecycle.catch_up()
        self._lifecycle.drain()
        task = asyncio.create_task(self._lifecycle.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await send({"type": "lifespan.shutdown.complete"})


def _too_large() -> Answer:
    return _status(errors.ApiError(413, "RequestEntityTooLarge", f"limit is {MAX_BODY}"))


def _status(error: errors.ApiError) -> Answer:
    return Answer(error.code, json.dumps(error.body()))


async def _read(receive: Receive) -> bytes | None:
    """Return the body; None if it is too large. It is read to its end all the same, so that the answer arrives."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if size <= MAX_BODY else None


async def _send(send: Send, answer: Answer) -> None:
    body = answer.body.encode()
    headers = [("content-type", answer.content_type), ("content-length", str(len(body))), *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": body})


async def _stream(lines: AsyncIterator[str], content_type: str, receive: Receive, send: Send) -> None:
    """Send lines as they come until they end or the client goes."""
    headers = _raw([("content-type", content_type)])
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    sending = asyncio.create_task(_send_lines(lines, send))
    leaving = asyncio.create_task(_until_left(receive))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _send_lines(lines: AsyncIterator[str], send: Send) -> None:
    async for line in lines:
        await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _raw(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
