"""uvicorn's HTTP/1.1 protocol, bounded where uvicorn is not: time and size of a request's headers.

uvicorn with httptools waits for headers for ever and keeps any number of bytes of them (uvicorn documentation,
"Settings", lists limits for h11 only). A caller who sends one byte a second would hold a connection for good.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 5.0
"""From the connection, or the first byte of a later request on it, to the end of the headers."""
HEADER_BYTES: Final = 64 * 1024
CONNECTIONS: Final = 2048
"""Connections at once; uvicorn answers 503 above."""

OPTIONS: Final[dict[str, Any]] = {
    "limit_concurrency": CONNECTIONS,
    "timeout_keep_alive": 5,
    "ws": "none",
    "date_header": False,
}


class ImpatientProtocol(HttpToolsProtocol):
    """Closes a connection whose headers are late (silently) or too large (431)."""

    header_seconds: float = HEADER_SECONDS
    header_bytes: int = HEADER_BYTES
    _late: asyncio.TimerHandle | None = None
    _parsed: int = 0
    """Bytes of target and headers that the parser has handed over."""
    _received: int = 0
    """Bytes that came while headers were awaited; the parser hands over a header only when it ends."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._got_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Let uvicorn parse; whatever arrives and completes no headers counts as headers."""
        super().data_received(data)
        if self._late is not None:
            self._received += len(data)
            if self._too_large():
                self._refuse()

    def on_message_begin(self) -> None:
        """A request begins: its headers are awaited."""
        super().on_message_begin()
        if self._late is None:
            self._wait_for_headers()

    def on_url(self, url: bytes) -> None:
        """Count a piece of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed: the parser also stops at our own objection."""
        self._got_headers()
        if self._too_large():
            self._refuse()
        else:
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        """Headers are there: what follows is the application's to bound."""
        self._got_headers()
        super().on_headers_complete()

    def _wait_for_headers(self) -> None:
        self._parsed = self._received = 0
        self._late = self.loop.call_later(self.header_seconds, self._close)

    def _got_headers(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._too_large():
            raise ValueError("headers too large")

    def _too_large(self) -> bool:
        return max(self._parsed, self._received) > self.header_bytes

    def _close(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        self._got_headers()
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.close()
