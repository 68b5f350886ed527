"""Spans as they are written are read, put in order, and their time shared out without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from nautes_localstack import spans
from nautes_localstack.spans import IDLE, Span
from nautes_runtime.exporting import provider
from nautes_runtime.settings import TelemetrySettings


def span(number, parent, start, end):
    return Span("t", str(number), str(parent), f"span {number}", "svc", start, end)


def test_what_the_exporter_writes_is_read(tmp_path):
    made = provider("svc", "1.0", TelemetrySettings(folder=tmp_path))
    tracer = made.get_tracer("test")
    outer = tracer.start_span("outer", attributes={"count": 3, "word": "x"})
    tracer.start_span("inner", trace.set_span_in_context(outer)).end()
    outer.end()
    made.shutdown()
    with (tmp_path / "svc.jsonl").open("a") as file:
        file.write('{"resourceSpans": [')
    found = spans.read(tmp_path)
    context = outer.get_span_context()
    tree = spans.tree(spans.of_trace(found, f"00-{context.trace_id:032x}-{context.span_id:016x}-01"))
    assert [(depth, one.name, one.service) for depth, one in tree] == [
        (0, "outer", "svc"),
        (1, "inner", "svc"),
    ]
    assert tree[0][1].attributes["word"] == "x"
    assert tree[0][1].end >= tree[0][1].start


def test_each_moment_belongs_to_the_deepest_span():
    found = [span(1, "", 0, 10), span(2, 1, 2, 5), span(3, 2, 4, 8), span(4, "", 20, 30)]
    assert spans.own_times(found, 0, 25) == {"1": 4, "2": 2, "3": 4, IDLE: 10, "4": 5}


def test_a_span_whose_parent_is_unknown_is_a_root():
    assert [depth for depth, _ in spans.tree([span(2, "gone", 0, 1), span(3, 2, 0, 1)])] == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 99), st.integers(0, 99)), max_size=9))
def test_no_time_is_lost_or_counted_twice(given_):
    # A parent has a smaller number, so there are no circles.
    found = [
        span(number, parent if parent < number else "", min(times), max(times))
        for number, (parent, *times) in enumerate(given_)
    ]
    shares = spans.own_times(found, 10, 80)
    assert sum(shares.values()) == pytest.approx(70)
    assert min(shares.values()) >= 0
