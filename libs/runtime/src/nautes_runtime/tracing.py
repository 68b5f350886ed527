"""Traces: where the time of a push goes, over all services. Off unless the settings say where spans are to be sent.

OpenTelemetry's API and SDK; names of attributes follow its semantic conventions for HTTP and messaging. Names of
spans are few and fixed, so that they can be counted; what was worked on stands in attributes. The context travels
on the bus as W3C Trace Context (`traceparent`), which every envelope has anyway. Never a secret in a span.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nautes_domain.failures import Failure
from nautes_runtime.settings import TelemetrySettings
from nautes_runtime.streams import Consumer
from nautes_runtime.verdicts import Outcome

EXPORT_EVERY: Final = 1.0
"""Seconds between two batches of spans."""

EXPORT_TIMEOUT: Final = 3.0
"""Seconds; a collector that is away must not hold up the end of a service."""

ROOT: Final = Context()
"""Where nobody else's trace goes on: callers from outside do not choose our trace ids, nor what is sampled."""

Attributes = Mapping[str, str | int | float | bool]
End = Callable[[], None]


@dataclass(slots=True)
class _Recording:
    """Whether this process records. Asked at every step, so it must cost nothing: OpenTelemetry reads the environment."""

    on: bool = False


_RECORDING: Final = _Recording()
_OFF: Final = nullcontext(INVALID_SPAN)
_TRACER: Final = trace.get_tracer("nautes")
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def start(service: str, settings: TelemetrySettings) -> End:
    """Record spans from now on, if the settings say where to; return what sends the last ones, blocking.

    Once per process. Raises Rejected if they cannot be written there.
    """
    if not settings.endpoint and settings.folder is None:
        return _nothing
    from nautes_runtime.exporting import provider  # noqa: PLC0415 - the SDK is loaded by those who use it

    made = provider(service, version("nautes-runtime"), settings)
    trace.set_tracer_provider(made)
    _RECORDING.on = True
    return made.shutdown


def is_on() -> bool:
    """Say whether spans are recorded."""
    return _RECORDING.on


def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    within: Context | None = None,
) -> AbstractContextManager[Span]:
    """Record how long the block takes, below the current span or `within`. What it raises is named by its code only."""
    return _recorded(name, attributes, kind, within) if _RECORDING.on else _OFF


@contextmanager
def _recorded(
    name: str, attributes: Attributes | None, kind: SpanKind, within: Context | None
) -> Iterator[Span]:
    with _TRACER.start_as_current_span(
        name, within, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            _failed(current, error)
            raise


def publishing(stream: str) -> Attributes:
    """Return the attributes of a span that publishes."""
    return {
        "messaging.system": "nats",
        "messaging.operation.type": "send",
        "messaging.destination.name": stream,
    }


def header() -> str:
    """Return the `traceparent` of the current span; empty if there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


def remote(traceparent: str) -> Context:
    """Return the context that a `traceparent` names; the root if it is none."""
    return _PROPAGATOR.extract({"traceparent": traceparent}, ROOT)


class Consuming:
    """The span of one message from being taken to being settled; the current one until then."""

    def __init__(self, headers: Mapping[str, str], consumer: Consumer, queued: float, attempts: int) -> None:
        self._on = _RECORDING.on
        if not self._on:
            return
        parent = remote(headers.get("traceparent", ""))
        attributes: Attributes = {
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.name": consumer.stream,
            "messaging.consumer.group.name": consumer.durable,
            "nautes.queue_seconds": round(queued, 6),
            "nautes.attempt": attempts,
            "nautes.cause": headers.get("nautes-cause", ""),
        }
        self._span = _TRACER.start_span(f"process {consumer.stream}", parent, SpanKind.CONSUMER, attributes)
        self._token = context.attach(trace.set_span_in_context(self._span, parent))

    def end(self, outcome: Outcome, failure: BaseException | None) -> None:
        """Say what became of the message. Call it in the task that began."""
        if not self._on:
            return
        context.detach(self._token)
        self._span.set_attribute("nautes.outcome", outcome.value)
        if failure is not None:
            _failed(self._span, failure)
        self._span.end()


def _failed(current: Span, error: BaseException) -> None:
    """Name an error by its code or type; messages may hold what people wrote."""
    current.set_attribute("error.type", error.code if isinstance(error, Failure) else type(error).__name__)
    current.set_status(Status(StatusCode.ERROR))


def _nothing() -> None:
    """Nothing was recorded."""
