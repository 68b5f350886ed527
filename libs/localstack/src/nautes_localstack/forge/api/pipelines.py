"""Pipelines. Source: GitLab API, "Pipelines"; answers as in its examples."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge.api import ci_views
from nautes_localstack.forge.api.answers import Problem, bad_request, created, gone, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.ci import states
from nautes_localstack.forge.ci.config import Invalid
from nautes_localstack.forge.records import Pipeline, Project
from nautes_localstack.forge.rights import Level

_ORDERS: Final = ("id", "status", "ref", "updated_at", "user_id")


async def list_pipelines(call: Call) -> Response:
    """List pipelines, newest first unless told otherwise."""
    project, query = call.project(Level.REPORTER), call.query
    rows = [
        one
        for one in call.store.pipelines.where(lambda one: one.project_id == project.id)
        if _fits(call, one, query)
    ]
    order = query.get("order_by", "id")
    if order not in _ORDERS:
        raise bad_request("order_by does not have a valid value")
    progress = call.services.pipelines.progress

    def rank(one: Pipeline) -> Any:
        return getattr(progress(one), order) if order in ("status", "updated_at") else getattr(one, order)

    rows = sorted(rows, key=rank, reverse=query.get("sort", "desc") == "desc")
    return call.page(rows, lambda one: ci_views.pipeline_row(one, progress(one), call.host.place(project)))


async def get_pipeline(call: Call) -> dict[str, Any]:
    """Return a pipeline."""
    project = call.project(Level.REPORTER)
    return _view(call, project, _pipeline(call, project))


async def create_pipeline(call: Call) -> Response:
    """Make a pipeline for a branch or tag, with variables."""
    project = call.project(Level.DEVELOPER)
    ref = call.text("ref", call.query.get("ref", ""))
    if not ref:
        raise bad_request("ref is missing")
    try:
        made = await call.services.pipelines.create(project, call.user, ref, _variables(call))
    except Invalid as invalid:
        raise Problem(400, {"message": {"base": [str(invalid)]}}) from None
    return created(_view(call, project, made))


async def delete_pipeline(call: Call) -> Response:
    """Delete a pipeline; owners only."""
    project = call.project(Level.OWNER)
    call.services.pipelines.delete(_pipeline(call, project))
    return gone()


async def cancel_pipeline(call: Call) -> dict[str, Any]:
    """Cancel what of a pipeline has not ended; the answer is a 200 whatever its state."""
    project = call.project(Level.DEVELOPER)
    found = _pipeline(call, project)
    call.services.pipelines.cancel(found)
    return _view(call, project, found)


async def retry_pipeline(call: Call) -> Response:
    """Run what failed or was cancelled again, in the same pipeline."""
    project = call.project(Level.DEVELOPER)
    found = _pipeline(call, project)
    call.services.pipelines.retry(found)
    return created(_view(call, project, found))


async def list_variables(call: Call) -> Response:
    """List the variables that a pipeline was made with: for maintainers, and whoever made it."""
    project = call.project(Level.REPORTER)
    found = _pipeline(call, project)
    if found.user_id != call.user.id:
        call.project(Level.MAINTAINER)
    rows = list(found.variables.items())
    return call.page(rows, lambda one: {"key": one[0], "value": one[1], "variable_type": "env_var"})


async def edit_metadata(call: Call) -> dict[str, Any]:
    """Name a pipeline (GitLab API, "Update pipeline metadata")."""
    project = call.project(Level.DEVELOPER)
    name = call.text("name")
    if len(name) > 255:
        raise bad_request("name is too long (maximum is 255 characters)")
    return _view(call, project, call.store.pipelines.change(_pipeline(call, project), name=name))


async def list_jobs(call: Call) -> Response:
    """List the jobs of a pipeline, newest first, by `scope`."""
    project = call.project(Level.REPORTER)
    found = _pipeline(call, project)
    rows = call.services.pipelines.jobs(found, retried=call.flag("include_retried", default=False))
    asked = call.query.get("scope[]", call.query.get("scope", ""))
    rows = [one for one in rows if not asked or one.status in asked.split(",")]
    return call.page(rows[::-1], lambda one: ci_views.job(one, found, call.host.place(project)))


def _pipeline(call: Call, project: Project) -> Pipeline:
    found = call.store.pipelines.get(call.number("pipeline", "Pipeline"))
    if found is None or found.project_id != project.id:
        raise not_found("Pipeline")
    return found


def _view(call: Call, project: Project, shown: Pipeline) -> dict[str, Any]:
    progress, user = call.services.pipelines.progress(shown), call.store.users.get(shown.user_id)
    return ci_views.pipeline(shown, progress, user, call.host.place(project))


def _variables(call: Call) -> dict[str, str]:
    given = call.body.get("variables") or []
    if not isinstance(given, list):
        raise bad_request("variables is invalid")
    found: dict[str, str] = {}
    for one in given:
        key, value = (one.get("key"), one.get("value")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(key, str) or not key.isidentifier() or not isinstance(value, str):
            raise bad_request("variables[key] is missing, variables[value] is missing")
        if one.get("variable_type", "env_var") not in ("env_var", "file"):
            raise bad_request("variables[variable_type] does not have a valid value")
        found[key] = value
    return found


def _fits(call: Call, one: Pipeline, query: Mapping[str, str]) -> bool:
    """Say whether a pipeline meets the filters of a list."""
    for field in ("ref", "sha", "source", "name"):
        if field in query and getattr(one, field) != query[field]:
            return False
    user = call.store.users.get(one.user_id)
    if "username" in query and (user is None or user.username != query["username"]):
        return False
    progress = call.services.pipelines.progress(one)
    scope = query.get("scope")
    scopes = {
        "running": progress.status == "running",
        "pending": progress.status == "pending",
        "finished": progress.status in states.FINISHED,
        "branches": not one.tag,
        "tags": one.tag,
    }
    return (
        query.get("status", progress.status) == progress.status
        and (scope is None or scopes.get(scope, False))
        and ("updated_after" not in query or progress.updated_at > _moment(query["updated_after"]))
        and ("updated_before" not in query or progress.updated_at < _moment(query["updated_before"]))
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise bad_request("updated_after is invalid")
    return found


ROUTES: Final = (
    Route("POST projects/:id/pipeline", create_pipeline),
    Route("GET projects/:id/pipelines", list_pipelines),
    Route("GET projects/:id/pipelines/:pipeline", get_pipeline),
    Route("DELETE projects/:id/pipelines/:pipeline", delete_pipeline),
    Route("POST projects/:id/pipelines/:pipeline/cancel", cancel_pipeline),
    Route("POST projects/:id/pipelines/:pipeline/retry", retry_pipeline),
    Route("GET projects/:id/pipelines/:pipeline/variables", list_variables),
    Route("PUT projects/:id/pipelines/:pipeline/metadata", edit_metadata),
    Route("GET projects/:id/pipelines/:pipeline/jobs", list_jobs),
)
