"""Records as GitLab shows them. Pure. Source: the example answers of GitLab's REST API documentation."""

from datetime import datetime
from typing import Any

from nautes_localstack.forge.git.parsing import Commit, Difference
from nautes_localstack.forge.git.repository import Named
from nautes_localstack.forge.hooks import backoff
from nautes_localstack.forge.hooks.backoff import Health
from nautes_localstack.forge.hooks.payloads import Place
from nautes_localstack.forge.records import (
    EVENTS,
    AccessToken,
    DeployKey,
    Group,
    Hook,
    HookEvent,
    Member,
    MergeRequest,
    Status,
    User,
)

Json = dict[str, Any]


def moment(at: datetime | None) -> str | None:
    """Return a time as GitLab writes it: UTC with milliseconds."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def user_basic(user: User, url: str) -> Json:
    """Return what everybody sees of a user."""
    return {
        "id": user.id,
        "username": user.username,
        "public_email": "",
        "name": user.name,
        "state": "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{url}/{user.username}",
    }


def user(shown: User, url: str) -> Json:
    """Return what users see of themselves, and administrators of all."""
    return {
        **user_basic(shown, url),
        "created_at": moment(shown.created_at),
        "bot": shown.bot,
        "email": shown.email,
        "commit_email": shown.email,
        "is_admin": shown.is_admin,
        "confirmed_at": moment(shown.created_at),
        "can_create_group": True,
        "can_create_project": True,
        "external": False,
        "two_factor_enabled": False,
        "identities": [],
    }


def token(shown: AccessToken, *, active: bool) -> Json:
    """Return a token without its value."""
    return {
        "id": shown.id,
        "name": shown.name,
        "description": shown.description or None,
        "revoked": shown.revoked,
        "created_at": moment(shown.created_at),
        "scopes": list(shown.scopes),
        "user_id": shown.user_id,
        "last_used_at": None,
        "active": active,
        "expires_at": shown.expires_at.isoformat() if shown.expires_at else None,
    }


def group(shown: Group, parents: str, url: str) -> Json:
    """Return a group. `parents`: the names of the groups above it, with ` / ` behind each."""
    return {
        "id": shown.id,
        "web_url": f"{url}/groups/{shown.full_path}",
        "name": shown.name,
        "path": shown.path,
        "description": shown.description,
        "visibility": shown.visibility,
        "share_with_group_lock": False,
        "require_two_factor_authentication": False,
        "two_factor_grace_period": 48,
        "project_creation_level": "developer",
        "auto_devops_enabled": None,
        "subgroup_creation_level": "maintainer",
        "emails_disabled": False,
        "mentions_disabled": None,
        "lfs_enabled": True,
        "default_branch": None,
        "avatar_url": None,
        "request_access_enabled": True,
        "full_name": f"{parents}{shown.name}",
        "full_path": shown.full_path,
        "created_at": moment(shown.created_at),
        "parent_id": shown.parent_id,
        "archived": False,
        "marked_for_deletion_on": None,
    }


def project(place: Place, owner: Group | None, *, level: int | None = None) -> Json:
    """Return a project; `level` is the caller's, where it is shown."""
    shown = place.project
    namespace = None if owner is None else _namespace(owner, place.base_url)
    api = f"{place.base_url}/api/v4/projects/{shown.id}"
    access = None if not level else {"access_level": min(level, 50), "notification_level": 3}
    return {
        "id": shown.id,
        "description": shown.description or None,
        "name": shown.name,
        "name_with_namespace": f"{place.namespace} / {shown.name}",
        "path": shown.path,
        "path_with_namespace": shown.full_path,
        "created_at": moment(shown.created_at),
        "default_branch": None if shown.empty else shown.default_branch,
        "tag_list": list(shown.topics),
        "topics": list(shown.topics),
        "ssh_url_to_repo": place.ssh_url,
        "http_url_to_repo": place.http_url,
        "web_url": place.web_url,
        "readme_url": None,
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": moment(shown.last_activity_at),
        "visibility": shown.visibility,
        "namespace": namespace,
        "_links": {
            "self": api,
            "repo_branches": f"{api}/repository/branches",
            "members": f"{api}/members",
        },
        "empty_repo": shown.empty,
        "archived": shown.archived,
        "creator_id": shown.creator_id,
        "open_issues_count": 0,
        "issues_enabled": False,
        "merge_requests_enabled": False,
        "jobs_enabled": False,
        "wiki_enabled": False,
        "snippets_enabled": False,
        "lfs_enabled": False,
        "shared_runners_enabled": False,
        "shared_with_groups": [],
        "ci_config_path": "",
        "import_status": "none",
        "merge_method": "merge",
        "permissions": {"project_access": access, "group_access": None},
    }


def _namespace(owner: Group, url: str) -> Json:
    return {
        "id": owner.id,
        "name": owner.name,
        "path": owner.path,
        "kind": "group",
        "full_path": owner.full_path,
        "parent_id": owner.parent_id,
        "avatar_url": None,
        "web_url": f"{url}/groups/{owner.full_path}",
    }


def member(shown: Member, who: User, url: str) -> Json:
    """Return a member."""
    return {
        **user_basic(who, url),
        "access_level": shown.access_level,
        "created_at": moment(shown.created_at),
        "expires_at": shown.expires_at.isoformat() if shown.expires_at else None,
        "membership_state": "active",
    }


def hook(shown: Hook, now: datetime) -> Json:
    """Return a hook without its secrets: only whether it has them."""
    health = Health(shown.recent_failures, shown.disabled_until)
    return {
        "id": shown.id,
        "url": shown.url,
        "name": shown.name or None,
        "description": shown.description or None,
        "created_at": moment(shown.created_at),
        "project_id": shown.project_id,
        **{event: event in shown.events for event in EVENTS},
        "repository_update_events": False,
        "push_events_branch_filter": shown.push_events_branch_filter or None,
        "branch_filter_strategy": "wildcard",
        "enable_ssl_verification": shown.enable_ssl_verification,
        "alert_status": backoff.alert_status(health, now),
        "disabled_until": moment(shown.disabled_until),
        "url_variables": [],
        "custom_webhook_template": None,
        "custom_headers": [],
        "token_present": bool(shown.token),
        "signing_token_present": bool(shown.signing_token),
    }


def hook_event(shown: HookEvent) -> Json:
    """Return one attempt to call a hook."""
    return {
        "id": shown.id,
        "url": shown.url,
        "trigger": shown.trigger,
        "request_headers": shown.request_headers,
        "request_data": shown.request_data,
        "response_headers": shown.response_headers,
        "response_body": shown.response_body,
        "execution_duration": shown.execution_duration,
        "response_status": shown.response_status,
        "created_at": moment(shown.created_at),
    }


def deploy_key(shown: DeployKey) -> Json:
    """Return a deploy key."""
    return {
        "id": shown.id,
        "title": shown.title,
        "key": shown.key,
        "fingerprint": shown.fingerprint,
        "fingerprint_sha256": shown.fingerprint_sha256,
        "created_at": moment(shown.created_at),
        "expires_at": None,
        "can_push": shown.can_push,
    }


def commit(shown: Commit, web_url: str) -> Json:
    """Return a commit."""
    return {
        "id": shown.id,
        "short_id": shown.id[:8],
        "created_at": shown.committer.at,
        "parent_ids": list(shown.parents),
        "title": shown.title,
        "message": shown.message,
        "author_name": shown.author.name,
        "author_email": shown.author.email,
        "authored_date": shown.author.at,
        "committer_name": shown.committer.name,
        "committer_email": shown.committer.email,
        "committed_date": shown.committer.at,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{web_url}/-/commit/{shown.id}",
    }


def branch(shown: Named, place: Place, *, can_push: bool) -> Json:
    """Return a branch. The default branch counts as protected, with developers allowed to push."""
    default = shown.name == place.project.default_branch
    return {
        "name": shown.name,
        "commit": commit(shown.commit, place.web_url),
        "merged": False,
        "protected": default,
        "developers_can_push": default,
        "developers_can_merge": default,
        "can_push": can_push,
        "default": default,
        "web_url": f"{place.web_url}/-/tree/{shown.name}",
    }


def tag(shown: Named, place: Place) -> Json:
    """Return a tag. `target` is the tag object, for an annotated one."""
    return {
        "name": shown.name,
        "message": shown.message,
        "target": shown.target,
        "commit": commit(shown.commit, place.web_url),
        "release": None,
        "protected": False,
        "created_at": shown.commit.committer.at,
    }


def merge_request(shown: MergeRequest, author: User | None, place: Place) -> Json:
    """Return a merge request."""
    return {
        "id": shown.id,
        "iid": shown.iid,
        "project_id": shown.project_id,
        "source_project_id": shown.project_id,
        "target_project_id": shown.project_id,
        "title": shown.title,
        "description": shown.description,
        "state": shown.state,
        "draft": shown.draft,
        "source_branch": shown.source_branch,
        "target_branch": shown.target_branch,
        "labels": list(shown.labels),
        "sha": shown.sha,
        "author": None if author is None else user_basic(author, place.base_url),
        "web_url": f"{place.web_url}/-/merge_requests/{shown.iid}",
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
    }


def status(shown: Status, author: User | None, url: str) -> Json:
    """Return a commit status."""
    return {
        "id": shown.id,
        "sha": shown.sha,
        "ref": shown.ref,
        "status": shown.status,
        "name": shown.name,
        "target_url": shown.target_url,
        "description": shown.description,
        "created_at": moment(shown.created_at),
        "started_at": moment(shown.started_at),
        "finished_at": moment(shown.finished_at),
        "allow_failure": False,
        "coverage": shown.coverage,
        "pipeline_id": shown.pipeline_id,
        "author": user_basic(author, url) if author else None,
    }


def difference(one: Difference) -> Json:
    """Return a file that differs."""
    return {
        "diff": one.patch,
        "collapsed": False,
        "too_large": False,
        "new_path": one.new_path,
        "old_path": one.old_path,
        "a_mode": one.old_mode,
        "b_mode": one.new_mode,
        "new_file": one.status == "A",
        "renamed_file": one.status == "R",
        "deleted_file": one.status == "D",
        "generated_file": None,
    }
