"""Groups. Source: GitLab API, "Groups"."""

from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import accepted, bad_request, created, forbidden, invalid
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.paths import RESERVED, is_path
from nautes_localstack.forge.api.projects import forget, listed, project_view
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.records import VISIBILITIES, Group, Member
from nautes_localstack.forge.rights import Level


async def list_groups(call: Call) -> Response:
    """List the groups that the caller sees, by name; `owned`, `top_level_only`, `search`, `min_access_level`."""
    return call.page(_visible(call, _lowest(call)), lambda group: group_view(call, group))


async def list_subgroups(call: Call) -> Response:
    """List the groups right below a group."""
    parent = call.group(Level.GUEST)
    rows = [group for group in _visible(call, Level.NONE) if group.parent_id == parent.id]
    return call.page(rows, lambda group: group_view(call, group))


async def get_group(call: Call) -> dict[str, Any]:
    """Return a group, with its projects unless `with_projects=false`."""
    group = call.group(Level.GUEST)
    view = group_view(call, group)
    if call.flag("with_projects", default=True):
        inside = call.store.projects.where(lambda one: one.group_id == group.id)
        seen = [project for project in inside if call.host.project_level(call.user, project)]
        view["projects"] = [project_view(call, project) for project in seen[:100]]
        view["shared_projects"] = []
    return view


async def create_group(call: Call) -> Response:
    """Make a group; whoever makes it owns it."""
    name, path = call.text("name"), call.text("path")
    parent = _parent(call)
    full_path = f"{parent.full_path}/{path}" if parent else path
    if not is_path(path) or (parent is None and path.lower() in RESERVED):
        raise invalid(path=["can contain only letters, digits, '_', '-' and '.', and must not be reserved"])
    user = call.store.users.first(lambda one: one.username.lower() == full_path.lower())
    if user or call.host.group(full_path) or call.host.project(full_path):
        raise invalid(path=["has already been taken"])
    group = Group(
        id=call.store.groups.next_id(),
        parent_id=parent.id if parent else None,
        name=name,
        path=path,
        full_path=full_path,
        description=call.text("description", ""),
        visibility=visibility(call, "private"),
        created_at=call.host.now(),
    )
    with call.store.together():
        call.store.groups.put(group)
        call.store.members.put(
            Member(
                id=call.store.members.next_id(),
                kind="group",
                owner_id=group.id,
                user_id=call.user.id,
                access_level=int(Level.OWNER),
                created_at=group.created_at,
            )
        )
    return created(group_view(call, group))


async def edit_group(call: Call) -> dict[str, Any]:
    """Change name, description or visibility. Paths do not change here."""
    group = call.group(Level.OWNER)
    if call.text("path", group.path) != group.path:
        raise bad_request("path cannot be changed on this forge")
    changed = call.store.groups.change(
        group,
        name=call.text("name", group.name),
        description=call.text("description", group.description if "description" not in call.body else ""),
        visibility=visibility(call, group.visibility),
    )
    return group_view(call, changed)


async def delete_group(call: Call) -> Response:
    """Delete a group with all that is in it."""
    group = call.group(Level.OWNER)
    doomed = [one for one in call.store.groups if f"{one.full_path}/".startswith(f"{group.full_path}/")]
    numbers = {one.id for one in doomed}
    for project in call.store.projects.where(lambda one: one.group_id in numbers):
        await forget(call, project)
    with call.store.together():
        for one in doomed:
            call.store.groups.delete(one.id)
        call.store.members.delete_where(lambda one: one.kind == "group" and one.owner_id in numbers)
    return accepted()


async def list_projects(call: Call) -> Response:
    """List the projects of a group; with `include_subgroups` those below it too."""
    group = call.group(Level.GUEST)
    below = call.flag("include_subgroups", default=False)
    rows = [
        project
        for project in listed(call)
        if project.group_id == group.id or (below and project.full_path.startswith(f"{group.full_path}/"))
    ]
    return call.page(rows, lambda project: project_view(call, project))


def group_view(call: Call, group: Group) -> dict[str, Any]:
    """Return a group as JSON."""
    names = ""
    parent = None if group.parent_id is None else call.store.groups.get(group.parent_id)
    while parent is not None:
        names = f"{parent.name} / {names}"
        parent = None if parent.parent_id is None else call.store.groups.get(parent.parent_id)
    return views.group(group, names, call.host.url)


def visibility(call: Call, default: str) -> str:
    """Return the visibility in the body."""
    value = call.text("visibility", default)
    if value not in VISIBILITIES:
        raise bad_request("visibility does not have a valid value")
    return value


def _lowest(call: Call) -> Level:
    """Return the membership that is asked for; being an administrator is none."""
    given = call.query.get("min_access_level", "")
    lowest = max((level for level in Level if given.isdigit() and level <= int(given)), default=Level.NONE)
    return max(lowest, Level.OWNER) if call.flag("owned", default=False) else lowest


def _visible(call: Call, lowest: Level) -> list[Group]:
    search = call.query.get("search", "").lower()
    top = call.flag("top_level_only", default=False)
    rows = [
        group
        for group in call.store.groups
        if call.host.group_level(call.user, group) >= Level.GUEST
        and call.host.granted_level(call.user, group) >= lowest
        and (search in group.name.lower() or search in group.full_path.lower())
        and not (top and group.parent_id is not None)
    ]
    down = call.query.get("sort") == "desc"
    return sorted(rows, key=lambda group: (group.name.lower(), group.id), reverse=down)


def _parent(call: Call) -> Group | None:
    given = call.body.get("parent_id")
    if given is None:
        return None
    parent = call.host.group(str(given)) if str(given).isdigit() else None
    if parent is None or call.host.group_level(call.user, parent) < Level.MAINTAINER:
        raise forbidden()
    return parent


ROUTES: Final = (
    Route("GET groups", list_groups),
    Route("POST groups", create_group),
    Route("GET groups/:id", get_group),
    Route("PUT groups/:id", edit_group),
    Route("DELETE groups/:id", delete_group),
    Route("GET groups/:id/subgroups", list_subgroups),
    Route("GET groups/:id/projects", list_projects),
)
