"""Server-sent events: what changed, as it changes (WHATWG HTML, "Server-sent events")."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from nautes_api_server import views
from nautes_api_server.callers import Caller
from nautes_api_server.kinds import PRODUCT_KINDS
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import not_found
from nautes_api_server.seeing import sees_product
from nautes_domain import names

BEAT: Final = 10.0
"""Seconds after which rights are looked at again, and the connection is shown to be alive."""
LONGEST: Final = 3_600

Seen = Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]]
"""What was told last: (kind, name) to a digest and the object."""

Seconds = Annotated[
    int, Query(ge=1, le=LONGEST, description="How long to watch; clients then connect again.")
]


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", tags=["watch"])

    async def seen(
        product_name: Annotated[str, Path(description="Name of the product.")], caller: CallerOf
    ) -> str:
        """Return the product if the caller sees it: that is told before the stream begins."""
        if not await sees_product(parts.callers, parts.declarations, caller, product_name):
            raise not_found("product", product_name)
        return product_name

    @routes.get(
        "/products/{product_name}/watch", response_class=EventSourceResponse, operation_id="watch_product"
    )
    async def watch(
        product: Annotated[str, Depends(seen)], caller: CallerOf, seconds: Seconds = 300
    ) -> AsyncIterator[ServerSentEvent]:
        """Follow a product: first everything that it declares and how it stands, then what changes.

        Events are `added`, `modified`, `deleted` with `{kind, name, object}`; an event `end` comes when the caller
        may not see the product any more.
        """
        async for event in _events(parts, caller, product, seconds):
            yield event

    return routes


async def _events(parts: Parts, caller: Caller, product: str, seconds: int) -> AsyncIterator[ServerSentEvent]:
    seen: Seen = {}
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while (left := end - clock()) > 0:
        version = parts.news.version()
        now = _state(parts, product)
        for event, kind, name, shown in changes(seen, now):
            yield ServerSentEvent(
                event=event, data={"kind": kind, "name": name, "object": shown}, id=str(version)
            )
        seen = now
        await parts.news.changed(version, min(BEAT, left))
        yield ServerSentEvent(comment="still here")
        if not await sees_product(parts.callers, parts.declarations, caller, product):
            yield ServerSentEvent(event="end", data={})
            return


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


def _state(parts: Parts, product: str) -> Seen:
    found: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {
        (kind.kind, one.name): (one.etag, one.view)
        for kind in PRODUCT_KINDS
        for one in parts.declarations.entities(kind, product).values()
    }
    scope = names.scope("product", product)
    view = views.scope_view(scope, parts.news.statuses.values()).model_dump(mode="json")
    found["Status", product] = (names.digest(str(view)), view)
    return found
