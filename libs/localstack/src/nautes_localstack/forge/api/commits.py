"""Commits and files: read, and made through the API. Source: GitLab API, "Commits", "Repository files"."""

import base64
import binascii
import hashlib
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import (
    bad_request,
    created,
    forbidden,
    gone,
    not_found,
    page_of,
)
from nautes_localstack.forge.api.call import Call, as_flag
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.git import committing
from nautes_localstack.forge.git.committing import Author, FileAction, NewCommit, Unacceptable
from nautes_localstack.forge.git.parsing import Change
from nautes_localstack.forge.git.repository import Blob, Repository, is_revision
from nautes_localstack.forge.pushes import Push
from nautes_localstack.forge.records import Project
from nautes_localstack.forge.rights import Level

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""What the first commit is compared with; git knows it without storing it."""
ACTIONS: Final = ("create", "update", "delete", "move", "chmod")
OVERWRITING: Final = frozenset({"update", "delete", "move"})
"""Actions whose `last_commit_id` GitLab heeds."""


async def list_commits(call: Call) -> Response:
    """List commits of `ref_name`, newest first; `path`. Totals are not counted, as on GitLab."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    sha = await repository.resolve(call.query.get("ref_name") or project.default_branch)
    if sha is None:
        if project.empty or not call.query.get("ref_name"):
            return call.page([], dict)
        raise not_found("Commit")
    page = page_of(call.query)
    paths = [call.query["path"]] if call.query.get("path") else []
    found = await repository.log(sha, limit=page.size + 1, skip=page.start, paths=paths)
    web = call.host.place(project).web_url
    following = str(page.number + 1) if len(found) > page.size else ""
    headers = {"X-Page": str(page.number), "X-Per-Page": str(page.size), "X-Next-Page": following}
    if following:
        query = urlencode({**call.query, "page": following})
        headers["Link"] = f'<{call.url}?{query}>; rel="next"'
    return JSONResponse([views.commit(one, web) for one in found[: page.size]], headers=headers)


async def get_commit(call: Call) -> dict[str, Any]:
    """Return a commit; the state of its newest pipeline is its status."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    sha = await repository.resolve(call.path["sha"])
    if sha is None:
        raise not_found("Commit")
    latest = call.store.statuses.where(lambda one: one.project_id == project.id and one.sha == sha)
    return {
        **views.commit(await repository.commit(sha), call.host.place(project).web_url),
        "status": latest[-1].status if latest else None,
        "project_id": project.id,
        "last_pipeline": None,
    }


async def commit_diff(call: Call) -> Response:
    """List what a commit changed against its first parent."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    sha = await repository.resolve(call.path["sha"])
    if sha is None:
        raise not_found("Commit")
    commit = await repository.commit(sha)
    before = commit.parents[0] if commit.parents else EMPTY_TREE
    return call.page(await repository.differences(before, sha), views.difference)


async def commit_refs(call: Call) -> Response:
    """List the branches and tags that contain a commit."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    sha = await repository.resolve(call.path["sha"])
    if sha is None:
        raise not_found("Commit")
    kinds = {"branch": "refs/heads/", "tag": "refs/tags/"}
    asked = call.query.get("type", "all")
    rows = [
        {"type": kind, "name": ref.name}
        for kind, prefix in kinds.items()
        if asked in ("all", kind)
        for ref in await repository.refs(prefix, containing=sha)
    ]
    return call.page(rows, dict)


async def create_commit(call: Call) -> Response:
    """Commit several file actions at once."""
    project = call.project(Level.DEVELOPER)
    given = call.body.get("actions")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request("actions is missing")
    change = await _commit(call, project, [_action(one) for one in given])
    commit = await call.host.repository(project).commit(change.after)
    return created(views.commit(commit, call.host.place(project).web_url))


async def get_file(call: Call) -> dict[str, Any]:
    """Return a file in base64 with what is known of it."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    if not call.query.get("ref"):
        raise bad_request("ref is missing, ref is empty")
    sha, blob = await _blob(call, project, repository)
    path = call.path["path"]
    last = await repository.log(sha, limit=1, paths=[path])
    return {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(blob.content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(blob.content).hexdigest(),
        "ref": call.query["ref"],
        "blob_id": blob.id,
        "commit_id": sha,
        "last_commit_id": last[0].id if last else sha,
        "execute_filemode": False,
        "content": base64.b64encode(blob.content).decode(),
    }


async def raw_file(call: Call) -> Response:
    """Return a file as it is."""
    project = call.project(Level.REPORTER)
    sha, blob = await _blob(call, project, call.host.repository(project))
    headers = {
        "X-Gitlab-Blob-Id": blob.id,
        "X-Gitlab-Commit-Id": sha,
        "X-Gitlab-Size": str(len(blob.content)),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(blob.content, media_type="text/plain", headers=headers)


async def create_file(call: Call) -> Response:
    """Commit a new file."""
    return created(await _one_file(call, "create"))


async def update_file(call: Call) -> dict[str, Any]:
    """Commit new content of a file."""
    return await _one_file(call, "update")


async def delete_file(call: Call) -> Response:
    """Commit the removal of a file."""
    await _one_file(call, "delete")
    return gone()


async def _one_file(call: Call, action: str) -> dict[str, Any]:
    project = call.project(Level.DEVELOPER)
    path = call.path["path"]
    # A DELETE has no body: its parameters are in the query.
    values = {**call.query, **call.body}
    if action != "delete" and "content" not in values:
        raise bad_request("content is missing")
    await _commit(call, project, [_action({**values, "action": action, "file_path": path})])
    return {"file_path": path, "branch": values["branch"]}


async def _commit(call: Call, project: Project, actions: list[FileAction]) -> Change:
    """Make a commit on a branch and tell the hooks, as a push would."""
    values = {**call.query, **call.body}
    branch, message = str(values.get("branch") or ""), str(values.get("commit_message") or "")
    for name, value in (("branch", branch), ("commit_message", message)):
        if not value:
            raise bad_request(f"{name} is missing")
    if project.archived:
        raise forbidden()
    if not is_revision(branch):
        raise Unacceptable("branch is invalid")
    repository = call.host.repository(project)
    user = Author(call.user.name, call.user.email)
    author = Author(
        str(values.get("author_name") or user.name), str(values.get("author_email") or user.email)
    )
    async with call.host.lock(project):
        parent, creates = await _parent(repository, branch, values)
        await _unchanged(repository, parent, actions)
        new = NewCommit(branch, parent, message, author, user, actions, creates, call.host.now())
        change = await committing.commit(repository, new)
        await call.services.pushes.accept(Push(project.id, call.user, [change], (), call.event_uuid))
    return change


async def _parent(repository: Repository, branch: str, values: dict[str, Any]) -> tuple[str, bool]:
    """Return the commit to build on ("" in an empty repository), and whether the branch is new."""
    exists = [ref for ref in await repository.refs(f"refs/heads/{branch}") if ref.name == branch]
    start = str(values.get("start_sha") or values.get("start_branch") or "")
    if exists:
        if start and start != branch:
            raise Unacceptable(
                f"A branch called '{branch}' already exists. Switch to that branch in order to make changes"
            )
        return exists[0].target, False
    if start:
        found = await repository.resolve(start)
        if found is None:
            raise Unacceptable("Invalid start branch")
        return found, True
    if await repository.refs("refs/heads/"):
        raise Unacceptable("You can only create or edit files when you are on a branch")
    return "", True


async def _unchanged(repository: Repository, parent: str, actions: list[FileAction]) -> None:
    """Refuse to overwrite what changed since the commit that the caller saw last (`last_commit_id` of each action).

    As in GitLab's `app/services/files/base_service.rb`, `file_has_changed?`: that commit is any commit, and what counts
    is whether the last change of the file is another one on the branch than as of that commit. What cannot be told lets pass.
    """
    for action in actions:
        seen = await repository.resolve(action.last_commit_id) if action.last_commit_id else None
        if not parent or seen is None or action.action not in OVERWRITING:
            continue
        path = action.previous_path or action.path
        here, then = [await repository.log(at, limit=1, paths=[path]) for at in (parent, seen)]
        if here and then and here[0].id != then[0].id:
            raise Unacceptable(
                f"You are attempting to update a file that has changed since you started editing it: {path}"
            )


def _action(given: dict[str, Any]) -> FileAction:
    kind = str(given.get("action") or "")
    if kind not in ACTIONS:
        raise bad_request("actions[0][action] does not have a valid value")
    content = given.get("content")
    if given.get("encoding") == "base64":
        try:
            data = base64.b64decode(str(content or ""), validate=False)
        except binascii.Error:
            raise bad_request("content is invalid") from None
    else:
        data = str(content if content is not None else "").encode()
    return FileAction(
        kind,
        str(given.get("file_path") or ""),
        data,
        str(given.get("previous_path") or ""),
        as_flag(given.get("execute_filemode", False), "execute_filemode"),
        keeps_content=content is None,
        last_commit_id=str(given.get("last_commit_id") or ""),
    )


async def _blob(call: Call, project: Project, repository: Repository) -> tuple[str, Blob]:
    ref = call.query.get("ref", "HEAD")
    sha = await repository.resolve(project.default_branch if ref == "HEAD" else ref)
    if sha is None:
        raise not_found("Commit")
    blob = await repository.blob(sha, call.path["path"])
    if blob is None:
        raise not_found("File")
    return sha, blob


ROUTES: Final = (
    Route("GET projects/:id/repository/commits", list_commits),
    Route("POST projects/:id/repository/commits", create_commit),
    Route("GET projects/:id/repository/commits/:sha", get_commit),
    Route("GET projects/:id/repository/commits/:sha/diff", commit_diff),
    Route("GET projects/:id/repository/commits/:sha/refs", commit_refs),
    Route("GET projects/:id/repository/files/:path", get_file),
    Route("GET projects/:id/repository/files/:path/raw", raw_file),
    Route("POST projects/:id/repository/files/:path", create_file),
    Route("PUT projects/:id/repository/files/:path", update_file),
    Route("DELETE projects/:id/repository/files/:path", delete_file),
)
