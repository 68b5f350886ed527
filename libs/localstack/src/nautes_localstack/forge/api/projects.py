"""Projects. Source: GitLab API, "Projects"."""

import shutil
from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import accepted, bad_request, created, forbidden, invalid
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.paths import is_path, path_from
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.git import committing
from nautes_localstack.forge.git.committing import Author, FileAction, NewCommit
from nautes_localstack.forge.git.repository import is_revision
from nautes_localstack.forge.records import VISIBILITIES, Group, Project
from nautes_localstack.forge.rights import Level


async def list_projects(call: Call) -> Response:
    """List the projects that the caller sees, newest first."""
    return call.page(listed(call), lambda project: project_view(call, project))


async def get_project(call: Call) -> dict[str, Any]:
    """Return a project by id or path."""
    project = call.project(Level.GUEST)
    return project_view(call, project)


async def create_project(call: Call) -> Response:
    """Make a project in the group `namespace_id`, with a README on the default branch if asked for."""
    group = _namespace(call)
    name = call.text("name", call.text("path", "") or None)
    path = call.text("path", path_from(name))
    branch = call.text("default_branch", "") or "main"
    if not is_path(path):
        raise invalid(path=["can contain only letters, digits, '_', '-' and '.'."])
    if not is_revision(branch):
        raise bad_request("default_branch is invalid")
    full_path = f"{group.full_path}/{path}"
    if call.host.project(full_path) or call.host.group(full_path):
        raise invalid(name=["has already been taken"], path=["has already been taken"])
    now = call.host.now()
    project = Project(
        id=call.store.projects.next_id(),
        group_id=group.id,
        name=name,
        path=path,
        full_path=full_path,
        description=call.text("description", ""),
        visibility=_visibility(call, "private"),
        default_branch=branch,
        topics=_topics(call) or (),
        creator_id=call.user.id,
        created_at=now,
        last_activity_at=now,
    )
    # Known before it is made on disk, so that of two at once the second is told; `mend` ends what a crash cut.
    call.store.projects.put(project)
    await call.host.repository(project).initialise(branch)
    if call.flag("initialize_with_readme", default=False):
        project = await _with_readme(call, project)
    return created(project_view(call, project))


async def edit_project(call: Call) -> dict[str, Any]:
    """Change name, description, visibility, topics or default branch. Paths do not change here."""
    project = call.project(Level.MAINTAINER)
    if call.text("path", project.path) != project.path:
        raise bad_request("path cannot be changed on this forge")
    values: dict[str, Any] = {
        "name": call.text("name", project.name),
        "description": call.text("description", "") if "description" in call.body else project.description,
        "visibility": _visibility(call, project.visibility),
    }
    topics = _topics(call)
    if topics is not None:
        values["topics"] = topics
    branch = call.text("default_branch", project.default_branch)
    if branch != project.default_branch:
        repository = call.host.repository(project)
        known = (
            {ref.name for ref in await repository.refs(f"refs/heads/{branch}")} if is_revision(branch) else ()
        )
        if branch not in known:
            message = f"Could not set the default branch. Do you have a branch named '{branch[:200]}' in your repository?"
            raise invalid(base=[message])
        await repository.point_head(branch)
        values["default_branch"] = branch
    return project_view(call, call.store.projects.change(project, **values))


async def archive(call: Call) -> Response:
    """Archive: nothing can be pushed any more."""
    project = call.store.projects.change(call.project(Level.OWNER), archived=True)
    return created(project_view(call, project))


async def unarchive(call: Call) -> Response:
    """Take it back from the archive."""
    project = call.store.projects.change(call.project(Level.OWNER), archived=False)
    return created(project_view(call, project))


async def delete_project(call: Call) -> Response:
    """Delete a project with its repository."""
    await forget(call, call.project(Level.OWNER))
    return accepted()


async def languages(call: Call) -> dict[str, Any]:
    """Return nothing: languages are not looked at here."""
    call.project(Level.REPORTER)
    return {}


def listed(call: Call) -> list[Project]:
    """Return the projects that the caller sees and the query asks for, newest first."""
    query = call.query
    search = query.get("search", "").lower()
    topics = [topic for topic in query.get("topic", "").split(",") if topic]
    archived = call.flag("archived", default=False) if "archived" in query else None
    owned = call.flag("owned", default=False)
    member = call.flag("membership", default=False)
    visible = query.get("visibility")

    def wanted(project: Project) -> bool:
        return (
            (search in project.name.lower() or search in project.path.lower())
            and set(topics) <= set(project.topics)
            and (archived is None or project.archived == archived)
            and (visible is None or project.visibility == visible)
            and call.host.project_level(call.user, project) >= Level.GUEST
            and (not owned or _owns(call, project))
            and (not member or _is_member(call, project))
        )

    rows = call.store.projects.where(wanted)
    return rows if query.get("sort") == "asc" else rows[::-1]


def project_view(call: Call, project: Project) -> dict[str, Any]:
    """Return a project as JSON."""
    group = call.store.groups.get(project.group_id)
    level = int(call.host.project_level(call.user, project))
    return views.project(call.host.place(project), group, level=level)


async def forget(call: Call, project: Project) -> None:
    """Delete a project, all that belongs to it, and its repository."""
    store = call.store
    async with call.host.lock(project):
        with store.together():
            store.projects.delete(project.id)
            hooks = {hook.id for hook in store.hooks.where(lambda one: one.project_id == project.id)}
            store.hook_events.delete_where(lambda one: one.hook_id in hooks)
            store.hooks.delete_where(lambda one: one.project_id == project.id)
            store.deploy_keys.delete_where(lambda one: one.project_id == project.id)
            store.merge_requests.delete_where(lambda one: one.project_id == project.id)
            store.notes.delete_where(lambda one: one.project_id == project.id)
            store.statuses.delete_where(lambda one: one.project_id == project.id)
            store.jobs.delete_where(lambda one: one.project_id == project.id)
            store.pipelines.delete_where(lambda one: one.project_id == project.id)
            store.members.delete_where(lambda one: one.kind == "project" and one.owner_id == project.id)
        shutil.rmtree(call.host.repository(project).path, ignore_errors=True)


def _owns(call: Call, project: Project) -> bool:
    return call.host.granted_level(call.user, call.store.groups.get(project.group_id)) >= Level.OWNER


def _is_member(call: Call, project: Project) -> bool:
    mine = {
        (one.kind, one.owner_id) for one in call.store.members.where(lambda one: one.user_id == call.user.id)
    }
    group = call.store.groups.get(project.group_id)
    while group is not None:
        if ("group", group.id) in mine:
            return True
        group = None if group.parent_id is None else call.store.groups.get(group.parent_id)
    return ("project", project.id) in mine


def _namespace(call: Call) -> Group:
    given = call.body.get("namespace_id")
    if given is None:
        raise invalid(namespace=["is not valid: this forge has no personal projects, name a group"])
    group = call.host.group(str(given)) if str(given).isdigit() else None
    if group is None or call.host.group_level(call.user, group) < Level.GUEST:
        raise invalid(namespace=["is not valid"])
    if call.host.group_level(call.user, group) < Level.DEVELOPER:
        raise forbidden()
    return group


def _visibility(call: Call, default: str) -> str:
    value = call.text("visibility", default)
    if value not in VISIBILITIES:
        raise bad_request("visibility does not have a valid value")
    return value


def _topics(call: Call) -> tuple[str, ...] | None:
    topics = call.texts("topics")
    return call.texts("tag_list") if topics is None else topics


async def _with_readme(call: Call, project: Project) -> Project:
    author = Author(call.user.name, call.user.email)
    readme = FileAction("create", "README.md", f"# {project.name}\n".encode())
    new = NewCommit(project.default_branch, "", "Initial commit", author, author, [readme])
    async with call.host.lock(project):
        await committing.commit(call.host.repository(project), new)
        return call.store.projects.change(project, empty=False)


ROUTES: Final = (
    Route("GET projects", list_projects),
    Route("POST projects", create_project),
    Route("GET projects/:id", get_project),
    Route("PUT projects/:id", edit_project),
    Route("DELETE projects/:id", delete_project),
    Route("POST projects/:id/archive", archive),
    Route("POST projects/:id/unarchive", unarchive),
    Route("GET projects/:id/languages", languages),
)
