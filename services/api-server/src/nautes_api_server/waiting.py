"""Waiting until what was saved is reconciled: the read model tells, nobody is polled."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nautes_api_server import views
from nautes_api_server.records import News
from nautes_domain.effects import Result
from nautes_domain.snapshot import Snapshot

SERVICES: Final = frozenset({"reconciler", "secret-broker"})
"""Services that make something of every scope; others may."""
WAITING, RECONCILED, REFUSED = "waiting", "reconciled", "refused"
ENDS: Final = frozenset({Result.DONE, Result.ALREADY, Result.REJECTED})


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is waited for: a commit of a scope that was the head at a time."""

    scope: str
    commit: str
    at: datetime


async def waited(news: News, awaited: Awaited, seconds: float) -> tuple[str, views.ScopeView]:
    """Wait until a commit is reconciled or refused, or the time is over; return the verdict and how things stand."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while True:
        version = news.version()
        result = verdict(awaited, news)
        left = ends - loop.time()
        if result != WAITING or left <= 0:
            return result, views.scope_view(awaited.scope, news.statuses.values())
        await news.changed(version, left)


def verdict(awaited: Awaited, news: News) -> str:
    """Say how far a commit is: `waiting`, `reconciled`, `refused`."""
    statuses = {one.service: one for one in news.statuses.values() if one.scope == awaited.scope}
    judged = statuses.pop(views.DECLARATIONS, None)
    if judged is not None and judged.result is Result.REJECTED and judged.commit == awaited.commit:
        return REFUSED
    snapshot = news.snapshots.get(awaited.scope)
    if snapshot is None or not _holds(snapshot, awaited):
        return WAITING
    current = [one for one in statuses.values() if one.commit == snapshot.commit and one.result in ENDS]
    if not {one.service for one in current} >= SERVICES:
        return WAITING
    return REFUSED if any(one.result is Result.REJECTED for one in current) else RECONCILED


def _holds(snapshot: Snapshot, awaited: Awaited) -> bool:
    """Say whether a snapshot is of the commit, or of a later one: its head was read after the commit was there."""
    told = snapshot.cause.received_at
    return snapshot.commit == awaited.commit or (told is not None and told > awaited.at)
