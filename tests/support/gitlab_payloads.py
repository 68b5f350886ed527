"""What GitLab sends, by kind, as in its documentation ("Webhook events"), and what our gateway makes of it."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

from nautes_domain.events import Delivery
from nautes_webhook_gateway.gitlab import Call, normalise

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
ZERO, OLD, NEW, TAG = "0" * 40, "a" * 40, "b" * 40, "d" * 40
PROJECT_ID = 15
INSTANCE = "https://gitlab.example"
PROJECT = {
    "id": PROJECT_ID,
    "name": "api",
    "path_with_namespace": "orchard/apple-api-src",
    "web_url": f"{INSTANCE}/orchard/apple-api-src",
}
USER = {"id": 4, "name": "Ada", "username": "ada", "email": "[REDACTED]"}
HEADERS = {
    "push": "Push Hook",
    "tag_push": "Tag Push Hook",
    "merge_request": "Merge Request Hook",
    "note": "Note Hook",
    "issue": "Issue Hook",
    "work_item": "Issue Hook",
    "build": "Job Hook",
    "pipeline": "Pipeline Hook",
    "deployment": "Deployment Hook",
    "release": "Release Hook",
    "wiki_page": "Wiki Page Hook",
}
Payload = dict[str, Any]


def _with(body: Payload, changes: Payload) -> Payload:
    return copy.deepcopy({**body, **changes})


def push(branch: str = "main", message: str = "Ripen", **changes: Any) -> Payload:
    return _with(
        {
            "object_kind": "push", "event_name": "push", "before": OLD, "after": NEW,
            "ref": f"refs/heads/{branch}", "checkout_sha": changes.get("after", NEW), "message": None,
            "user_username": "ada", "project_id": PROJECT_ID, "project": PROJECT,
            "commits": [{"id": NEW, "message": message, "added": [], "modified": [], "removed": []}],
            "total_commits_count": 1, "push_options": {},
        },
        changes,
    )  # fmt: skip


def created(branch: str, **changes: Any) -> Payload:
    """A new branch without new commits."""
    return push(branch, before=ZERO, commits=[], total_commits_count=0, **changes)


def deleted(branch: str, **changes: Any) -> Payload:
    return push(
        branch, **{"after": ZERO, "checkout_sha": None, "commits": [], "total_commits_count": 0, **changes}
    )


def tag(name: str = "v1.0", **changes: Any) -> Payload:
    """An annotated tag: `after` is the tag, `checkout_sha` the commit."""
    about = {"object_kind": "tag_push", "event_name": "tag_push", "ref": f"refs/tags/{name}", "before": ZERO,
             "after": TAG, "checkout_sha": NEW, "message": "First"}  # fmt: skip
    return push(**{**about, **changes})


def merge_request(action: str = "open", *, changed: tuple[str, ...] = (), **attributes: Any) -> Payload:
    return {
        "object_kind": "merge_request", "event_type": "merge_request", "user": USER, "project": PROJECT,
        "labels": attributes.pop("labels", []),
        "changes": {name: {"previous": None, "current": None} for name in changed},
        "object_attributes": {
            "id": 99, "iid": 7, "target_branch": "main", "source_branch": "feature", "title": "Ripen faster",
            "source_project_id": PROJECT_ID, "target_project_id": PROJECT_ID, "state": "opened", "draft": False,
            "last_commit": {"id": NEW, "message": "Ripen"}, "action": action,
            "updated_at": "2026-01-01 08:00:00 UTC", **attributes,
        },
    }  # fmt: skip


def note(on: Payload | None = None, text: str = "/test please", **attributes: Any) -> Payload:
    """A comment: on a merge request, or on a commit where none is given."""
    about: Payload = {"noteable_type": "Commit", "commit_id": NEW}
    if on is not None:
        about = {"noteable_type": "MergeRequest", "commit_id": None}
    body = {
        "object_kind": "note", "event_type": "note", "user": USER, "project_id": PROJECT_ID, "project": PROJECT,
        "object_attributes": {"id": 1241, "note": text, "action": "create",
                              "updated_at": "2026-01-01 08:00:00 UTC", **about, **attributes},
    }  # fmt: skip
    return {**body, "merge_request": on["object_attributes"]} if on else body


def issue(action: str = "open", **changes: Any) -> Payload:
    attributes = {"id": 301, "iid": 23, "title": "Too green", "state": "opened", "action": action,
                  "updated_at": "2026-01-01 08:00:00 UTC"}  # fmt: skip
    return _with(
        {"object_kind": "issue", "event_type": "issue", "user": USER, "project": PROJECT, "labels": [],
         "object_attributes": attributes},
        changes,
    )  # fmt: skip


def job(status: str = "success", **changes: Any) -> Payload:
    return _with(
        {"object_kind": "build", "ref": "main", "tag": False, "before_sha": OLD, "sha": NEW, "build_id": 1977,
         "build_name": "test", "build_status": status, "build_started_at": None, "user": USER,
         "project_id": PROJECT_ID, "project_name": "Orchard / api", "project": PROJECT},
        changes,
    )  # fmt: skip


def pipeline(status: str = "success", user: Payload = USER, **attributes: Any) -> Payload:
    return {
        "object_kind": "pipeline", "user": user, "project": PROJECT, "builds": [],
        "object_attributes": {"id": 31, "ref": "main", "tag": False, "sha": NEW, "before_sha": OLD,
                              "source": "push", "status": status, "finished_at": None, **attributes},
    }  # fmt: skip


def deployment(status: str = "success", **changes: Any) -> Payload:
    return _with(
        {"object_kind": "deployment", "status": status, "status_changed_at": "2026-01-01 08:00:00 +0000",
         "deployment_id": 15, "environment": "staging", "project": PROJECT, "short_sha": NEW[:8], "user": USER,
         "commit_url": f"{INSTANCE}/orchard/apple-api-src/-/commit/{NEW}", "commit_title": "Ripen", "ref": "main"},
        changes,
    )  # fmt: skip


def release(action: str = "create", **changes: Any) -> Payload:
    return _with(
        {"object_kind": "release", "id": 1, "created_at": "2026-01-01 08:00:00 UTC", "name": "First", "tag": "v1.0",
         "action": action, "project": PROJECT, "commit": {"id": NEW, "message": "Ripen"}},
        changes,
    )  # fmt: skip


def wiki() -> Payload:
    return {"object_kind": "wiki_page", "user": USER, "project": PROJECT}


def understood(body: Payload, *, key: str = KEY, header: str = "") -> Any:
    """What the gateway makes of a call; the header is that of the body's kind."""
    event = header or HEADERS[body["object_kind"]]
    call = Call("orchard.apple-api-src", PROJECT_ID, json.dumps(body).encode(), key, event, instance=INSTANCE)
    return normalise(call, NOW)


def delivered(body: Payload, *, key: str = KEY, header: str = "") -> Delivery:
    """The delivery that the gateway stores."""
    result = understood(body, key=key, header=header)
    assert isinstance(result, Delivery), result
    return result
