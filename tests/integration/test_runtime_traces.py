"""Spans on their way to a collector, by the library's own exporter."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from nautes_runtime.exporting import provider
from nautes_runtime.settings import TelemetrySettings
from support.processes import free_port


@pytest.fixture
def collector():
    """Where OTLP goes, and what arrived there: (path, content type, body)."""
    arrived = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", arrived
    server.shutdown()
    thread.join()
    server.server_close()


def record(settings):
    made = provider("svc", "1.0", settings)
    made.get_tracer("test").start_span("a step").end()
    made.shutdown()


def test_spans_reach_a_collector_before_the_service_ends(collector):
    url, arrived = collector
    record(TelemetrySettings(endpoint=url))
    ((path, content_type, body),) = arrived
    assert (path, content_type) == ("/v1/traces", "application/x-protobuf")
    assert b"a step" in body
    assert b"svc" in body


def test_what_is_not_sampled_is_not_sent(collector):
    url, arrived = collector
    record(TelemetrySettings(endpoint=url, sample_ratio=0))
    assert arrived == []


def test_a_collector_that_is_away_costs_the_spans_and_nothing_else(tmp_path):
    record(TelemetrySettings(endpoint=f"http://127.0.0.1:{free_port()}", folder=tmp_path))
    assert "a step" in (tmp_path / "svc.jsonl").read_text()
