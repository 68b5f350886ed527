"""The eight kinds as they are wished: save and delete (section 2.3 of the original)."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from nautes_api_server import waiting
from nautes_api_server.bodies.base import Body
from nautes_api_server.callers import Caller
from nautes_api_server.kinds import KINDS, Kind
from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.routes.places import DryRun, Wait, conditions, naming, skipping
from nautes_api_server.routes.replies import JSON, Saved, saved
from nautes_api_server.seeing import Place
from nautes_api_server.strict import StrictRoute
from nautes_api_server.wishes import Conditions, Wish
from nautes_api_server.writing import Written

Handler = Callable[..., Awaitable[Response]]


def router(parts: Parts) -> APIRouter:
    """Return the writing routes of all kinds."""
    routes = APIRouter(route_class=StrictRoute)
    for kind in KINDS:
        _save(routes, parts, kind)
        _delete(routes, parts, kind)
    return routes


async def _granted(parts: Parts, caller: Caller, wish: Wish, wait: float) -> Response:
    request = parts.request_id()
    written = await parts.writer.grant(caller, wish, request)
    reply = saved(_words(wish, written), written, dry_run=wish.dry_run)
    if wait and not wish.dry_run:
        awaited = waiting.Awaited(wish.scope, written.head, parts.now())
        result, state = await waiting.waited(parts.news, awaited, wait)
        reply = reply.model_copy(update={"result": result, "state": state})
    headers = {"X-Request-Id": request}
    if written.draft.etag:
        headers["ETag"] = written.draft.etag
    code = 202 if reply.result == waiting.WAITING else 200
    return Response(reply.model_dump_json(), code, media_type=JSON, headers=headers)


def _words(wish: Wish, written: Written) -> str:
    """Return the short sentence of the original's replies."""
    if wish.removes and not len(written.draft.plan):
        return f"{wish.entity}{wish.where} is not there"
    verb = "removed" if wish.removes else "saved"
    more = "; its kubeconfig was handed to the secret broker" if written.handed_over else ""
    return f"{wish.entity}{wish.where} {'would be' if wish.dry_run else 'is'} {verb}{more}"


def _save(routes: APIRouter, parts: Parts, kind: Kind) -> None:
    async def save(
        body: Body,
        caller: CallerOf,
        place: Annotated[Place, Depends(naming(kind))],
        when: Annotated[Conditions, Depends(conditions)],
        skip: Annotated[bool, Depends(skipping(kind))],
        *,
        dry_run: DryRun = False,
        wait: Wait = 0,
    ) -> Response:
        """Create or replace it: one commit in the caller's name. Saving what is there already changes nothing."""
        wish = Wish(kind, place.name, place.product, body, when, skip=skip, dry_run=dry_run)
        return await _granted(parts, caller, wish, wait)

    save.__annotations__["body"] = kind.body  # FastAPI reads the annotation; each kind has a body of its own
    _add(routes, kind, "POST", save, f"save_{kind.segment}")


def _delete(routes: APIRouter, parts: Parts, kind: Kind) -> None:
    async def delete(
        caller: CallerOf,
        place: Annotated[Place, Depends(naming(kind))],
        when: Annotated[Conditions, Depends(conditions)],
        skip: Annotated[bool, Depends(skipping(kind))],
        *,
        dry_run: DryRun = False,
        wait: Wait = 0,
    ) -> Response:
        """Remove it: one commit in the caller's name. Removing what is not there changes nothing."""
        wish = Wish(kind, place.name, place.product, None, when, skip=skip, dry_run=dry_run)
        return await _granted(parts, caller, wish, wait)

    _add(routes, kind, "DELETE", delete, f"delete_{kind.segment}")


def _add(routes: APIRouter, kind: Kind, method: str, handler: Handler, operation: str) -> None:
    tags: list[str | Enum] = [kind.segment]
    pending: dict[int | str, dict[str, Any]] = {
        202: {"model": Saved, "description": "It is saved, but not reconciled before the time was over."}
    }
    routes.add_api_route(
        kind.item, handler, methods=[method], response_model=Saved, tags=tags, operation_id=operation,
        responses=pending,
    )  # fmt: skip
