"""Merge requests: made, edited, labelled, closed. Source: GitLab API, "Merge requests"."""

from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import Problem, bad_request, created, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.hooks.payloads import Happened
from nautes_localstack.forge.records import MergeRequest, Project
from nautes_localstack.forge.rights import Level

MOVES: Final = {"close": ("opened", "closed"), "reopen": ("closed", "opened")}
"""`state_event` to the state before and after."""


async def list_requests(call: Call) -> Response:
    """List merge requests, newest first, by `state` and `source_branch`."""
    project = call.project(Level.REPORTER)
    state, branch = call.query.get("state", "all"), call.query.get("source_branch", "")
    rows = call.store.merge_requests.where(
        lambda one: (
            one.project_id == project.id and state in ("all", one.state) and branch in ("", one.source_branch)
        )
    )
    return call.page(rows[::-1], lambda one: _view(call, project, one))


async def get_request(call: Call) -> dict[str, Any]:
    """Return a merge request by its number in the project."""
    project = call.project(Level.REPORTER)
    return _view(call, project, request_of(call, project))


async def create_request(call: Call) -> Response:
    """Open a merge request between two branches of the project."""
    project = call.project(Level.DEVELOPER)
    source, target, title = call.text("source_branch"), call.text("target_branch"), call.text("title")
    sha = await _head(call, project, source)
    if source == target or sha is None or await _head(call, project, target) is None:
        raise bad_request("source_branch and target_branch must be two branches of the project")
    open_already = call.store.merge_requests.first(
        lambda one: (
            (one.project_id, one.state, one.source_branch, one.target_branch)
            == (project.id, "opened", source, target)
        )
    )
    if open_already:
        words = f"Another open merge request already exists for this source branch: !{open_already.iid}"
        raise Problem(409, {"message": [words]})
    now = call.host.now()
    request = MergeRequest(
        id=call.store.merge_requests.next_id(),
        project_id=project.id,
        iid=call.services.merge_requests.next_iid(project),
        source_branch=source,
        target_branch=target,
        title=title,
        description=call.text("description", ""),
        labels=call.texts("labels") or (),
        sha=sha,
        author_id=call.user.id,
        created_at=now,
        updated_at=now,
    )
    call.services.merge_requests.put(request, call.user, Happened("open"), call.event_uuid)
    return created(_view(call, project, request))


async def edit_request(call: Call) -> dict[str, Any]:
    """Change words or labels of a merge request, close it or open it again."""
    project = call.project(Level.DEVELOPER)
    request = request_of(call, project)
    event = call.text("state_event", "")
    if event and MOVES.get(event, ("", ""))[0] != request.state:
        raise bad_request("state_event does not have a valid value")
    wanted = {
        "title": call.text("title", request.title),
        "description": call.text("description", request.description),
        "labels": _labels(call, request),
        "state": MOVES[event][1] if event else request.state,
    }
    changes = {
        name: (getattr(request, name), value)
        for name, value in wanted.items()
        if getattr(request, name) != value
    }
    if not changes:
        return _view(call, project, request)
    edited = request.model_copy(update={**wanted, "updated_at": call.host.now()})
    happened = Happened(
        event or "update", changes={name: pair for name, pair in changes.items() if name != "state"}
    )
    call.services.merge_requests.put(edited, call.user, happened, call.event_uuid)
    return _view(call, project, edited)


def _labels(call: Call, request: MergeRequest) -> tuple[str, ...]:
    labels = call.texts("labels")
    kept = request.labels if labels is None else labels
    gone = set(call.texts("remove_labels") or ())
    return tuple(dict.fromkeys(one for one in (*kept, *(call.texts("add_labels") or ())) if one not in gone))


def request_of(call: Call, project: Project) -> MergeRequest:
    """Return the merge request that the URL names."""
    iid = call.number("iid", "Merge Request")
    found = call.store.merge_requests.first(lambda one: (one.project_id, one.iid) == (project.id, iid))
    if found is None:
        raise not_found("Merge Request")
    return found


async def _head(call: Call, project: Project, branch: str) -> str | None:
    return await call.host.repository(project).resolve(f"refs/heads/{branch}")


def _view(call: Call, project: Project, request: MergeRequest) -> dict[str, Any]:
    return views.merge_request(request, call.store.users.get(request.author_id), call.host.place(project))


ROUTES: Final = (
    Route("GET projects/:id/merge_requests", list_requests),
    Route("POST projects/:id/merge_requests", create_request),
    Route("GET projects/:id/merge_requests/:iid", get_request),
    Route("PUT projects/:id/merge_requests/:iid", edit_request),
)
