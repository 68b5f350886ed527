"""Where trace contexts come from, and that nothing is recorded unless somebody asked."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from nautes_domain.effects import Cause
from nautes_domain.failures import Rejected
from nautes_runtime import tracing
from nautes_runtime.bus import traceparent
from nautes_runtime.exporting import provider
from nautes_runtime.settings import TelemetrySettings
from nautes_runtime.streams import Consumer
from nautes_runtime.verdicts import Outcome

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""The example of W3C Trace Context, section 3.2."""


def test_nothing_is_recorded_unless_the_settings_say_where_to():
    tracing.start("svc", TelemetrySettings())()
    assert not tracing.is_on()
    with tracing.span("anything", {"a": 1}) as span:
        assert not span.is_recording()
        assert tracing.header() == ""


def test_what_a_message_brought_does_not_travel_on_when_nothing_is_recorded():
    consuming = tracing.Consuming({"traceparent": GIVEN}, Consumer("WORK", "svc-work", "x"), 0.1, 1)
    assert tracing.header() == ""
    consuming.end(Outcome.ACK, None)
    assert traceparent(Cause(delivery="d"), "1") == traceparent(Cause(delivery="d"), "1")


def test_the_header_names_the_current_span():
    with TracerProvider().get_tracer("test").start_as_current_span("x", tracing.remote(GIVEN)) as span:
        own = trace.format_span_id(span.get_span_context().span_id)
        assert tracing.header() == f"00-0af7651916cd43dd8448eb211c80319c-{own}-01"


@pytest.mark.parametrize("text", ["", "nonsense", "00-0-0-01", GIVEN[:-1], f"{'0' * 500}"])
def test_what_is_no_trace_context_begins_a_new_trace(text):
    assert trace.get_current_span(tracing.remote(text)) is trace.INVALID_SPAN


def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Rejected, match="folder") as raised:
        provider("svc", "1", TelemetrySettings(folder=tmp_path / "file" / "traces"))
    assert raised.value.code == "telemetry"


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_share_lies_between_nothing_and_all(ratio):
    with pytest.raises(ValueError, match="sample_ratio"):
        TelemetrySettings(sample_ratio=ratio)
