"""Project webhooks. Source: GitLab API, "Project webhooks"."""

import ipaddress
import uuid
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import Problem, created, gone, invalid, not_found
from nautes_localstack.forge.api.call import Call, as_flag
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.git.parsing import ZERO, Change
from nautes_localstack.forge.hooks import payloads, signing
from nautes_localstack.forge.hooks.payloads import Pushed
from nautes_localstack.forge.records import EVENTS, Hook, HookEvent, Project
from nautes_localstack.forge.rights import Level

TRIGGERS: Final = {"push_events": "push_hooks", "tag_push_events": "tag_push_hooks"}
"""Events that can be tested, and what deliveries call them."""


async def list_hooks(call: Call) -> Response:
    """List a project's hooks."""
    project = call.project(Level.MAINTAINER)
    rows = call.store.hooks.where(lambda one: one.project_id == project.id)
    return call.page(rows, lambda hook: views.hook(hook, call.host.now()))


async def get_hook(call: Call) -> dict[str, Any]:
    """Return a hook."""
    return views.hook(_hook(call), call.host.now())


async def create_hook(call: Call) -> Response:
    """Make a hook. It tells of pushes unless the body says otherwise."""
    project = call.project(Level.MAINTAINER)
    hook = Hook(
        id=call.store.hooks.next_id(),
        project_id=project.id,
        url=_url(call, call.text("url")),
        created_at=call.host.now(),
        **_values(call, frozenset({"push_events"})),
    )
    return created(views.hook(call.store.hooks.put(hook), call.host.now()))


async def edit_hook(call: Call) -> dict[str, Any]:
    """Change what the body names; tokens stay unless they are given."""
    hook = _hook(call)
    values = _values(call, hook.events)
    given = call.text("url", hook.url)
    changed = call.store.hooks.change(hook, url=_url(call, given), **values)
    return views.hook(changed, call.host.now())


async def delete_hook(call: Call) -> Response:
    """Delete a hook with what it sent."""
    hook = _hook(call)
    with call.store.together():
        call.store.hook_events.delete_where(lambda one: one.hook_id == hook.id)
        call.store.hooks.delete(hook.id)
    return gone()


async def list_events(call: Call) -> Response:
    """List what a hook sent, newest first; `status` is a code, or `successful`, `client_failure`, `server_failure`."""
    hook = _hook(call)
    asked = [status for status in call.query.get("status", "").split(",") if status]
    rows = call.store.hook_events.where(lambda one: one.hook_id == hook.id)
    rows = [row for row in rows if not asked or any(_has_status(row, status) for status in asked)]
    return call.page(rows[::-1], views.hook_event)


async def resend(call: Call) -> Response:
    """Send an event again, with its first Idempotency-Key."""
    hook = _hook(call)
    event = call.store.hook_events.get(call.number("event", "Hook event"))
    if event is None or event.hook_id != hook.id:
        raise not_found("Hook event")
    if not call.services.deliveries.may_resend(hook.project_id, call.user.id):
        refusal = "This endpoint has been requested too many times. Try again later."
        raise Problem(429, {"message": {"error": refusal}})
    if event.url != hook.url:
        raise Problem(422, {"message": "The hook URL has changed. This log entry cannot be retried."})
    again = await call.services.deliveries.send(
        hook,
        event.trigger,
        event.request_data,
        event.idempotency_key,
        event.request_headers["X-Gitlab-Event-UUID"],
    )
    return created({"response_status": _status(again)})


async def test(call: Call) -> Response:
    """Send the newest commits of the default branch as a push, now; a success enables a disabled hook."""
    hook = _hook(call)
    trigger = TRIGGERS.get(call.path["trigger"])
    if trigger is None:
        raise Problem(422, {"message": "Test of this event is not available on this forge"})
    project = call.project(Level.MAINTAINER)
    payload = payloads.push(call.host.place(project), call.user, await _sample(call, project, trigger))
    sent = await call.services.deliveries.send(hook, trigger, payload, _fresh_key(), _fresh_key())
    if not (sent.response_status.isdigit() and 200 <= int(sent.response_status) < 400):
        return JSONResponse({"message": f"Hook returned {sent.response_status}"}, 422)
    return created({"message": "201 Created"})


def _fresh_key() -> str:
    return str(uuid.uuid4())


async def _sample(call: Call, project: Project, trigger: str) -> Pushed:
    repository = call.host.repository(project)
    head = await repository.resolve(project.default_branch)
    if head is None:
        raise Problem(422, {"message": "Ensure the project has at least one commit."})
    commits = await repository.newest(3, head)
    if trigger == "tag_push_hooks":
        tags = await repository.refs("refs/tags/")
        if not tags:
            raise Problem(422, {"message": "Ensure the project has at least one tag."})
        change = Change(ZERO, tags[0].target, f"refs/tags/{tags[0].name}")
        return Pushed(change, [tags[0].commit], 1, tags[0].commit.id, tags[0].message or None)
    change = Change(commits[0].id, head, f"refs/heads/{project.default_branch}")
    return Pushed(change, commits, len(commits), head)


def _hook(call: Call) -> Hook:
    project = call.project(Level.MAINTAINER)
    hook = call.store.hooks.get(call.number("hook", "Hook"))
    if hook is None or hook.project_id != project.id:
        raise not_found()
    return hook


def _values(call: Call, events: frozenset[str]) -> dict[str, Any]:
    """Return what the body says about a hook besides its URL."""
    values: dict[str, Any] = {}
    chosen = {name for name in EVENTS if as_flag(call.body.get(name, name in events), name)}
    values["events"] = frozenset(chosen)
    for name in ("name", "description", "token", "signing_token", "push_events_branch_filter"):
        if name in call.body:
            values[name] = call.text(name, "")
    signed = values.get("signing_token")
    if signed and not signing.is_signing_token(signed):
        raise invalid(signing_token=["must be whsec_ followed by 32 bytes in base64"])
    if "enable_ssl_verification" in call.body:
        values["enable_ssl_verification"] = call.flag("enable_ssl_verification", default=True)
    return values


def _url(call: Call, url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise Problem(422, {"error": "Invalid url given"}) from None
    if parts.scheme not in ("http", "https") or not host or not port_ok:
        raise Problem(422, {"error": "Invalid url given"})
    if not call.services.allow_local_hooks and _is_local(host):
        raise invalid(url=["is blocked: Requests to the local network are not allowed"])
    return url


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _status(event: HookEvent) -> int:
    return int(event.response_status) if event.response_status.isdigit() else 500


def _has_status(event: HookEvent, asked: str) -> bool:
    code = int(event.response_status) if event.response_status.isdigit() else 0
    ranges = {"successful": range(200, 300), "client_failure": range(400, 500)}
    if asked == "server_failure":
        return code >= 500 or code == 0
    return code in ranges[asked] if asked in ranges else event.response_status == asked


ROUTES: Final = (
    Route("GET projects/:id/hooks", list_hooks),
    Route("POST projects/:id/hooks", create_hook),
    Route("GET projects/:id/hooks/:hook", get_hook),
    Route("PUT projects/:id/hooks/:hook", edit_hook),
    Route("DELETE projects/:id/hooks/:hook", delete_hook),
    Route("GET projects/:id/hooks/:hook/events", list_events),
    Route("POST projects/:id/hooks/:hook/events/:event/resend", resend),
    Route("POST projects/:id/hooks/:hook/test/:trigger", test),
)
