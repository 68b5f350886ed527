"""Spans that the services of a stack wrote: read, put in the order of their causes, and their time shared out.

The files hold OTLP JSON, a batch a line (OpenTelemetry specification, "OpenTelemetry Protocol File Exporter").
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

IDLE: Final = ""
"""Stands for the time in which no span was active: a message waited on the bus."""


@dataclass(frozen=True, slots=True)
class Span:
    """One span. `start` and `end` are nanoseconds since 1970; `parent` is empty for the root of a trace."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    start: int
    end: int
    failed: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) / 1e6


def read(folder: Path) -> list[Span]:
    """Return all spans of a folder's files. A line that is still being written is left out."""
    found: list[Span] = []
    for file in sorted(folder.glob("*.jsonl")):
        content = file.read_bytes()
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            found.extend(_spans(json.loads(line)))
    return found


def of_trace(spans: Iterable[Span], traceparent: str) -> list[Span]:
    """Return the spans of the trace that a `traceparent` names (W3C Trace Context, section 3.2), by their start."""
    trace = traceparent.split("-")[1]
    return sorted((span for span in spans if span.trace == trace), key=lambda span: span.start)


def tree(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """Return spans with their depth, parents before children, siblings by their start."""
    known = list(spans)
    ids = {span.id for span in known}
    children: dict[str, list[Span]] = {}
    for span in sorted(known, key=lambda span: span.start):
        children.setdefault(span.parent if span.parent in ids else "", []).append(span)
    return list(_below(children, "", 0))


def own_times(spans: Iterable[Span], begin: int, end: int) -> dict[str, int]:
    """Share out the nanoseconds from `begin` to `end`: each moment belongs to the deepest span active then.

    The result is by span id, `IDLE` for moments without a span; its values add up to `end - begin`.
    """
    depths = {span.id: (depth, span.start) for depth, span in tree(spans)}
    clipped = [
        (max(span.start, begin), min(span.end, end), span.id)
        for span in spans
        if span.start < end and span.end > begin
    ]
    moments = sorted({begin, end, *(moment for start, stop, _ in clipped for moment in (start, stop))})
    shares: dict[str, int] = {}
    for start, stop in pairwise(moments):
        active = [one for first, last, one in clipped if first <= start and last >= stop]
        owner = max(active, key=depths.__getitem__, default=IDLE)
        shares[owner] = shares.get(owner, 0) + stop - start
    return shares


def _below(children: Mapping[str, list[Span]], parent: str, depth: int) -> Iterator[tuple[int, Span]]:
    for span in children.get(parent, ()):
        yield depth, span
        yield from _below(children, span.id, depth + 1)


def _spans(batch: Mapping[str, Any]) -> Iterator[Span]:
    for resource in batch["resourceSpans"]:
        service = str(_attributes(resource["resource"]).get("service.name", ""))
        for scope in resource["scopeSpans"]:
            for one in scope["spans"]:
                yield Span(
                    one["traceId"],
                    one["spanId"],
                    one.get("parentSpanId", ""),
                    one["name"],
                    service,
                    int(one["startTimeUnixNano"]),
                    int(one["endTimeUnixNano"]),
                    failed=one.get("status", {}).get("code") == _ERROR,
                    attributes=_attributes(one),
                )


_ERROR: Final = 2
"""`STATUS_CODE_ERROR` of OTLP."""


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values()), None) for one in holder.get("attributes", ())}
