"""Groups of ours on GitLab: found, made, released."""

import asyncio

from nautes_adapters.gitlab import marks
from nautes_adapters.gitlab.api import GitLabApi, Json, quoted
from nautes_adapters.gitlab.errors import Refused, is_taken
from nautes_domain.access import Level
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.plan import Ref, Spec


class Groups:
    """The top-level groups of one tenant (GitLab API, "Groups")."""

    def __init__(self, api: GitLabApi, tenant: str) -> None:
        self._api = api
        self._tenant = tenant

    async def find(self, name: str) -> Json | None:
        """Return a group by path, ours or not."""
        return await self._api.get(f"/groups/{quoted(name)}", with_projects="false")

    async def all_ours(self) -> list[Json]:
        """Return all top-level groups with our mark.

        GitLab lists to an administrator all groups, to others those that they are members of (GitLab API,
        "List groups", `all_available`). The tenant's own group is looked up by name besides: people may
        have made it.
        """
        listed, tenant = await asyncio.gather(
            self._api.rows("/groups", top_level_only="true"), self.find(self._tenant)
        )
        found = {str(group["full_path"]): group for group in (*listed, *([tenant] if tenant else []))}
        return [
            group
            for path, group in sorted(found.items())
            if "/" not in path and marks.is_our_group(group, self._tenant)
        ]

    async def ours(self, name: str) -> Json:
        """Return a group to work in; Blocked while it does not exist, Rejected if it is not ours."""
        group = await self.find(name)
        if group is None:
            raise Blocked("its group does not exist yet", by=f"group/{name}", code="no-such-group")
        if not marks.is_our_group(group, self._tenant):
            raise self._not_ours(name)
        return group

    async def put(self, ref: Ref, spec: Spec) -> None:
        """Make or change a group; a group of somebody else raises Rejected."""
        found = await self.find(ref.name)
        if found is None:
            try:
                found = await self._api.post("/groups", self._new(ref, spec))
            except Refused as refused:
                found = await self.find(ref.name) if is_taken(refused) else None
                if found is None:
                    raise
        await self._settle(found, ref, spec)

    async def release(self, ref: Ref) -> None:
        """Take our mark off a group. The group and what is in it stay."""
        found = await self.find(ref.name)
        if found is not None and marks.is_our_group(found, self._tenant):
            await self._api.put(f"/groups/{found['id']}", {"description": marks.released_mark(self._tenant)})

    async def _settle(self, group: Json, ref: Ref, spec: Spec) -> None:
        if not marks.may_take_group(group, self._tenant):
            raise self._not_ours(ref.name)
        ours = marks.is_our_group(group, self._tenant)
        description = str(group.get("description") or "") if ours else self._description(ref)
        creator = spec.get("creator", "")
        if creator and marks.group_spec(group).get("creator") != creator:
            # Written down after it is done: after a failure in between it is done again.
            await self._let_in(group, creator)
            description = marks.made_for(description, creator)
        changes = {
            **({} if group.get("description") == description else {"description": description}),
            **({} if group.get("visibility") == spec["visibility"] else {"visibility": spec["visibility"]}),
        }
        if changes:
            await self._api.put(f"/groups/{group['id']}", changes)

    async def _let_in(self, group: Json, username: str) -> None:
        """Make a person owner of a group, unless another person owns it (GitLab API, "Group and project members")."""
        path = f"/groups/{group['id']}/members"
        us, members = await asyncio.gather(self._api.get("/user"), self._api.rows(path))
        own = us["username"] if us else ""
        if any(one["access_level"] >= Level.OWNER and one["username"] != own for one in members):
            return
        people = await self._api.rows("/users", username=username)
        if not people:
            raise self._unknown(group, username)
        number, level = people[0]["id"], {"access_level": int(Level.OWNER)}
        try:
            await self._api.post(path, {"user_id": number, **level})
        except Refused as refused:
            if not is_taken(refused):
                raise
            await self._api.put(f"{path}/{number}", level)

    def _unknown(self, group: Json, username: str) -> Rejected:
        return Rejected(
            f"GitLab has no user {username}, who asked for the group",
            what=f"group/{group['full_path']}",
            who="platform team",
            next_step="add an owner to the group on GitLab",
            code="no-such-user",
        )

    def _new(self, ref: Ref, spec: Spec) -> Json:
        return {
            "name": ref.name,
            "path": ref.name,
            "visibility": spec["visibility"],
            "description": self._description(ref),
        }

    def _description(self, ref: Ref) -> str:
        role = "tenant" if ref.name == self._tenant else "product"
        return f"{marks.group_mark(self._tenant)} {role} {ref.name}"

    def _not_ours(self, name: str) -> Rejected:
        mark = marks.group_mark(self._tenant)
        return Rejected(
            "a group of this name exists and is not ours",
            what=f"group/{name}",
            who="owners of the group on GitLab",
            next_step=f"begin the group's description with '{mark}' to hand it over, or choose another name",
            code="group-not-ours",
        )
