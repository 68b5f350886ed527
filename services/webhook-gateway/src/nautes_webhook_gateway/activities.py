"""What happens around code: merge requests, notes, issues, jobs, pipelines, deployments, releases. Pure.

Source: GitLab documentation, "Webhook events". Each kind gives the fields of a Delivery that it has.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from nautes_domain.events import DeliveryKind, asks_to_skip
from nautes_webhook_gateway.bounds import number, sha, short_ref, shown

Fields = dict[str, Any]

_COMMIT_URL = re.compile(r"/commit/([0-9a-f]{40}(?:[0-9a-f]{24})?)\Z")
_LABELS: Final = 20
_NOTE: Final = 1000


class _User(msgspec.Struct):
    username: str | None = None


class _Commit(msgspec.Struct):
    id: str | None = None
    message: str | None = None


class _Label(msgspec.Struct):
    title: str | None = None


class _MergeRequest(msgspec.Struct):
    iid: int
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    title: str | None = None
    state: str | None = None
    action: str | None = None
    oldrev: str | None = None
    last_commit: _Commit | None = None
    draft: bool | None = None
    work_in_progress: bool | None = None
    """`draft` before GitLab 15."""
    updated_at: str | None = None


class _MergeRequestEvent(msgspec.Struct):
    object_attributes: _MergeRequest
    user: _User | None = None
    labels: list[_Label] | None = None
    changes: dict[str, msgspec.Raw] | None = None


class _Issue(msgspec.Struct):
    iid: int
    title: str | None = None
    state: str | None = None
    action: str | None = None
    confidential: bool | None = None
    updated_at: str | None = None


class _IssueEvent(msgspec.Struct):
    object_attributes: _Issue
    event_type: str | None = None
    user: _User | None = None
    labels: list[_Label] | None = None
    changes: dict[str, msgspec.Raw] | None = None


class _Note(msgspec.Struct):
    id: int
    note: str | None = None
    noteable_type: str | None = None
    action: str | None = None
    commit_id: str | None = None
    updated_at: str | None = None


class _NoteEvent(msgspec.Struct):
    object_attributes: _Note
    event_type: str | None = None
    user: _User | None = None
    merge_request: _MergeRequest | None = None


class _JobEvent(msgspec.Struct):
    build_id: int
    ref: str
    sha: str
    tag: bool | None = None
    before_sha: str | None = None
    build_name: str | None = None
    build_status: str | None = None
    build_started_at: str | None = None
    build_finished_at: str | None = None
    user: _User | None = None


class _Pipeline(msgspec.Struct):
    id: int
    ref: str
    sha: str
    tag: bool | None = None
    before_sha: str | None = None
    status: str | None = None
    source: str | None = None
    finished_at: str | None = None


class _PipelineEvent(msgspec.Struct):
    object_attributes: _Pipeline
    user: _User | None = None


class _DeploymentEvent(msgspec.Struct):
    deployment_id: int
    status: str | None = None
    status_changed_at: str | None = None
    environment: str | None = None
    ref: str | None = None
    commit_url: str | None = None
    commit_title: str | None = None
    user: _User | None = None


class _ReleaseEvent(msgspec.Struct):
    id: int
    tag: str
    name: str | None = None
    action: str | None = None
    commit: _Commit | None = None
    created_at: str | None = None


def _merge_request(event: _MergeRequestEvent) -> Fields:
    request = event.object_attributes
    return {
        **_proposed(request),
        "actor": _actor(event.user),
        "before": sha("oldrev", request.oldrev),
        "labels": _titles(event.labels),
        "edited": _edited(event.changes),
        "action": shown(request.action, 50),
        "number": number(request.iid),
        "occurred_at": shown(request.updated_at, 40),
    }


def _proposed(request: _MergeRequest) -> Fields:
    """Return what is proposed for merging. The ref is GitLab's own for the head of a merge request."""
    commit = request.last_commit or _Commit()
    head = sha("last_commit.id", commit.id)
    return {
        "ref": f"refs/merge-requests/{number(request.iid)}/head",
        "after": head,
        "checkout_sha": head,
        "message": _headline(commit.message),
        "message_skips": asks_to_skip(commit.message or ""),
        "title": shown(request.title, 300),
        "state": shown(request.state, 50),
        "source_branch": short_ref("source_branch", request.source_branch),
        "target_branch": short_ref("target_branch", request.target_branch),
        "source_project_id": number(request.source_project_id),
        "draft": bool(request.draft or request.work_in_progress),
    }


def _issue(event: _IssueEvent) -> Fields:
    issue = event.object_attributes
    secret = event.event_type == "confidential_issue" or bool(issue.confidential)
    return {
        "actor": _actor(event.user),
        "number": number(issue.iid),
        "title": "" if secret else shown(issue.title, 300),
        "state": shown(issue.state, 50),
        "action": shown(issue.action, 50),
        "labels": _titles(event.labels),
        "edited": _edited(event.changes),
        "confidential": secret,
        "occurred_at": shown(issue.updated_at, 40),
    }


def _note(event: _NoteEvent) -> Fields:
    note = event.object_attributes
    secret = event.event_type == "confidential_note"
    commit = sha("commit_id", note.commit_id)
    return {
        **(
            _proposed(event.merge_request)
            if event.merge_request
            else {"checkout_sha": commit, "after": commit}
        ),
        "actor": _actor(event.user),
        "number": number(note.id),
        "about": shown(note.noteable_type, 255),
        "text": "" if secret else shown(note.note, _NOTE),
        "action": shown(note.action or "create", 50),  # older GitLabs told of new notes only
        "confidential": secret,
        "occurred_at": shown(note.updated_at, 40),
    }


def _job(event: _JobEvent) -> Fields:
    return {
        **_built(event.ref, event.sha, event.before_sha, tag=event.tag),
        "actor": _actor(event.user),
        "number": number(event.build_id),
        "about": shown(event.build_name, 255),
        "state": shown(event.build_status, 50),
        "occurred_at": shown(event.build_finished_at or event.build_started_at, 40),
    }


def _pipeline(event: _PipelineEvent) -> Fields:
    pipeline = event.object_attributes
    return {
        **_built(pipeline.ref, pipeline.sha, pipeline.before_sha, tag=pipeline.tag),
        "actor": _actor(event.user),
        "number": number(pipeline.id),
        "about": shown(pipeline.source, 255),
        "state": shown(pipeline.status, 50),
        "occurred_at": shown(pipeline.finished_at, 40),
    }


def _built(ref: str, commit: str, before: str | None, *, tag: bool | None) -> Fields:
    """Return what a job or pipeline works on; the ref of a merge request's pipeline is written in full."""
    name = short_ref("ref", ref)
    full = name if name.startswith("refs/") else f"refs/{'tags' if tag else 'heads'}/{name}"
    built = sha("sha", commit)
    return {"ref": full, "before": sha("before_sha", before), "after": built, "checkout_sha": built}


def _deployment(event: _DeploymentEvent) -> Fields:
    found = _COMMIT_URL.search(event.commit_url or "")  # the payload has no other whole id of the commit
    commit = found.group(1) if found else ""
    return {
        "ref": short_ref("ref", event.ref),
        "after": commit,
        "checkout_sha": commit,
        "actor": _actor(event.user),
        "number": number(event.deployment_id),
        "about": shown(event.environment, 255),
        "state": shown(event.status, 50),
        "message": shown(event.commit_title, 300),
        "occurred_at": shown(event.status_changed_at, 40),
    }


def _release(event: _ReleaseEvent) -> Fields:
    commit = event.commit or _Commit()
    released = sha("commit.id", commit.id)
    return {
        "ref": f"refs/tags/{short_ref('tag', event.tag)}",
        "after": released,
        "checkout_sha": released,
        "message": _headline(commit.message),
        "number": number(event.id),
        "about": shown(event.name, 255),
        "action": shown(event.action, 50),
        "occurred_at": shown(event.created_at, 40),
    }


def _actor(user: _User | None) -> str:
    return shown(user.username, 255) if user else ""


def _headline(message: str | None) -> str:
    return shown((message or "").strip().partition("\n")[0], 300)


def _titles(labels: list[_Label] | None) -> tuple[str, ...]:
    return tuple(shown(label.title, 255) for label in (labels or [])[:_LABELS])


def _edited(changes: Mapping[str, msgspec.Raw] | None) -> tuple[str, ...]:
    """Return what was edited; the time of the edit always changes with it."""
    return tuple(sorted(shown(name, 50) for name in changes or {} if name != "updated_at"))[:_LABELS]


def _reader(struct: Any, fields: Callable[[Any], Fields]) -> Callable[[bytes], Fields]:
    decoder = msgspec.json.Decoder(struct)
    return lambda body: fields(decoder.decode(body))


ACTIVITIES: Final[Mapping[DeliveryKind, Callable[[bytes], Fields]]] = {
    DeliveryKind.MERGE_REQUEST: _reader(_MergeRequestEvent, _merge_request),
    DeliveryKind.NOTE: _reader(_NoteEvent, _note),
    DeliveryKind.ISSUE: _reader(_IssueEvent, _issue),
    DeliveryKind.JOB: _reader(_JobEvent, _job),
    DeliveryKind.PIPELINE: _reader(_PipelineEvent, _pipeline),
    DeliveryKind.DEPLOYMENT: _reader(_DeploymentEvent, _deployment),
    DeliveryKind.RELEASE: _reader(_ReleaseEvent, _release),
}
"""Body to the fields of a delivery. Raise msgspec.MsgspecError for another shape, Ends for a key out of bounds."""
