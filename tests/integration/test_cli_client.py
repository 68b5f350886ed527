"""The client against a real HTTP server: retries, redirects, certificates, deadlines."""

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from nautes_cli.client import Api, ApiError
from nautes_cli.console import ExitCode

TOKEN = "glpat-canary"


@contextmanager
def serving(answers, ca=None):
    """A server that gives these answers one after the other: (status, headers, body). Yields (address, requests)."""
    left, seen = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            seen.append((self.command, self.path, dict(self.headers), body))
            status, headers, content = left.pop(0)
            self.send_response(status)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_DELETE = do_GET  # noqa: N815 - names of http.server

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme = "https" if ca else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def connected(*arguments):
    api = Api(*arguments)
    try:
        yield api
    finally:
        api.close()


def test_a_busy_platform_is_asked_again_when_it_says():
    answers = [
        (503, {"Retry-After": "0"}, {}),
        (429, {"Retry-After": "0"}, {}),
        (200, {}, {"message": "saved"}),
    ]
    with serving(answers) as (url, seen), connected(url, TOKEN) as api:
        assert api.call("POST", "/products/orchard", body={"git": {}}).body == {"message": "saved"}
    assert [(method, path, body) for method, path, _, body in seen] == [
        ("POST", "/api/v1/products/orchard", b'{"git":{}}')
    ] * 3
    assert seen[0][2]["Authorization"] == f"Bearer {TOKEN}"


def test_after_four_times_it_is_told():
    with serving([(503, {"Retry-After": "0"}, {"detail": "the code host is away"})] * 4) as (url, seen):
        with connected(url, TOKEN) as api, pytest.raises(ApiError, match="the code host is away"):
            api.get("/me")
        assert len(seen) == 4


def test_a_token_does_not_follow_a_redirect():
    with (
        serving([(200, {}, {})]) as (other, taken),
        serving([(307, {"Location": f"{other}/x"}, {})]) as (url, _),
    ):
        with connected(url, TOKEN) as api, pytest.raises(ApiError) as refused:
            api.get("/me")
        assert refused.value.status == 307
        assert taken == []


def test_pages_are_put_together():
    answers = [
        (200, {}, {"items": [{"name": "a"}], "next": "a"}),
        (200, {}, {"items": [{"name": "b"}], "next": ""}),
    ]
    with serving(answers) as (url, seen), connected(url, TOKEN) as api:
        assert [one["name"] for one in api.items("/products", field_selector="x=y")] == ["a", "b"]
    assert [path for _, path, _, _ in seen] == [
        "/api/v1/products?field_selector=x%3Dy&limit=500",
        "/api/v1/products?field_selector=x%3Dy&limit=500&after=a",
    ]


def test_an_answer_that_is_no_json_is_told_by_its_status():
    with (
        serving([(502, {}, b"<html>")]) as (url, _),
        connected(url, TOKEN) as api,
        pytest.raises(ApiError, match="answered 502"),
    ):
        api.get("/me")


def test_a_certificate_of_ones_own_authority_is_trusted_if_it_is_given(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving([(200, {}, {"username": "dev"})], ca) as (url, seen):
        with (
            connected(url, TOKEN) as api,
            pytest.raises(ApiError, match="certificate verify failed") as refused,
        ):
            api.get("/me")
        assert refused.value.exit_code is ExitCode.NOT_RUNNING
        assert seen == []
        with connected(url, TOKEN, tmp_path / "ca.pem") as api:
            assert api.get("/me") == {"username": "dev"}
    (tmp_path / "ca.pem").write_text("nonsense")
    with connected(url, TOKEN, tmp_path / "ca.pem") as api, pytest.raises(ApiError, match="no certificates"):
        api.get("/me")


def test_nothing_that_is_said_of_an_api_shows_the_token():
    with connected("http://127.0.0.1:1", TOKEN) as api, pytest.raises(ApiError) as refused:
        api.get("/me")
    assert TOKEN not in f"{refused.value!r} {api!r} {vars(refused.value)}"


def test_events_are_followed_until_the_stream_ends():
    stream = b'event: status\ndata: {"a": 1}\n\n: still here\n\ndata: {"a": 2}\n\n'
    answers = [(200, {"Content-Type": "text/event-stream"}, stream), (403, {}, {"detail": "not yours"})]
    with serving(answers) as (url, _), connected(url, TOKEN) as api:
        assert [(event.name, event.data["a"]) for event in api.events("/watch")] == [
            ("status", 1),
            ("message", 2),
        ]
        with pytest.raises(ApiError, match="not yours"):
            list(api.events("/watch"))
