"""Notes on merge requests. Source: GitLab API, "Notes", section "Merge requests"."""

from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import bad_request, created, forbidden, gone, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.merge_requests import request_of
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.records import MergeRequest, Note
from nautes_localstack.forge.rights import Level

LONGEST: Final = 1_000_000
"""Characters of a note (GitLab, "Notes API", `body`)."""


async def list_notes(call: Call) -> Response:
    """List the notes of a merge request, newest first unless told otherwise."""
    request = request_of(call, call.project(Level.REPORTER))
    rows = call.store.notes.where(lambda one: one.merge_request_id == request.id)
    return call.page(
        rows if call.query.get("sort") == "asc" else rows[::-1], lambda one: _view(call, request, one)
    )


async def get_note(call: Call) -> dict[str, Any]:
    """Return a note."""
    return _view(call, *_note(call))


async def create_note(call: Call) -> Response:
    """Write a note; who can read the merge request may."""
    request = request_of(call, call.project(Level.REPORTER))
    now = call.host.now()
    note = Note(
        id=call.store.notes.next_id(),
        project_id=request.project_id,
        merge_request_id=request.id,
        author_id=call.user.id,
        body=_body(call),
        created_at=now,
        updated_at=now,
    )
    call.services.merge_requests.comment(request, note, call.user, "create", call.event_uuid)
    return created(_view(call, request, note))


async def edit_note(call: Call) -> dict[str, Any]:
    """Change one's own note; maintainers change those of others."""
    request, note = _mine(call)
    edited = note.model_copy(update={"body": _body(call), "updated_at": call.host.now()})
    call.services.merge_requests.comment(request, edited, call.user, "update", call.event_uuid)
    return _view(call, request, edited)


async def delete_note(call: Call) -> Response:
    """Delete a note, likewise."""
    _, note = _mine(call)
    call.store.notes.delete(note.id)
    return gone()


def _body(call: Call) -> str:
    body = call.text("body")
    if len(body) > LONGEST:
        raise bad_request("body is too long")
    return body


def _note(call: Call) -> tuple[MergeRequest, Note]:
    request = request_of(call, call.project(Level.REPORTER))
    found = call.store.notes.get(call.number("note", "Note"))
    if found is None or found.merge_request_id != request.id:
        raise not_found("Note")
    return request, found


def _mine(call: Call) -> tuple[MergeRequest, Note]:
    request, note = _note(call)
    if (
        note.author_id != call.user.id
        and call.host.project_level(call.user, call.project(Level.REPORTER)) < Level.MAINTAINER
    ):
        raise forbidden()
    return request, note


def _view(call: Call, request: MergeRequest, note: Note) -> dict[str, Any]:
    author = call.store.users.get(note.author_id)
    return {
        "id": note.id,
        "body": note.body,
        "author": views.user_basic(author, call.host.url) if author else None,
        "created_at": views.moment(note.created_at),
        "updated_at": views.moment(note.updated_at),
        "system": False,
        "internal": False,
        "noteable_id": request.id,
        "noteable_type": "MergeRequest",
        "noteable_iid": request.iid,
        "project_id": note.project_id,
        "resolvable": False,
    }


ROUTES: Final = tuple(
    Route(f"{method} projects/:id/merge_requests/:iid/notes{rest}", handler)
    for method, rest, handler in (
        ("GET", "", list_notes),
        ("POST", "", create_note),
        ("GET", "/:note", get_note),
        ("PUT", "/:note", edit_note),
        ("DELETE", "/:note", delete_note),
    )
)
