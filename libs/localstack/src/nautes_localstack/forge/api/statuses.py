"""Commit statuses reported from outside. Source: GitLab API, "Commits", section "Commit status"."""

from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge import statuses
from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import Problem, bad_request, created, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.records import Pipeline, Project, Status
from nautes_localstack.forge.rights import Level


async def set_status(call: Call) -> Response:
    """Report a state of a commit. A running or pending status of the same name, ref and user moves on; else a new one."""
    project = call.project(Level.DEVELOPER)
    state = call.text("state")
    if state not in statuses.STATES:
        raise bad_request("state does not have a valid value")
    repository = call.host.repository(project)
    sha = await repository.resolve(call.path["sha"])
    if sha is None:
        raise not_found("Commit")
    pipeline, ref = _pipeline(call, project, sha)
    if not ref:
        branches = await repository.refs("refs/heads/", containing=sha)
        if not branches:
            raise not_found("References for commit")
        ref = branches[0].name
    name = call.text("name", "") or call.text("context", "") or "default"
    current = call.store.statuses.first(
        lambda one: (
            pipeline is not None
            and one.pipeline_id == pipeline.id
            and (one.name, one.ref, one.user_id) == (name, ref, call.user.id)
            and one.status in statuses.RUNNING_OR_PENDING
        )
    )
    try:
        moved = statuses.move(current.status if current else statuses.CREATED, state)
    except statuses.RefusedMove as refused:
        raise Problem(400, {"message": str(refused)}) from None
    return created(_view(call, _store(call, project, pipeline, current, (sha, ref, name, moved))))


async def list_statuses(call: Call) -> Response:
    """List the statuses of a commit: the newest of each name, or `all`; by `ref`, `name`, `pipeline_id`."""
    project = call.project(Level.REPORTER)
    sha = await call.host.repository(project).resolve(call.path["sha"])
    if sha is None:
        raise not_found("Commit")
    rows = call.store.statuses.where(lambda one: one.project_id == project.id and one.sha == sha)
    if not call.flag("all", default=False):
        rows = list({(one.name, one.pipeline_id): one for one in rows}.values())
    for field in ("ref", "name", "pipeline_id"):
        if field in call.query:
            rows = [one for one in rows if str(getattr(one, field)) == call.query[field]]
    return call.page(sorted(rows, key=lambda one: one.id), lambda one: _view(call, one))


def _pipeline(call: Call, project: Project, sha: str) -> tuple[Pipeline | None, str]:
    """Return the newest pipeline that the status belongs to, if there is one, and the ref, if it is known."""
    asked, ref = call.body.get("pipeline_id"), call.text("ref", "").removeprefix("refs/heads/")
    found = call.store.pipelines.where(
        lambda one: (
            one.project_id == project.id
            and one.sha == sha
            and (not ref or one.ref == ref)
            and (asked is None or str(one.id) == str(asked))
        )
    )
    if asked is not None and not found:
        raise not_found("Pipeline for pipeline_id, sha and ref")
    return (found[-1], found[-1].ref) if found else (None, ref)


def _store(
    call: Call,
    project: Project,
    pipeline: Pipeline | None,
    current: Status | None,
    key: tuple[str, str, str, str],
) -> Status:
    sha, ref, name, state = key
    now = call.host.now()
    values: dict[str, Any] = {"status": state}
    for field in ("description", "target_url"):
        if call.body.get(field) is not None:
            values[field] = call.text(field, "")
    if state == "running":
        values["started_at"] = now
    if state in statuses.FINISHED:
        values["finished_at"] = now
    if current is not None:
        return call.store.statuses.change(current, **values)
    with call.store.together():
        if pipeline is None:
            pipeline = call.store.pipelines.put(
                Pipeline(
                    id=call.store.pipelines.next_id(), project_id=project.id, sha=sha, ref=ref, created_at=now
                )
            )
        return call.store.statuses.put(
            Status(
                id=call.store.statuses.next_id(),
                project_id=project.id,
                pipeline_id=pipeline.id,
                sha=sha,
                ref=ref,
                name=name,
                user_id=call.user.id,
                created_at=now,
                **values,
            )
        )


def _view(call: Call, status: Status) -> dict[str, Any]:
    return views.status(status, call.store.users.get(status.user_id), call.host.url)


ROUTES: Final = (
    Route("POST projects/:id/statuses/:sha", set_status),
    Route("GET projects/:id/repository/commits/:sha/statuses", list_statuses),
)
