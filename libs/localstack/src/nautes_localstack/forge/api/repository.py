"""Reading repositories: trees, comparisons, archives, branches, tags. Source: GitLab API, "Repositories", "Branches", "Tags"."""

from typing import Any, Final

from starlette.responses import JSONResponse, Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import Problem, bad_request, created, forbidden, gone, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Handler, Route
from nautes_localstack.forge.git.commands import GitError
from nautes_localstack.forge.git.parsing import ZERO, Change
from nautes_localstack.forge.git.repository import Named, is_revision
from nautes_localstack.forge.pushes import Push
from nautes_localstack.forge.records import Project
from nautes_localstack.forge.rights import Level

COMMITS_LIMIT: Final = 1000
"""Most commits that a comparison lists."""
FORMATS: Final = {
    ".tar.gz": ("tar.gz", "application/gzip"),
    ".tgz": ("tar.gz", "application/gzip"),
    ".zip": ("zip", "application/zip"),
    ".tar": ("tar", "application/x-tar"),
    "": ("tar.gz", "application/gzip"),
}


async def tree(call: Call) -> Response:
    """List files and folders at a ref; `path`, `recursive`."""
    project = call.project(Level.REPORTER)
    sha = await call.host.repository(project).resolve(call.query.get("ref") or project.default_branch)
    if sha is None:
        raise not_found("Tree")
    path = call.query.get("path", "")
    recursive = call.flag("recursive", default=False)
    entries = await call.host.repository(project).tree(sha, path, recursive=recursive)
    if entries is None:
        raise not_found("invalid revision or path")
    # GitLab shows folders first.
    order = {"tree": 0, "blob": 1, "commit": 2}
    rows = entries if recursive else sorted(entries, key=lambda entry: order[entry.type])
    return call.page(
        rows,
        lambda entry: {
            "id": entry.id,
            "name": entry.path.rpartition("/")[2],
            "type": entry.type,
            "path": entry.path,
            "mode": entry.mode,
        },
    )


async def compare(call: Call) -> dict[str, Any]:
    """Compare two refs: from their common ancestor, or `straight` from one to the other."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    if not call.query.get("from") or not call.query.get("to"):
        raise bad_request("from is missing, to is missing")
    start, end = await repository.resolve(call.query["from"]), await repository.resolve(call.query["to"])
    if start is None or end is None:
        raise not_found("Ref")
    base = start if call.flag("straight", default=False) else await repository.merge_base(start, end)
    commits = await repository.log(end, f"^{start}", limit=COMMITS_LIMIT)
    diffs = [] if base is None else await repository.differences(base, end)
    web = call.host.place(project).web_url
    return {
        "commit": views.commit(commits[0], web) if commits else None,
        "commits": [views.commit(commit, web) for commit in reversed(commits)],
        "diffs": [views.difference(one) for one in diffs],
        "compare_timeout": False,
        "compare_same_ref": start == end,
        "web_url": f"{web}/-/compare/{start}...{end}",
    }


def _archive(suffix: str) -> Handler:
    form, media = FORMATS[suffix]

    async def archive(call: Call) -> Response:
        """Return all files at a ref in one file."""
        project = call.project(Level.REPORTER)
        repository = call.host.repository(project)
        ref = call.query.get("sha") or project.default_branch
        sha = await repository.resolve(ref)
        if sha is None:
            raise not_found("File")
        name = "-".join(dict.fromkeys((project.path, ref.replace("/", "-"), sha)))
        content = await repository.archive(sha, name, form)
        headers = {"Content-Disposition": f'attachment; filename="{name}{suffix or ".tar.gz"}"'}
        return Response(content, media_type=media, headers=headers)

    return archive


async def list_branches(call: Call) -> Response:
    """List branches, by `search`."""
    project = call.project(Level.REPORTER)
    found = await call.host.repository(project).refs("refs/heads/")
    return call.page(
        [ref for ref in found if _matches(call, ref.name)], lambda ref: _branch(call, project, ref)
    )


async def get_branch(call: Call) -> dict[str, Any]:
    """Return a branch with its newest commit."""
    project = call.project(Level.REPORTER)
    return _branch(call, project, await _ref(call, project, "heads", "Branch"))


async def create_branch(call: Call) -> Response:
    """Make a branch at a ref."""
    project = call.project(Level.DEVELOPER)
    name = str(call.body.get("branch") or call.query.get("branch") or "")
    start = await _start(call, project)
    if not is_revision(name) or start is None:
        raise _bad(f"Invalid reference name: {name[:200]}" if start else "Invalid reference name")
    await _move(call, project, Change(ZERO, start, f"refs/heads/{name}"), "Branch already exists")
    found = await call.host.repository(project).refs(f"refs/heads/{name}")
    return created(_branch(call, project, next(ref for ref in found if ref.name == name)))


async def delete_branch(call: Call) -> Response:
    """Delete a branch; the default branch stays."""
    project = call.project(Level.DEVELOPER)
    ref = await _ref(call, project, "heads", "Branch")
    if ref.name == project.default_branch:
        raise forbidden("Cannot remove HEAD branch")
    await _move(call, project, Change(ref.target, ZERO, f"refs/heads/{ref.name}"), "Branch has moved")
    return gone()


async def list_tags(call: Call) -> Response:
    """List tags, by `search`."""
    project = call.project(Level.REPORTER)
    found = await call.host.repository(project).refs("refs/tags/")
    place = call.host.place(project)
    return call.page([ref for ref in found if _matches(call, ref.name)], lambda ref: views.tag(ref, place))


async def get_tag(call: Call) -> dict[str, Any]:
    """Return a tag."""
    project = call.project(Level.REPORTER)
    return views.tag(await _ref(call, project, "tags", "Tag"), call.host.place(project))


async def create_tag(call: Call) -> Response:
    """Make a tag at a ref; annotated if it has a message."""
    project = call.project(Level.DEVELOPER)
    name, message = call.text("tag_name"), call.text("message", "")
    target = await _start(call, project)
    if not is_revision(name):
        raise _bad("Tag name invalid")
    if target is None:
        raise _bad("Target  is invalid")
    if message:
        target = await call.host.repository(project).annotate(
            name, target, message, call.user.name, call.user.email
        )
    await _move(call, project, Change(ZERO, target, f"refs/tags/{name}"), f"Tag {name} already exists")
    found = await call.host.repository(project).refs(f"refs/tags/{name}")
    return created(views.tag(next(ref for ref in found if ref.name == name), call.host.place(project)))


async def delete_tag(call: Call) -> Response:
    """Delete a tag."""
    project = call.project(Level.DEVELOPER)
    ref = await _ref(call, project, "tags", "Tag")
    await _move(call, project, Change(ref.target, ZERO, f"refs/tags/{ref.name}"), "Tag has moved")
    return gone()


def _bad(message: str) -> Problem:
    return Problem(400, {"message": message})


async def _start(call: Call, project: Project) -> str | None:
    ref = str(call.body.get("ref") or call.query.get("ref") or "")
    return await call.host.repository(project).resolve(ref)


async def _move(call: Call, project: Project, change: Change, refusal: str) -> None:
    """Move a ref and tell the hooks, as a push would."""
    if project.archived:
        raise forbidden()
    async with call.host.lock(project):
        try:
            await call.host.repository(project).update(change)
        except GitError:
            raise _bad(refusal) from None
        await call.services.pushes.accept(Push(project.id, call.user, [change], (), call.event_uuid))


async def _ref(call: Call, project: Project, kind: str, what: str) -> Named:
    name = call.path["name"]
    # for-each-ref takes a prefix: `release` also finds `release/1`.
    found = await call.host.repository(project).refs(f"refs/{kind}/{name}") if is_revision(name) else []
    exact = next((ref for ref in found if ref.name == name), None)
    if exact is None:
        raise not_found(what)
    return exact


def _branch(call: Call, project: Project, ref: Named) -> dict[str, Any]:
    can_push = call.host.project_level(call.user, project) >= Level.DEVELOPER
    return views.branch(ref, call.host.place(project), can_push=can_push)


def _matches(call: Call, name: str) -> bool:
    search = call.query.get("search", "")
    if search.startswith("^"):
        return name.startswith(search[1:])
    return name.endswith(search[:-1]) if search.endswith("$") else search in name


async def merge_base(call: Call) -> Response:
    """Return the common ancestor of two refs."""
    project = call.project(Level.REPORTER)
    repository = call.host.repository(project)
    refs = [value for name, value in call.query.items() if name.startswith("refs[")]
    shas = [sha for ref in refs if (sha := await repository.resolve(ref))]
    base = await repository.merge_base(shas[0], shas[1]) if len(shas) == 2 else None
    if base is None:
        raise not_found("Merge Base")
    return JSONResponse(views.commit(await repository.commit(base), call.host.place(project).web_url))


ROUTES: Final = (
    Route("GET projects/:id/repository/tree", tree),
    Route("GET projects/:id/repository/compare", compare),
    Route("GET projects/:id/repository/merge_base", merge_base),
    *(Route(f"GET projects/:id/repository/archive{suffix}", _archive(suffix)) for suffix in FORMATS),
    Route("GET projects/:id/repository/branches", list_branches),
    Route("POST projects/:id/repository/branches", create_branch),
    Route("GET projects/:id/repository/branches/:name", get_branch),
    Route("DELETE projects/:id/repository/branches/:name", delete_branch),
    Route("GET projects/:id/repository/tags", list_tags),
    Route("POST projects/:id/repository/tags", create_tag),
    Route("GET projects/:id/repository/tags/:name", get_tag),
    Route("DELETE projects/:id/repository/tags/:name", delete_tag),
)
