"""The hooks that runtimes may name: what the original publishes in its ConfigMap `nautes-hooks-metadata` (section 1.13)."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import not_found
from nautes_api_server.strict import StrictRoute
from nautes_domain.hooks import HookKind


class HookView(BaseModel):
    """What a hook says of itself."""

    name: str
    component: str
    """The pipeline component of the clusters on which it runs."""
    description: str
    is_pre_hook: bool
    is_post_hook: bool
    support_event_source_types: list[str]
    vars_definition: Mapping[str, Any]
    """JSON Schema of its variables, all of them text."""
    wants: list[str]
    """Variables of platform, event and run that it is told."""
    requested_resources: Mapping[str, str]
    """What it finds beside it, by folder."""
    optional_resources: list[str]
    """Folders that may be missing."""


class HookViews(BaseModel):
    """Every hook, by component and name."""

    items: list[HookView]
    total: int


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/hooks", tags=["hooks"], route_class=StrictRoute)

    @routes.get("", operation_id="list_hooks")
    async def hooks(caller: CallerOf) -> HookViews:  # noqa: ARG001 - known to GitLab, and no more is asked
        """List the hooks that are installed."""
        found = [view_of(kind) for kinds in parts.declarations.hooks.values() for kind in kinds.values()]
        found.sort(key=lambda one: (one.component, one.name))
        return HookViews(items=found, total=len(found))

    @routes.get("/{hook_name}", operation_id="show_hook")
    async def hook(hook_name: str, caller: CallerOf) -> HookView:  # noqa: ARG001
        """Return what a hook says of itself."""
        for kinds in parts.declarations.hooks.values():
            if hook_name in kinds:
                return view_of(kinds[hook_name])
        raise not_found("hook", hook_name)

    return routes


def view_of(kind: HookKind) -> HookView:
    """Return a hook as it is replied."""
    return HookView(
        name=kind.name,
        component=kind.component,
        description=kind.description,
        is_pre_hook=kind.is_pre_hook,
        is_post_hook=kind.is_post_hook,
        support_event_source_types=sorted(kind.event_source_types),
        vars_definition=kind.variables,
        wants=list(kind.wants),
        requested_resources=dict(kind.resources),
        optional_resources=sorted(kind.optional),
    )
