"""Where spans go: to a collector by OTLP over HTTP, to a file as OTLP JSON lines, or both. Extra `otlp`."""

from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from nautes_domain.failures import Rejected
from nautes_runtime.settings import TelemetrySettings
from nautes_runtime.tracing import EXPORT_EVERY, EXPORT_TIMEOUT


def provider(service: str, version: str, settings: TelemetrySettings) -> TracerProvider:
    """Return a provider that sends spans where the settings say. Raises Rejected (code `telemetry`) if it cannot."""
    resource = Resource.create(
        {"service.name": service, "service.version": version, "service.namespace": "nautes"}
    )
    made = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=resource,
        shutdown_on_exit=False,
    )
    try:
        exporters = _exporters(service, settings)
    except ImportError as error:
        raise _refused(
            f"the exporter is not installed: {error.name}", "install the service with its extra 'otlp'"
        ) from None
    except OSError as error:
        raise _refused(error.strerror or "unwritable", "make the folder writable, or name another") from None
    for exporter in exporters:
        made.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=int(EXPORT_EVERY * 1000)))
    return made


def _exporters(service: str, settings: TelemetrySettings) -> list[SpanExporter]:
    found: list[SpanExporter] = []
    if settings.folder is not None:
        found.append(_to_file(settings.folder / f"{service}.jsonl"))
    if settings.endpoint:
        found.append(_to_collector(settings.endpoint))
    return found


def _to_file(path: Path) -> SpanExporter:
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter  # noqa: PLC0415 - an extra

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileSpanExporter(path)


def _to_collector(endpoint: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra

    return OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT)


def _refused(why: str, next_step: str) -> Rejected:
    return Rejected(why, what="traces", who="platform team", next_step=next_step, code="telemetry")
