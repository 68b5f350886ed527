"""What the jobs of a pipeline wrote (GitLab API, "Jobs": list pipeline jobs, get a log file). Jobs have no steps here.

GitLab gives a log only as a whole, so what was read before is read over; `MOST` bounds how far that goes.
"""

import re
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from nautes_adapters.gitlab.api import GitLabApi
from nautes_adapters.gitlab.ci.status import is_over, place
from nautes_domain.run_logs import (
    LineSplitter,
    LogLine,
    LogQuery,
    gone,
    no_such_part,
    not_yet,
    shown_line,
    stamped,
)
from nautes_domain.runs import RunState

AT_ONCE: Final = 512 * 1024
"""Bytes that are taken of a log in one look."""
MOST: Final = 16 * 2**20
"""Bytes of one job's log."""
_STREAM: Final = re.compile(r"[0-9a-f]{2}[OE][+ ]?")
"""What follows a time in logs of runners since 18.7: number and kind of the stream, `+` for a line that goes on."""


class PipelineLogs:
    """One reading of one pipeline's logs."""

    def __init__(
        self, api: GitLabApi, run: RunState, query: LogQuery, pause: Callable[[], Awaitable[None]]
    ) -> None:
        self._api = api
        self._run = run
        self._query = query
        self._pause = pause
        self._read: dict[int, tuple[int, LineSplitter]] = {}

    async def lines(self) -> AsyncGenerator[LogLine, None]:
        """Yield the lines; see `capabilities.PipelineEngine.logs`."""
        while True:
            pipeline = await self._api.get(place(self._run.uid))
            if pipeline is None:
                raise gone(self._run, "the pipeline was deleted, and its jobs with it")
            over = is_over(pipeline)  # asked first: what was written before its end is read then
            jobs = await self._jobs()
            for job in jobs:
                if self._query.means(str(job["name"]), "") and job.get("started_at"):
                    async for line in self._new(job):
                        yield line
            if over or not self._query.follow:
                break
            await self._pause()
        if not self._read:
            known = [(str(job["name"]), "") for job in jobs]
            if known and not any(self._query.means(*one) for one in known):
                raise no_such_part(self._run, self._query, known)
            raise gone(self._run, "it ended before any job began") if over else not_yet(self._run)

    async def _jobs(self) -> list[Mapping[str, Any]]:
        """Return the jobs in the order in which they were made, those that were tried again included."""
        found = await self._api.rows(f"{place(self._run.uid)}/jobs", include_retried="true")
        return sorted(found, key=lambda job: int(job["id"]))

    async def _new(self, job: Mapping[str, Any]) -> AsyncGenerator[LogLine, None]:
        """Yield the lines that a job wrote since the look before."""
        key, path = int(job["id"]), f"/projects/{self._run.uid.partition('/')[0]}/jobs/{int(job['id'])}/trace"
        first = key not in self._read
        done, splitter = self._read.setdefault(key, (0, LineSplitter()))
        newest: deque[LogLine] | None = None
        if first and self._query.tail is not None:
            newest = deque(maxlen=self._query.tail)
        while done < MOST:
            data = await self._api.part(path, done, AT_ONCE)
            done += len(data)
            self._read[key] = (done, splitter)
            for text in _ended(splitter, data, last=_is_final(job) and len(data) < AT_ONCE):
                line = _line(job, text)
                if newest is None:
                    yield line
                else:
                    newest.append(line)
            if len(data) < AT_ONCE:
                break
        for line in newest or ():
            yield line


def _ended(splitter: LineSplitter, data: bytes, *, last: bool) -> Iterator[str]:
    yield from splitter.feed(data)
    if last:
        yield from splitter.rest()


def _is_final(job: Mapping[str, Any]) -> bool:
    return job["status"] in {"success", "failed", "canceled"}


def _line(job: Mapping[str, Any], text: str) -> LogLine:
    at, rest = stamped(text)
    if at is not None:
        found = _STREAM.match(rest)
        rest = rest[found.end() :] if found else rest
    return LogLine(task=str(job["name"]), at=at, text=shown_line(rest))
