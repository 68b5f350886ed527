"""The eight kinds as they are: list, get (section 2.3 of the original), and what became of each: status and history."""

from collections.abc import Iterable
from enum import Enum
from types import GenericAlias
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import create_model

from nautes_api_server import paging
from nautes_api_server.declarations import Entity
from nautes_api_server.kinds import KINDS, PRODUCT, Kind
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import Problem
from nautes_api_server.records import News
from nautes_api_server.routes.following import Seen, stream
from nautes_api_server.routes.places import (
    Following,
    Known,
    Most,
    Page,
    Selector,
    following_asked,
    listing,
    naming,
    page_asked,
)
from nautes_api_server.routes.replies import conditional
from nautes_api_server.seeing import History, Place, Reader
from nautes_api_server.strict import StrictRoute
from nautes_api_server.views import EntityState
from nautes_domain import selectors


def router(parts: Parts) -> APIRouter:
    """Return the reading routes of all kinds."""
    routes = APIRouter(route_class=StrictRoute)
    reader = Reader(
        parts.tenant, parts.callers, parts.declarations, parts.news, parts.records, parts.host
    )  # fmt: skip
    for kind in KINDS:
        _list(routes, reader, parts.news, kind)
        _get(routes, reader, kind)
        _became(routes, reader, kind)
    return routes


def _tags(kind: Kind) -> list[str | Enum]:
    return [kind.segment]


def _list(routes: APIRouter, reader: Reader, news: News, kind: Kind) -> None:
    items: Any = GenericAlias(list, kind.view)
    listed = create_model(f"{kind.kind}List", items=(items, ...), total=(int, ...), next=(str, ""))

    @routes.get(
        kind.collection, response_model=listed, tags=_tags(kind), operation_id=f"list_{kind.segment}",
        responses={200: {"content": {"text/event-stream": {}}}},
    )  # fmt: skip
    async def list_all(
        request: Request,
        caller: CallerOf,
        place: Annotated[Place, Depends(listing(kind))],
        asked: Annotated[Page, Depends(page_asked)],
        following: Annotated[Following, Depends(following_asked)],
        field_selector: Selector = "",
    ) -> Response:
        """List what the caller sees, sorted by name; with `watch`, server-sent events: first all of it, then what changes."""
        try:
            wanted = selectors.parse(field_selector, kind.fields)
        except ValueError as error:
            raise Problem(400, "BAD_SELECTOR", str(error)) from None

        async def select() -> Iterable[Entity]:
            rows = await reader.rows(caller, place)
            return [one for one in rows if selectors.selects(wanted, one.view)] if wanted else rows

        if following.watch:

            async def look() -> Seen:
                return {(one.kind, one.name): (one.etag, one.view) for one in await select()}

            return await stream(news, look, following.seconds)
        chosen = await select()
        page = paging.page(chosen, limit=asked.limit, after=asked.after)
        text = page.text()
        headers = {}
        if page.next:
            headers["Link"] = paging.link(request.url.path, dict(request.query_params), page.next)
        return conditional(text, paging.etag(text), asked.known, headers)


def _get(routes: APIRouter, reader: Reader, kind: Kind) -> None:
    @routes.get(kind.item, response_model=kind.view, tags=_tags(kind), operation_id=f"get_{kind.segment}")
    async def get_one(
        caller: CallerOf, place: Annotated[Place, Depends(naming(kind))], known: Known = ""
    ) -> Response:
        """Return one."""
        found = await reader.one(caller, place)
        return conditional(found.text, found.etag, known, {})


def _became(routes: APIRouter, reader: Reader, kind: Kind) -> None:
    @routes.get(f"{kind.item}/history", tags=_tags(kind), operation_id=f"history_of_{kind.segment}")
    async def history(
        caller: CallerOf, place: Annotated[Place, Depends(naming(kind))], most: Most = 20
    ) -> History:
        """Return the newest commits that changed it."""
        return await reader.history(caller, place, most)

    if kind is PRODUCT:  # a product's own status is that of its scope
        return

    @routes.get(f"{kind.item}/status", tags=_tags(kind), operation_id=f"status_of_{kind.segment}")
    async def status(caller: CallerOf, place: Annotated[Place, Depends(naming(kind))]) -> EntityState:
        """Return what became of it: whether it is taken in and applied, and what is wrong with it."""
        return await reader.state(caller, place)
