"""The part of a kubelet that an API server asks for logs: `GET /containerLogs/NAMESPACE/POD/CONTAINER` over TLS.

Kubernetes, pkg/kubelet/server (getContainerLogs); the API server passes on the options of `pods/log` and, without
`--kubelet-certificate-authority`, believes any certificate. What is told is what the pretended container would have
written: two lines. A kubelet holds on while a container runs; this one ends, and is asked again.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import trustme

STAMPS = ("2026-05-04T02:00:11.000000001Z", "2026-05-04T02:00:12.000000002Z")


def written(container: str) -> list[str]:
    """Return the lines of a container, without their times."""
    return [f"{container} begins", f"{container} is done"]


def answer(path: str) -> str | None:
    """Return the text for a path with its query, None if it asks for no log."""
    url = urlsplit(path)
    parts = [unquote(part) for part in url.path.strip("/").split("/")]
    if len(parts) != 4 or parts[0] != "containerLogs":
        return None
    query = {key: values[-1] for key, values in parse_qs(url.query).items()}
    lines = [(stamp, text) for stamp, text in zip(STAMPS, written(parts[3]), strict=True)]
    lines = [
        one for one in lines if one[0][:19] >= query.get("sinceTime", "")[:19]
    ]  # the server sends whole seconds
    if "tailLines" in query:
        lines = lines[len(lines) - min(int(query["tailLines"]), len(lines)) :]
    stamped = query.get("timestamps") == "true"
    return "".join(f"{stamp} {text}\n" if stamped else f"{text}\n" for stamp, text in lines)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = answer(self.path)
        body = (text or "").encode()
        self.send_response(HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def kubelet() -> Iterator[int]:
    """Serve until the block ends; yield the port on 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
