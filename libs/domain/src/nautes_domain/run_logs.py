"""What a run writes: what may be asked for, a line of it, and how both travel between services. Pure.

A log may hold what nobody meant to show. It is read where it lies, passed on to who asked, and stored nowhere.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from nautes_domain.failures import Blocked, Failure, Rejected, Retry
from nautes_domain.runs import RunState, instant

LONGEST_LINE: Final = 8 * 1024
"""Bytes of a line; what follows is left out, and said to be."""
MOST_BYTES: Final = 32 * 2**20
"""Bytes of one answer. Whoever wants more looks where the engine keeps it."""
CUT: Final = " […]"
"""Ends a line that was too long."""

GONE: Final = "logs-gone"
NOT_YET: Final = "logs-not-yet"
NO_SUCH_PART: Final = "no-such-task"
"""Codes: nothing is left of it, nothing was written yet, no task or step of that name."""

_CONTROL: Final = re.compile(
    r"(\x1b\[[0-9;]{0,32}m)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)
"""Colours (kept); all else that moves a cursor, names a window, or means something to a terminal (ECMA-48)."""


class LogQuery(BaseModel):
    """Which lines of a run are wanted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    follow: bool = False
    """Go on until the run has ended; wait for one that has not begun."""
    task: str = Field(default="", max_length=255)
    step: str = Field(default="", max_length=255)
    tail: int | None = Field(default=None, ge=0, le=1_000_000)
    """Only the last so many lines of each step; of what is written later, all."""

    def means(self, task: str, step: str) -> bool:
        """Say whether lines of a step are wanted."""
        return self.task in {"", task} and self.step in {"", step}


class LogLine(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str
    step: str = ""
    """Empty where an engine knows no steps."""
    at: datetime | None = None
    """When it was written, if the engine says so."""
    text: str


class LogRequest(BaseModel):
    """Asks the service that reaches clusters for a run's lines. Who may ask was checked before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product: str = Field(max_length=63)
    runtime: str = Field(max_length=63)
    run: str = Field(max_length=253)
    project_id: int
    """The project that the caller may read: a run that builds another one is not shown."""
    query: LogQuery = LogQuery()


class LogChunk(BaseModel):
    """Part of an answer: some lines, none if nothing was written for a while, and how it ended once it has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stream: str = ""
    """Of the first answer, which has no lines: where its parts are asked for."""
    lines: tuple[LogLine, ...] = ()
    ended: bool = False
    note: str = ""
    """What is not shown, and why."""
    why: str = ""
    """Why it could not be read to its end: a failure, by its parts."""
    code: str = ""
    again: bool = False
    """Whether it may work later without anyone acting."""
    who: str = ""
    next_step: str = ""

    @classmethod
    def failed(cls, failure: Failure) -> "LogChunk":
        """Return the end of an answer that a failure brought."""
        again = not isinstance(failure, Rejected)
        why = f"{failure.what}: {failure.why}" if failure.what else failure.why
        return cls(
            ended=True, why=why, code=failure.code, again=again, who=failure.who, next_step=failure.next_step
        )

    @property
    def failure(self) -> Failure | None:
        """The failure that ended it, if any."""
        if not self.why:
            return None
        if self.code == NOT_YET:
            return Blocked(self.why, by="run", code=self.code)
        if self.again:
            return Retry(self.why, code=self.code)
        return Rejected(self.why, who=self.who, next_step=self.next_step, code=self.code)


class LineSplitter:
    """Cuts bytes into lines without holding more than one, and of that no more than `longest` bytes."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._begun = bytearray()
        self._over = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that end in `data`, without their ends."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._add(part)
            yield self._take()
        self._add(rest)

    def rest(self) -> Iterator[str]:
        """Yield what is left without an end of line, if anything is."""
        if self._begun:
            yield self._take()

    def _add(self, part: bytes) -> None:
        room = self._longest - len(self._begun)
        self._over = self._over or len(part) > room
        self._begun += part[: max(0, room)]

    def _take(self) -> str:
        text = self._begun.decode(errors="replace") + (CUT if self._over else "")
        self._begun.clear()
        self._over = False
        return text


def shown_line(text: str) -> str:
    """Return a line as a terminal would end up showing it: what was overwritten is left out, colours stay."""
    last = text.rstrip("\r").rpartition("\r")[2]
    return _CONTROL.sub(lambda found: found[1] or "", last)


def stamped(text: str) -> tuple[datetime | None, str]:
    """Return time and text of a line that begins with an RFC 3339 time and a space; else no time and all of it."""
    head, space, rest = text.partition(" ")
    at = instant(head) if space and len(head) >= 20 else None
    return (None, text) if at is None else (at, rest)


def gone(run: RunState, why: str) -> Rejected:
    """Return the failure of a run of which nothing is left to read."""
    return Rejected(
        why,
        what=f"logs of {run.name}",
        next_step=f"run it again: nautes run retry {run.name}",
        code=GONE,
    )


def not_yet(run: RunState) -> Blocked:
    """Return the failure of a run that has written nothing yet, for who does not want to wait."""
    why = "it waits for its turn" if run.waits else "no step of it has begun"
    return Blocked(
        f"{why}; follow it (-f) to wait for it", by="run", what=f"logs of {run.name}", code=NOT_YET
    )


def no_such_part(run: RunState, query: LogQuery, known: Sequence[tuple[str, str]]) -> Rejected:
    """Return the failure of a task or step that a run does not have; `known` are those that it has."""
    asked = "/".join(part for part in (query.task, query.step) if part)
    names = ", ".join(sorted({"/".join(part for part in one if part) for one in known})[:50])
    return Rejected(
        f"it has no {asked}; there are {names}",
        what=f"logs of {run.name}",
        next_step="name one of these with --task and --step",
        code=NO_SUCH_PART,
    )
