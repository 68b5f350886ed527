"""The note beneath a merge request that shows its runs: one, edited in place. Pure.

The note itself holds the rows, so that losing everything else loses none: a comment of HTML that is not shown, in JSON.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from nautes_domain.runs import RunPhase, RunState, rank, spent

MARKER: Final = "<!-- nautes:runs "
"""By it the note is found again among those of our own account."""
END: Final = " -->"
MOST_ROWS: Final = 20

_SIGNS: Final = {
    RunPhase.PENDING: "waiting",
    RunPhase.RUNNING: "running",
    RunPhase.SUCCEEDED: "✅ succeeded",
    RunPhase.FAILED: "❌ failed",
    RunPhase.CANCELLED: "🚫 cancelled",
}
_SPECIAL: Final = re.compile(r"[^\w ,\-]|^-|_")
"""Everything that could mean something in Markdown, in references of GitLab or in its quick actions."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run as it is shown."""

    run: str
    runtime: str
    pipeline: str
    commit: str
    phase: str
    words: str = ""
    """Why it did not succeed."""
    took: str = ""
    url: str = ""
    actor: str = ""


def row_of(run: RunState) -> Row:
    """Return the row of a run."""
    progress = run.progress
    failed = run.phase in {RunPhase.FAILED, RunPhase.CANCELLED}
    why = progress.why if failed else ""
    took = "" if progress.duration is None else spent(progress.duration)
    actor = run.cause.actor
    return Row(run.name, run.runtime, run.pipeline, run.commit, run.phase.value, why, took, run.url, actor)


def with_row(rows: Iterable[Row], row: Row) -> tuple[Row, ...]:
    """Return the rows with one more, or with one moved on: a run never goes back. The newest `MOST_ROWS` are kept."""
    found = {one.run: one for one in rows}
    before = found.get(row.run)
    if before is None or rank(before.phase) < rank(row.phase):
        found[row.run] = row
    return tuple(found.values())[-MOST_ROWS:]


def rows_of(body: str) -> tuple[Row, ...]:
    """Return the rows that a note holds, none if it is not such a note or was spoilt."""
    start = body.rfind(MARKER)
    if start < 0:
        return ()
    try:
        found = json.loads(body[start + len(MARKER) : body.index(END, start)])
        return tuple(Row(**{str(key): str(value) for key, value in one.items()}) for one in found)
    except (ValueError, TypeError, AttributeError):
        return ()


def note_of(rows: tuple[Row, ...]) -> str:
    """Return the body of the note: the newest run first."""
    lines = ["| pipeline | commit | run | state |", "| --- | --- | --- | --- |"]
    for row in reversed(rows):
        run = f"[{cell(row.run)}]({row.url})" if _is_plain(row.url) else cell(row.run)
        state = _SIGNS.get(RunPhase(row.phase), "") if row.phase in set(RunPhase) else ""
        said = f"{state} in {cell(row.took)}" if row.took else state
        why = f"<br>{cell(row.words)}" if row.words else ""
        pipeline = cell(f"{row.runtime} {row.pipeline}".strip())
        lines.append(
            f"| {pipeline} | {row.commit[:8] if row.commit.isalnum() else ''} | {run} | {said}{why} |"
        )
    held = json.dumps([asdict(row) for row in rows], ensure_ascii=True, separators=(",", ":"))
    hidden = held.replace("<", "\\u003c").replace(">", "\\u003e").replace("-", "\\u002d")
    asked = "`/test`, `/retest` and `/cancel` in a comment start and stop runs, each with names of runtimes or without."
    return "\n".join(["#### Runs", "", *lines, "", asked, "", f"{MARKER}{hidden}{END}"])


def cell(text: str) -> str:
    """Return text as it stands in a cell: what means something to Markdown or GitLab becomes a character reference."""
    line = " ".join(text.split())
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)


def _is_plain(url: str) -> bool:
    return re.fullmatch(r"https?://[\w.:/#~%+\-]{1,1000}", url, re.ASCII) is not None
