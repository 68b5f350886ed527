"""What a push, a tag push, a merge request and a note look like to those who are told. Pure.

Source: GitLab, lib/gitlab/data_builder/push.rb, `hook_attrs` of projects and commits, and "Webhook events".
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from nautes_localstack.forge.git.parsing import Change, Commit
from nautes_localstack.forge.records import VISIBILITIES, MergeRequest, Note, Project, User

COMMITS_LIMIT: Final = 20
"""Only the newest commits are listed; `total_commits_count` says how many there were."""

SSH_PORT: Final = 22

REFS_LIMIT: Final = 3
"""GitLab's default for `push_event_hooks_limit`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project is: the forge's own address and SSH port, and the name of the project's group."""

    project: Project
    namespace: str
    base_url: str
    ssh_port: int = SSH_PORT

    @property
    def web_url(self) -> str:
        """The project's address."""
        return f"{self.base_url}/{self.project.full_path}"

    @property
    def http_url(self) -> str:
        """What `git clone` takes."""
        return f"{self.web_url}.git"

    @property
    def ssh_url(self) -> str:
        """What `git clone` takes over SSH, short where the port is the usual one (GitLab, `ssh_path_prefix`)."""
        host = urlsplit(self.base_url).hostname
        if self.ssh_port == SSH_PORT:
            return f"git@{host}:{self.project.full_path}.git"
        return f"ssh://git@{host}:{self.ssh_port}/{self.project.full_path}.git"


@dataclass(frozen=True, slots=True)
class Pushed:
    """One ref moved: the newest commits oldest first, how many there were, and the commit behind a tag."""

    change: Change
    commits: Sequence[Commit] = ()
    total: int = 0
    checkout_sha: str | None = None
    message: str | None = None
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Happened:
    """What was done to a merge request: GitLab's `action`, the head before new code, and what else changed."""

    action: str
    oldrev: str = ""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Old and new value by name."""


def announced(changes: Sequence[Change]) -> list[Change]:
    """Return the changes of one push that hooks are told of, branches first.

    GitLab counts created, moved and removed branches and tags apart, and tells of none of a kind with more
    than three (app/services/git/process_ref_changes_service.rb).
    """
    return [
        change
        for kind in ("branch", "tag")
        for action in ("created", "pushed", "removed")
        if len(alike := [one for one in changes if (one.kind, one.action) == (kind, action)]) <= REFS_LIMIT
        for change in alike
    ]


def trigger(change: Change) -> str:
    """Return which hooks are called: `push_hooks` or `tag_push_hooks`."""
    return "tag_push_hooks" if change.kind == "tag" else "push_hooks"


def passes_filter(pattern: str, change: Change) -> bool:
    """Say whether a hook's branch filter, a wildcard, lets a change through. Tags are not filtered."""
    if not pattern or change.kind != "branch":
        return True
    return fnmatch.fnmatchcase(change.ref.removeprefix("refs/heads/"), pattern)


def push_options(options: Sequence[str]) -> dict[str, Any]:
    """Return push options as GitLab nests them: `ci.skip` becomes `{"ci": {"skip": true}}`.

    Only namespaces that GitLab knows are kept (GitLab, "Push options").
    """
    nested: dict[str, Any] = {}
    for option in options:
        name, separator, value = option.partition("=")
        namespace, _, key = name.partition(".")
        if namespace not in ("ci", "merge_request", "integrations", "secret_push_protection") or not key:
            continue
        inner = nested.setdefault(namespace, {})
        if key == "variable":
            inner.setdefault(key, {})[value] = inner.get(key, {}).get(value, 0) + 1
        else:
            inner[key] = value if separator else True
    return nested


def push(place: Place, user: User, pushed: Pushed) -> dict[str, Any]:
    """Return the payload of a push or tag push. The default branch counts as protected."""
    kind = "tag_push" if pushed.change.kind == "tag" else "push"
    project = place.project
    attributes = project_attributes(place)
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": pushed.change.before,
        "after": pushed.change.after,
        "ref": pushed.change.ref,
        "ref_protected": pushed.change.ref == f"refs/heads/{project.default_branch}",
        "checkout_sha": pushed.checkout_sha,
        "message": pushed.message,
        "user_id": user.id,
        "user_name": user.name,
        "user_username": user.username,
        "user_email": "",
        "user_avatar": None,
        "project_id": project.id,
        "project": attributes,
        "commits": [commit_attributes(place, commit) for commit in pushed.commits[-COMMITS_LIMIT:]],
        "total_commits_count": pushed.total,
        "push_options": push_options(pushed.options),
        "repository": {
            name: attributes[name]
            for name in (
                "name",
                "url",
                "description",
                "homepage",
                "git_http_url",
                "git_ssh_url",
                "visibility_level",
            )
        },
    }


def merge_request(
    place: Place, user: User, request: MergeRequest, head: Commit, happened: Happened
) -> dict[str, Any]:
    """Return the payload of a merge request (GitLab, "Webhook events", merge request events)."""
    project = place.project
    labels = [label_attributes(title) for title in request.labels]
    moment = request.updated_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": user.id, "name": user.name, "username": user.username, "email": "[REDACTED]"},
        "project": project_attributes(place),
        "object_attributes": {
            "id": request.id,
            "iid": request.iid,
            "title": request.title,
            "description": request.description,
            "state": request.state,
            "draft": request.draft,
            "source_branch": request.source_branch,
            "target_branch": request.target_branch,
            "source_project_id": project.id,
            "target_project_id": project.id,
            "author_id": request.author_id,
            "labels": labels,
            "last_commit": commit_attributes(place, head),
            "url": f"{place.web_url}/-/merge_requests/{request.iid}",
            "created_at": request.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            "updated_at": moment,
            "action": happened.action,
            **({"oldrev": happened.oldrev} if happened.oldrev else {}),
        },
        "labels": labels,
        "changes": {
            name: {
                side: [label_attributes(title) for title in value] if name == "labels" else value
                for side, value in (("previous", old), ("current", new))
            }
            for name, (old, new) in happened.changes.items()
        },
    }


def note(
    place: Place, user: User, request: MergeRequest, head: Commit, what: tuple[Note, str]
) -> dict[str, Any]:
    """Return the payload of a note on a merge request (GitLab, "Webhook events", comment on a merge request).

    `what` is the note, and `create` or `update`.
    """
    written, action = what
    whole = merge_request(place, user, request, head, Happened(""))
    about = {key: value for key, value in whole["object_attributes"].items() if key != "action"}
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": whole["user"],
        "project_id": place.project.id,
        "project": whole["project"],
        "object_attributes": {
            "id": written.id,
            "internal": False,
            "note": written.body,
            "noteable_type": "MergeRequest",
            "noteable_id": request.id,
            "author_id": written.author_id,
            "project_id": place.project.id,
            "commit_id": "",
            "system": False,
            "action": action,
            "created_at": written.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            "updated_at": written.updated_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            "url": f"{about['url']}#note_{written.id}",
        },
        "merge_request": about,
    }


def label_attributes(title: str) -> dict[str, Any]:
    """Return a label as payloads show it."""
    return {"title": title, "color": "#6699cc", "description": None, "type": "ProjectLabel"}


def project_attributes(place: Place) -> dict[str, Any]:
    """Return a project as payloads show it, with the names of older GitLabs."""
    project = place.project
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "web_url": place.web_url,
        "avatar_url": None,
        "git_ssh_url": place.ssh_url,
        "git_http_url": place.http_url,
        "namespace": place.namespace,
        "visibility_level": VISIBILITIES[project.visibility],
        "path_with_namespace": project.full_path,
        "default_branch": project.default_branch,
        "ci_config_path": None,
        "homepage": place.web_url,
        "url": place.ssh_url,
        "ssh_url": place.ssh_url,
        "http_url": place.http_url,
    }


def commit_attributes(place: Place, commit: Commit) -> dict[str, Any]:
    """Return a commit as payloads show it."""
    return {
        "id": commit.id,
        "message": commit.message,
        "title": commit.title,
        "timestamp": commit.committer.at,
        "url": f"{place.web_url}/-/commit/{commit.id}",
        "author": {"name": commit.author.name, "email": commit.author.email},
        "added": list(commit.added),
        "modified": list(commit.modified),
        "removed": list(commit.removed),
    }
