"""Members of groups and projects. Source: GitLab API, "Group and project members"."""

from collections.abc import Callable
from datetime import date
from typing import Any, Final, Literal

from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import bad_request, conflict, created, forbidden, gone, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.records import Group, Member, Project
from nautes_localstack.forge.rights import GRANTABLE, Level

Kind = Literal["group", "project"]


def _owner(call: Call, kind: Kind, *, change: bool) -> Group | Project:
    if kind == "group":
        return call.group(Level.OWNER if change else Level.GUEST)
    return call.project(Level.MAINTAINER if change else Level.GUEST)


def _direct(call: Call, kind: Kind, owner: Group | Project) -> list[Member]:
    return call.store.members.where(lambda one: one.kind == kind and one.owner_id == owner.id)


def _all(call: Call, kind: Kind, owner: Group | Project) -> list[Member]:
    """Return direct and inherited members; of several memberships the highest counts."""
    found = _direct(call, kind, owner)
    above = owner.group_id if isinstance(owner, Project) else owner.parent_id
    group = None if above is None else call.store.groups.get(above)
    while group is not None:
        found += _direct(call, "group", group)
        group = None if group.parent_id is None else call.store.groups.get(group.parent_id)
    best: dict[int, Member] = {}
    for member in found:
        if member.user_id not in best or best[member.user_id].access_level < member.access_level:
            best[member.user_id] = member
    return list(best.values())


def _find(call: Call, rows: list[Member]) -> Member:
    number = call.number("user", "Member")
    found = next((row for row in rows if row.user_id == number), None)
    if found is None:
        raise not_found("Member")
    return found


def _view(call: Call) -> Callable[[Member], dict[str, Any]]:
    def view(member: Member) -> dict[str, Any]:
        user = call.store.users.get(member.user_id)
        if user is None:
            raise not_found("User")
        return views.member(member, user, call.host.url)

    return view


def _filtered(call: Call, rows: list[Member]) -> list[Member]:
    query = call.query.get("query", "").lower()
    users = {
        user.id for user in call.store.users if query in user.username.lower() or query in user.name.lower()
    }
    return [row for row in rows if row.user_id in users]


def _level(call: Call) -> int:
    given = call.body.get("access_level")
    if given is None:
        raise bad_request("access_level is missing")
    if not str(given).isdigit() or int(given) not in GRANTABLE:
        raise bad_request("access_level does not have a valid value")
    return int(given)


def _expiry(call: Call) -> date | None:
    given = call.body.get("expires_at")
    if not given:
        return None
    try:
        return date.fromisoformat(str(given))
    except ValueError:
        raise bad_request("expires_at is invalid") from None


def _may_grant(call: Call, kind: Kind, owner: Group | Project, level: int) -> None:
    """Nobody grants more than they have."""
    own = (
        call.host.group_level(call.user, owner)
        if isinstance(owner, Group)
        else call.host.project_level(call.user, owner)
    )
    if level > own:
        raise forbidden(f"403 Forbidden - a {kind} member cannot grant a level above their own")


class _Members:
    """The calls for members of one kind of owner."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Final[Kind] = kind

    async def direct(self, call: Call) -> Response:
        """List direct members."""
        owner = _owner(call, self.kind, change=False)
        return call.page(_filtered(call, _direct(call, self.kind, owner)), _view(call))

    async def everyone(self, call: Call) -> Response:
        """List direct and inherited members."""
        owner = _owner(call, self.kind, change=False)
        return call.page(_filtered(call, _all(call, self.kind, owner)), _view(call))

    async def one(self, call: Call) -> dict[str, Any]:
        """Return a direct member."""
        return _view(call)(_find(call, _direct(call, self.kind, _owner(call, self.kind, change=False))))

    async def one_of_all(self, call: Call) -> dict[str, Any]:
        """Return a direct or inherited member."""
        return _view(call)(_find(call, _all(call, self.kind, _owner(call, self.kind, change=False))))

    async def add(self, call: Call) -> Response:
        """Add a member."""
        owner = _owner(call, self.kind, change=True)
        level = _level(call)
        _may_grant(call, self.kind, owner, level)
        given = str(call.body.get("user_id", ""))
        if not given.isdigit():
            raise bad_request("user_id is missing")
        user = call.store.users.get(int(given))
        if user is None:
            raise not_found("User")
        if any(row.user_id == user.id for row in _direct(call, self.kind, owner)):
            raise conflict("Member already exists")
        member = Member(
            id=call.store.members.next_id(),
            kind=self.kind,
            owner_id=owner.id,
            user_id=user.id,
            access_level=level,
            expires_at=_expiry(call),
            created_at=call.host.now(),
        )
        return created(_view(call)(call.store.members.put(member)))

    async def change(self, call: Call) -> dict[str, Any]:
        """Change level and expiry of a member."""
        owner = _owner(call, self.kind, change=True)
        level = _level(call)
        found = _find(call, _direct(call, self.kind, owner))
        # Nobody touches those above them, or lifts anybody there.
        _may_grant(call, self.kind, owner, max(level, found.access_level))
        return _view(call)(call.store.members.change(found, access_level=level, expires_at=_expiry(call)))

    async def remove(self, call: Call) -> Response:
        """Remove a member."""
        owner = _owner(call, self.kind, change=True)
        found = _find(call, _direct(call, self.kind, owner))
        _may_grant(call, self.kind, owner, found.access_level)
        owners = [row for row in _direct(call, self.kind, owner) if row.access_level == Level.OWNER]
        if isinstance(owner, Group) and owner.parent_id is None and owners == [found]:
            raise forbidden("403 Forbidden - a group keeps at least one owner")
        call.store.members.delete(found.id)
        return gone()


def _routes(kind: Kind) -> list[Route]:
    members, path = _Members(kind), f"{kind}s/:id/members"
    return [
        Route(f"GET {path}", members.direct),
        Route(f"POST {path}", members.add),
        Route(f"GET {path}/all", members.everyone),
        Route(f"GET {path}/all/:user", members.one_of_all),
        Route(f"GET {path}/:user", members.one),
        Route(f"PUT {path}/:user", members.change),
        Route(f"DELETE {path}/:user", members.remove),
    ]


ROUTES: Final = (*_routes("group"), *_routes("project"))
