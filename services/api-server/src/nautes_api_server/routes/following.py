"""Following what a caller sees: first everything, then what changes, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.sse import EventSourceResponse, ServerSentEvent, format_sse_event
from starlette.responses import Response

from nautes_api_server.problems import Problem
from nautes_api_server.records import News

BEAT: Final = 10.0
"""Seconds after which rights are looked at again, and the connection is shown to be alive."""
LONGEST: Final = 3_600

Seen = Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]]
"""What was told last: (kind, name) to a digest and the object."""
Look = Callable[[], Awaitable[Seen]]
"""Returns what the caller sees now; raises the problem of what does not exist once it is hidden."""

Seconds = Annotated[
    int, Query(ge=1, le=LONGEST, description="How long to watch; clients then connect again.")
]


async def follow(news: News, look: Look, seconds: int) -> AsyncIterator[ServerSentEvent]:
    """Yield `added`, `modified`, `deleted` with `{kind, name, object}`, and `end` when the caller may not see it any more."""
    seen: Seen = {}
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while (left := end - clock()) > 0:
        version = news.version()
        try:
            now = await look()
        except Problem:
            yield ServerSentEvent(event="end", data={})
            return
        for event, kind, name, shown in changes(seen, now):
            data = {"kind": kind, "name": name, "object": shown}
            yield ServerSentEvent(event=event, data=data, id=str(version))
        seen = now
        await news.changed(version, min(BEAT, left))
        yield ServerSentEvent(comment="still here")


async def stream(news: News, look: Look, seconds: int) -> Response:
    """Return the answer that follows; the problem if there is nothing to see from the start."""
    await look()

    async def encoded() -> AsyncIterator[bytes]:
        async for one in follow(news, look, seconds):
            data = None if one.data is None else json.dumps(one.data, ensure_ascii=False)
            yield format_sse_event(data_str=data, event=one.event, id=one.id, comment=one.comment)

    return EventSourceResponse(encoded(), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})


def changes(before: Seen, after: Seen) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    """Return (event, kind, name, object) for everything that differs."""
    told = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            told.append(("deleted", *key, before[key][1]))
        elif key not in before:
            told.append(("added", *key, after[key][1]))
        elif before[key][0] != after[key][0]:
            told.append(("modified", *key, after[key][1]))
    return told
