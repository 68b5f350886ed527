"""Which paths an event changed, asked of the code host as the caller: for trying out triggers with path filters."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from nautes_api_server.parts import CallerOf, Parts
from nautes_api_server.problems import not_found
from nautes_api_server.routes.places import ProductName
from nautes_api_server.seeing import sees_product
from nautes_domain import names

Commit = Annotated[str, Query(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$", description="A full commit id.")]
Repository = Annotated[str, Query(max_length=63, description="Name of the CodeRepo.")]
Target = Annotated[
    str,
    Query(max_length=1_000, description="Branch that a merge request goes into: compared with it instead."),
]


class ChangedPaths(BaseModel):
    """The paths that differ, old and new names of what moved; null if the code host cannot say."""

    paths: tuple[str, ...] | None


def router(parts: Parts) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/products/{product_name}", tags=["inspect"])

    @routes.get("/changed-paths", operation_id="changed_paths")
    async def changed(
        product_name: ProductName,
        caller: CallerOf,
        repository: Repository,
        before: Commit,
        after: Commit,
        target: Target = "",
    ) -> ChangedPaths:
        """Compare two commits as a path filter of a trigger does: a push as it was, a merge request as a whole."""
        if not await sees_product(parts.callers, parts.declarations, caller, product_name):
            raise not_found("product", product_name)
        path = names.project_path(product_name, repository) if names.is_label(repository) else ""
        if not path or await parts.callers.level_at(caller, path) is None:
            raise not_found("CodeRepo", repository)
        start = before
        if target:
            tip = await parts.host.tip(caller.token, path, target)
            if tip is None:
                return ChangedPaths(paths=None)
            start = tip.commit
        found = await parts.host.changed_paths(caller.token, path, start, after, since_fork=bool(target))
        return ChangedPaths(paths=found)

    return routes
