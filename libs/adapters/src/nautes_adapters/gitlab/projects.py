"""Projects of ours on GitLab: made, adopted, archived. Never deleted."""

from typing import Final

from nautes_adapters.gitlab import marks
from nautes_adapters.gitlab.api import GitLabApi, Json, quoted
from nautes_adapters.gitlab.errors import Refused, is_taken
from nautes_adapters.gitlab.groups import Groups
from nautes_domain import names
from nautes_domain.failures import Rejected
from nautes_domain.plan import Ref, Spec

DEFAULT_BRANCH: Final = "main"


class Projects:
    """Projects in groups of ours (GitLab API, "Projects")."""

    def __init__(self, api: GitLabApi, groups: Groups) -> None:
        self._api = api
        self._groups = groups

    async def of_group(self, group: Json) -> list[Json]:
        """Return the marked projects that lie in a group itself, without the product's own `default.project`."""
        found = await self._api.rows(
            f"/groups/{group['id']}/projects",
            archived="false",
            topic=marks.TOPIC,
            with_shared="false",
            include_subgroups="false",
        )
        inside = [one for one in found if marks.project_ref(one).scope == group["full_path"]]
        return [
            one
            for one in inside
            if marks.is_our_project(one) and marks.project_ref(one).name != names.CONFIG_PROJECT
        ]

    async def put(self, ref: Ref, spec: Spec) -> None:
        """Make a project, or adopt the one at this path; bring it back from the archive if it is there."""
        group = await self._groups.ours(ref.scope)
        found = await self._find(ref)
        if found is None:
            try:
                await self._api.post("/projects", _new(ref, spec, group))
            except Refused as refused:
                found = await self._find(ref) if is_taken(refused) else None
                if found is None:
                    raise
            else:
                return
        await self._settle(found, spec)

    async def retire(self, ref: Ref) -> None:
        """Archive a project of ours and remove its topic. The repository stays as it is."""
        found = await self._find(ref)
        if found is None or not marks.is_our_project(found):
            return
        theirs = [topic for topic in marks.topics(found) if topic not in (marks.TOPIC, marks.BARE)]
        await self._api.post(f"/projects/{found['id']}/archive", {})
        try:
            await self._api.put(f"/projects/{found['id']}", {"topics": theirs})
        except Rejected:
            return  # An archived project may be read-only; archived, it does not count as ours either way.

    async def _find(self, ref: Ref) -> Json | None:
        return await self._api.get(f"/projects/{quoted(f'{ref.scope}/{ref.name}')}")

    async def _settle(self, project: Json, spec: Spec) -> None:
        path = f"/projects/{project['id']}"
        if project.get("archived"):
            await self._api.post(f"{path}/unarchive", {})
        initialize = bool(spec.get("initialize", True))
        wanted = marks.topics_for(project, initialize=initialize)
        changes = {
            **({} if sorted(marks.topics(project)) == wanted else {"topics": wanted}),
            **({} if project.get("visibility") == spec["visibility"] else {"visibility": spec["visibility"]}),
        }
        if changes:
            await self._api.put(path, changes)


def _new(ref: Ref, spec: Spec, group: Json) -> Json:
    initialize = bool(spec.get("initialize", True))
    return {
        "name": ref.name,
        "path": ref.name,
        "namespace_id": group["id"],
        "visibility": spec["visibility"],
        "topics": marks.topics_for({}, initialize=initialize),
        "default_branch": DEFAULT_BRANCH,
        "initialize_with_readme": initialize,
    }
