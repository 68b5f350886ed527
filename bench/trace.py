"""One push on the laptop stack, from the hook call to the PipelineRun, drawn from the spans that it left.

    python -m bench.trace [folder]

Writes `push-trace.svg` and `push-trace.md` into the folder, `docs` by default. Of several pushes in a row the one
with the median time is drawn, so that one slow moment of the machine does not make the picture.
"""

import sys
import tempfile
from pathlib import Path

from bench.picture import Row, page, rows, svg
from nautes_cli.client import Api
from nautes_cli.console import say
from nautes_cli.demo.story import Story
from nautes_cli.demo.systems import PIPELINE_RUNS, Systems
from nautes_localstack import spans
from nautes_localstack.stack import Stack

ROOT = Path(__file__).parents[1]
SOURCE = "orchard/apple-api-src"
PUSHES = 9
LAST = ("commit status", "publish EFFECTS")
"""What a trace ends with, a moment after the run is there."""


def push(story: Story, systems: Systems, traces: Path, number: int) -> list[spans.Span]:
    """Push once; return the spans of it when the last ones are written."""
    copy = story.clone(SOURCE)
    (copy.folder / "pushed.txt").write_text(f"{number}\n")
    commit = copy.push(f"Push {number}")

    def complete() -> list[spans.Span] | None:
        items = (systems.kubernetes("build-east", PIPELINE_RUNS.format(namespace="apple-ci")) or {})["items"]
        notes = [run["metadata"]["annotations"] for run in items]
        mine = [one["nautes.io/traceparent"] for one in notes if one["nautes.io/commit"] == commit]
        if not mine:
            return None
        found = spans.of_trace(spans.read(traces), mine[0])
        names = [span.name for span in found]
        told = (
            names.count(LAST[0]) == 1
            and names.count(LAST[1]) >= 3
            and "request /hooks/gitlab/{hook}" in names
        )
        return found if told else None

    return story.until(complete, "the spans of the push")


def recorded(folder: Path) -> list[Row]:
    """Run a stack, push, and return what is to be drawn."""
    stack = Stack(folder / "state", "trace")
    stack.up(bound=True, traces=True)
    try:
        described = stack.load()
        systems = Systems(described)
        work = folder / "work"
        work.mkdir()
        api = Api(described.api_url, described.tokens["dev"].read_text().strip())
        story = Story(described, systems, api, ROOT / "examples", work, lambda step: say(step.title))
        story.tell()
        told = [rows(push(story, systems, stack.layout.traces, number)) for number in range(PUSHES)]
    finally:
        stack.down()
    return sorted(told, key=lambda one: one[0].total)[PUSHES // 2]


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    with tempfile.TemporaryDirectory(prefix="nautes-trace-") as folder:
        found = recorded(Path(folder))
    (target / "push-trace.svg").write_text(svg(found))
    (target / "push-trace.md").write_text(page(found))
    say(f"{target}/push-trace.svg: {found[0].total:.1f} ms from the hook call to the PipelineRun")


if __name__ == "__main__":
    main()
