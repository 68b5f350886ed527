"""Server-sent events: what changed in a product, as it changes (WHATWG HTML, "Server-sent events")."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.sse import EventSourceResponse, ServerSentEvent

from nautes_api_server import views
from nautes_api_server.kinds import PRODUCT_KINDS
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import not_found
from nautes_api_server.routes.following import Seconds, Seen, follow
from nautes_api_server.seeing import sees_product
from nautes_domain import names


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

        async def look() -> Seen:
            if not await sees_product(parts.callers, parts.declarations, caller, product):
                raise not_found("product", product)
            return _state(parts, product)

        async for event in follow(parts.news, look, seconds):
            yield event

    return routes


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
