"""An ASGI application on uvicorn inside our own event loop: no signal handlers of its own, bound before it runs."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from nautes_domain.failures import Rejected

if TYPE_CHECKING:
    import uvicorn

GRACEFUL: Final = 10
"""Seconds that requests in flight have to finish on shutdown."""


BACKLOG: Final = 2048
"""Connections that wait until the application is started."""


class HttpServer:
    """One ASGI application on one address. `options` are uvicorn's (`limit_concurrency`, `backlog`, …)."""

    def __init__(self, app: Any, host: str, port: int, options: Mapping[str, Any]) -> None:
        self._app = app
        self._options = dict(options)
        self._host, self._wanted = host, port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None

    def bind(self) -> tuple[str, int]:
        """Take the address; return it with the port that was given. Rejected if somebody has it."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self._wanted))
            # Two may bind one address; only one may listen there.
            bound.listen(BACKLOG)
        except OSError as error:
            bound.close()
            raise Rejected(
                error.strerror or "the address cannot be taken",
                what=f"address {self._host}:{self._wanted}",
                who="platform team",
                next_step="stop what listens there, or choose another port",
                code="address-in-use",
            ) from error
        bound.setblocking(False)  # noqa: FBT003 - its only parameter
        self._socket = bound
        return self._host, int(bound.getsockname()[1])

    async def run(self) -> None:
        """Serve until stopped."""
        if self._socket is None:
            raise RuntimeError("bind first")
        defaults: dict[str, Any] = {
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "lifespan": "off",
            "timeout_graceful_shutdown": GRACEFUL,
        }
        self._server = _server(self._app, defaults | self._options)
        await self._server.serve(sockets=[self._socket])

    @property
    def started(self) -> bool:
        """Whether it accepts connections."""
        return self._server is not None and self._server.started

    async def wait_started(self) -> None:
        """Wait until it accepts connections."""
        while not self.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Accept no more; what is in flight may finish."""
        if self._server is not None:
            self._server.should_exit = True
        elif self._socket is not None:
            self._socket.close()


def _server(app: Any, options: dict[str, Any]) -> "uvicorn.Server":
    """Return uvicorn without its signal handlers. Imported here: most services serve nothing."""
    import uvicorn  # noqa: PLC0415

    class Quiet(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave the signals alone: the service decides when to stop."""
            yield

    return Quiet(uvicorn.Config(app, **options))
