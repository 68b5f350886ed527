"""`python -m nautes_localstack.kubernetes`: one small API server over TLS."""

import argparse
import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from nautes_localstack.kubernetes import identity
from nautes_localstack.kubernetes.running import SHIPPED, build
from nautes_localstack.kubernetes.storage import HISTORY
from nautes_localstack.kubernetes.watch import Hub

_LINGER = 0.3
"""Seconds between the end of the watches and that of the connections."""


class _Uvicorn(uvicorn.Server):
    """Ends with exit code 0, and its watches first: a server that waits for those would never end."""

    hub: Hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order when told to; uvicorn's own way is to end by that signal after all."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.hub.close()
        # A client that keeps its connection for later would hold up the end of TLS for seconds.
        asyncio.get_running_loop().call_later(_LINGER, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nautes_localstack.kubernetes", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="directory of the state; made if missing")
    parser.add_argument("--name", required=True, help="name of the cluster in its kubeconfig")
    parser.add_argument("--token-file", type=Path, required=True, help="the administrator's token")
    parser.add_argument(
        "--crds", default="builtin", help="directory of definitions in place of the shipped ones"
    )
    parser.add_argument("--history", type=int, default=HISTORY, help="changes that watches can go back")
    parser.add_argument(
        "--absent-finalizer",
        action="append",
        default=[],
        metavar="NAME",
        help="a finalizer whose controller does not run here: it is taken off what is deleted (may be repeated)",
    )
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = _arguments()
    token = given.token_file.read_text().strip()
    if not token:
        raise SystemExit(f"{given.token_file} holds no token")
    own = identity.prepare(given.state, given.host)
    crds = SHIPPED if given.crds == "builtin" else Path(given.crds)
    built = build(
        own,
        host=given.host,
        port=given.port,
        admin_token=token,
        crds=crds,
        history=given.history,
        absent_finalizers=given.absent_finalizer,
    )
    config = uvicorn.Config(
        built.application,
        host=given.host,
        port=given.port,
        ssl_certfile=own.certificate,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,
    )
    identity.write_kubeconfig(own, given.name, f"https://{given.host}:{given.port}", token)
    server = _Uvicorn(config)
    server.hub = built.hub
    server.run()
    built.store.close()


if __name__ == "__main__":
    main()
