"""Spans of one push as a picture and a page. Pure."""

from dataclasses import dataclass, replace
from html import escape

from nautes_localstack import spans

RUN = "create run"
COLOURS = {"webhook-gateway": "#2563a8", "reconciler": "#1f7a4d", "bus": "#b0602b"}
FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="13"'
LEFT, WIDTH, RIGHT, TOP, HEIGHT = 300, 620, 150, 92, 26
TITLES = {
    "request /hooks/gitlab/{hook}": "answer the hook call",
    "receive": "read the body",
    "verify": "verify token or signature",
    "normalise": "read what it says",
    "store": "store the delivery",
    "find project": "whose project is it?",
    "look for repetition": "was it handled before?",
    "read snapshot": "read the product's declarations",
    "match": "match against declared triggers",
    "reach cluster": "reach the cluster",
    "read pipeline file": "read the pipeline file at the commit",
    "build run": "build the PipelineRun",
    "create run": "create the PipelineRun",
    "report run": "see the run, report on it",
    "commit status": "set the commit status",
}


@dataclass(frozen=True)
class Row:
    """One bar. Times are milliseconds since the hook call; `share` is the part of `total` that is its own."""

    depth: int
    title: str
    service: str
    start: float
    end: float
    own: float
    total: float

    @property
    def share(self) -> float:
        return self.own / self.total


def rows(found: list[spans.Span]) -> list[Row]:
    """Return the bars of one push: its spans in the order of their causes, and the wait between the services."""
    tree = spans.tree(found)
    begin = tree[0][1].start
    run = next(span for span in found if span.name == RUN)
    handled = next(span for span in found if span.name.startswith("process DELIVERIES"))
    stored = next(span for span in found if span.id == handled.parent)
    # The server stores the delivery before the gateway knows: from then on the run waits for the bus, and no longer
    # for the gateway, which takes the confirmation and answers the call.
    waited = int(float(handled.attributes["nautes.queue_seconds"]) * 1e9)
    arrived = min(max(handled.start - waited, stored.start), handled.start)
    path = [
        replace(one, end=min(one.end, arrived)) if one.service == stored.service else one for one in found
    ]
    own = spans.own_times(path, begin, run.end)
    total = (run.end - begin) / 1e6

    def bar(depth: int, name: str, service: str, start: int, end: int, mine: int) -> Row:
        return Row(depth, name, service, (start - begin) / 1e6, (end - begin) / 1e6, mine / 1e6, total)

    drawn: list[Row] = []
    for depth, span in tree:
        if span is handled:
            own_wait = own.get(spans.IDLE, 0)
            drawn.append(bar(depth, "wait on the bus", "bus", arrived, span.start, own_wait))
        title = TITLES.get(span.name) or span.name.replace("process", "handle").replace(
            "publish", "publish to"
        )
        drawn.append(bar(depth, title, span.service, span.start, span.end, own.get(span.id, 0)))
    return drawn


def svg(drawn: list[Row]) -> str:
    """Return the picture."""
    last = max(row.end for row in drawn)
    scale = WIDTH / last
    height = TOP + HEIGHT * len(drawn) + 34
    total = drawn[0].total
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" {FONT}>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="28" font-size="18" font-weight="bold">One push: {total:.1f} ms from the hook call to the PipelineRun</text>',
        *_legend(),
        f'<text x="{LEFT + WIDTH + RIGHT - 16}" y="{TOP - 12}" text-anchor="end" fill="#555555">took, own share</text>',
        *_axis(last, scale, height - 34),
    ]
    for number, row in enumerate(drawn):
        parts += _bar(row, TOP + HEIGHT * number, scale)
    x = LEFT + total * scale
    parts.append(
        f'<line x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{height - 34}" stroke="#c0392b" stroke-width="1.5" stroke-dasharray="4 3"/>'
    )
    parts.append(
        f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle" fill="#c0392b">the PipelineRun is there</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    found, x = [], 16
    for name, colour in COLOURS.items():
        words = "waiting" if name == "bus" else name
        found.append(f'<rect x="{x}" y="44" width="12" height="12" rx="2" fill="{colour}"/>')
        found.append(f'<text x="{x + 18}" y="55" fill="#333333">{words}</text>')
        x += 160
    return found


def _axis(last: float, scale: float, bottom: int) -> list[str]:
    step = next(one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if last / one <= 10)
    found = []
    for tick in range(0, int(last) + 1, step):
        x = LEFT + tick * scale
        found.append(f'<line x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom}" stroke="#e3e3e3"/>')
        found.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" fill="#555555">{tick} ms</text>')
    return found


def _bar(row: Row, y: int, scale: float) -> list[str]:
    x, width = LEFT + row.start * scale, max(2.0, (row.end - row.start) * scale)
    share = f"{row.end - row.start:.1f} ms" + (f", {row.share:.0%}" if row.start < row.total else "")
    return [
        f'<text x="{16 + 12 * row.depth}" y="{y + 17}" fill="#222222">{escape(row.title)}</text>',
        f'<rect x="{x:.1f}" y="{y + 5}" width="{width:.1f}" height="{HEIGHT - 10}" rx="2" fill="{COLOURS[row.service]}"/>',
        f'<text x="{LEFT + WIDTH + RIGHT - 16}" y="{y + 17}" text-anchor="end" fill="#222222">{share}</text>',
    ]


def page(drawn: list[Row]) -> str:
    """Return the page around the picture."""
    counted = sorted((row for row in drawn if row.own > 0), key=lambda row: -row.own)
    table = "\n".join(f"| {row.title} | {row.service} | {row.own:.1f} | {row.share:.0%} |" for row in counted)
    return PAGE.format(total=drawn[0].total, table=table)


PAGE = """\
# Where the time of a push goes

![One push from the hook call to the PipelineRun](push-trace.svg)

This is a real push of source on the laptop stack, drawn from the spans that the services wrote; of several in a row
the one with the median time. It took {total:.1f} ms from the first byte of the hook call to the PipelineRun. Drawn again by

```sh
.venv/bin/python -m bench.trace
```

Each moment belongs to the innermost step that was at work; the shares add up to the whole.

| step | where | ms | share |
|---|---|---|---|
{table}

What comes after the red line is not waited for: the records, and the status beside the commit, which is set by whoever
follows the run and finds the trace in the run's annotations.

Look at your own: `nautes local up --traces` writes the spans of every push into the folder `traces` of the stack's
state; `NAUTES_TELEMETRY__ENDPOINT` sends them to a collector ([decision 17](decisions/0017-traces.md)).
"""
