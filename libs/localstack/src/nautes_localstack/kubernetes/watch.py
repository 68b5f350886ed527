"""Watches: what changed since a resourceVersion, then what changes, as lines of JSON (Kubernetes API concepts, "Efficient detection of changes")."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from nautes_localstack.kubernetes import errors, reading
from nautes_localstack.kubernetes.errors import ApiError
from nautes_localstack.kubernetes.kinds import Resource
from nautes_localstack.kubernetes.reading import Query
from nautes_localstack.kubernetes.selectors import Selector
from nautes_localstack.kubernetes.shapes import Object
from nautes_localstack.kubernetes.storage import Event, Store

BOOKMARK_EVERY: Final = 30.0
LONGEST: Final = 3600.0
"""Seconds."""
_BATCH: Final = 500


class Hub:
    """Wakes watches when something changes, or when the server ends."""

    def __init__(self, store: Store) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self.closing = False
        store.listeners.append(lambda event: self._wake(event.resource))

    def close(self) -> None:
        """End all watches."""
        self.closing = True
        for resource in list(self._waiting):
            self._wake(resource)

    def _wake(self, resource: str) -> None:
        for future in self._waiting.pop(resource, ()):
            if not future.done():
                future.set_result(None)

    async def changed(self, resource: str, timeout: float) -> None:  # noqa: ASYNC109 - a watch has a window
        """Wait until a resource changes, the server ends or some seconds have passed."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(resource, set()).add(future)
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return
        finally:
            self._waiting.get(resource, set()).discard(future)


@dataclass(frozen=True)
class Asked:
    """One watch, as asked for."""

    resource: Resource
    namespace: str
    wanted: Selector
    since: int
    initial: bool
    """Begin with all objects there are, as ADDED."""
    bookmarks: bool
    marks_initial: bool
    """Say by a bookmark when those are complete."""
    seconds: float


def asked(resource: Resource, namespace: str, query: Query) -> Asked:
    """Return the watch that a request asks for; raise ApiError (400, 500)."""
    text = query.get("resourceVersion", "")
    if text and not text.isdecimal():
        # Recorded: a real server takes this for a fault of its own.
        raise ApiError(500, "", f'strconv.ParseUint: parsing "{text}": invalid syntax')
    since = int(text or 0)
    streaming = reading.is_true(query.get("sendInitialEvents"))
    timeout = query.get("timeoutSeconds", "")
    seconds = float(timeout) if timeout.isdecimal() and int(timeout) else LONGEST
    return Asked(
        resource,
        namespace,
        reading.selector(resource, query),
        since,
        streaming or since == 0,
        reading.is_true(query.get("allowWatchBookmarks")),
        streaming,
        seconds,
    )


async def stream(store: Store, hub: Hub, watch: Asked) -> AsyncIterator[str]:
    """Yield the lines of one watch until its window ends. It ends early when the client is too far behind."""
    loop = asyncio.get_running_loop()
    end = loop.time() + watch.seconds
    position = watch.since
    if watch.initial:
        position = store.version
        yield _initial(store, watch)
    next_bookmark = loop.time() + BOOKMARK_EVERY
    while not hub.closing:
        if position < store.compacted:
            yield _line("ERROR", json.dumps(_expired(position, store.compacted).body()))
            return
        events = store.since(position, watch.resource.qualified, watch.namespace, _BATCH)
        if lines := "".join(_told(events, watch)):
            yield lines
        position = events[-1].version if len(events) == _BATCH else max(position, store.version)
        if len(events) == _BATCH:
            continue
        left = end - loop.time()
        if watch.bookmarks and (left <= 0 or loop.time() >= next_bookmark):
            next_bookmark = loop.time() + BOOKMARK_EVERY
            yield _bookmark(watch.resource, position)
        if left <= 0:
            return
        await hub.changed(watch.resource.qualified, min(left, max(next_bookmark - loop.time(), 0.01)))


def _initial(store: Store, watch: Asked) -> str:
    rows = reading.matching(store.collection(watch.resource.qualified, watch.namespace), watch.wanted)
    lines = [_line("ADDED", reading.render(watch.resource, row.body)) for row in rows]
    if watch.marks_initial:
        lines.append(_bookmark(watch.resource, store.version, {"k8s.io/initial-events-end": "true"}))
    return "".join(lines)


def _expired(asked_for: int, oldest: int) -> ApiError:
    return errors.expired(f"too old resource version: {asked_for} ({oldest})")


def _told(events: list[Event], watch: Asked) -> Iterator[str]:
    """Yield the lines for changes as a selector sees them: who leaves it is DELETED, who enters ADDED."""
    for event in events:
        kind: str = event.type
        body = event.body
        if watch.wanted:
            was = bool(event.previous) and watch.wanted.holds(json.loads(event.previous))
            now = event.type != "DELETED" and watch.wanted.holds(json.loads(event.body))
            if not was and not now:
                continue
            kind = "MODIFIED" if was and now else "ADDED" if now else "DELETED"
            if was and not now and event.type != "DELETED":
                body = _as_of(event.previous, event.version)
        yield _line(kind, reading.render(watch.resource, body))


def _as_of(body: str, version: int) -> str:
    obj: Object = json.loads(body)
    obj["metadata"]["resourceVersion"] = str(version)
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False)


def _bookmark(resource: Resource, version: int, annotations: dict[str, str] | None = None) -> str:
    metadata: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return _line("BOOKMARK", json.dumps(obj, separators=(",", ":")))


def _line(kind: str, obj: str) -> str:
    return f'{{"type":"{kind}","object":{obj}}}\n'
