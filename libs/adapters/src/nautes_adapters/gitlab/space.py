"""A tenant's groups, projects and hooks on GitLab as a reconcile target. Never destroys a repository."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nautes_adapters.gitlab import marks
from nautes_adapters.gitlab.api import GitLabApi, Json, quoted
from nautes_adapters.gitlab.groups import Groups
from nautes_adapters.gitlab.hooks import Hooks, HookSecrets
from nautes_adapters.gitlab.projects import Projects
from nautes_domain import names
from nautes_domain.failures import Rejected
from nautes_domain.plan import Action, Observed, Ref, Spec


async def _none_yet(_hook: str) -> tuple[str, str, int] | None:
    return None


class GitLabSpace:
    """Implements `reconcile.Target` for system `gitlab`.

    Specs: Group `{"visibility"}` and, if somebody asked for it, `"creator"` (that person is made its owner, once, unless
    another person owns it); Project `{"visibility", "initialize"}` (make it with branch `main` and a
    README, so that pushes and hooks work from the start); Hook `{"url", "events" sorted, "secret_version"}`.

    A project that exists at the declared path, in a group of ours, is adopted with all that it holds. A
    group that is not ours is refused. What is no longer declared: a hook is deleted, a project archived
    and its topic removed, a group loses its mark; declaring it again brings it back.
    """

    system: str = marks.SYSTEM
    kinds: Sequence[str] = ("Group", "Project", "Hook")

    def __init__(
        self,
        url: str,
        token: str,
        *,
        gateway_url: str,
        tenant: str,
        secrets: HookSecrets = _none_yet,
        timeout: float = 10.0,
    ) -> None:
        """Take the way to a hook's secrets: hook id -> (token, signing token, version), None if none is there yet."""
        self._tenant = names.label(tenant)
        self._prefix: Final = marks.hook_prefix(gateway_url)
        self._api = GitLabApi(url, token, timeout=timeout)
        self._groups = Groups(self._api, tenant)
        self._projects = Projects(self._api, self._groups)
        self._hooks = Hooks(self._api, self._prefix, secrets)

    async def observe(self, scope: str) -> Observed:
        """Return what is ours in a scope: `tenant` or `product_<name>`; other scopes have nothing here."""
        kind, name = names.split_scope(scope)
        if kind == "tenant":
            return await self._of_tenant()
        if kind == "product" and name:
            return await self._of_product(names.label(name))
        return {}

    async def apply(self, action: Action) -> None:
        """Make one change. Raises Blocked while a parent or a hook's secret is missing."""
        ref = action.ref
        kinds: dict[str, tuple[Callable[[Ref, Spec], Awaitable[None]], Callable[[Ref], Awaitable[None]]]] = {
            "Group": (self._groups.put, self._groups.release),
            "Project": (self._projects.put, self._projects.retire),
            "Hook": (self._hooks.put, self._hooks.remove),
        }
        if ref.kind not in kinds:
            raise Rejected(f"GitLab has no kind {ref.kind}", what=str(ref), code="no-such-kind")
        put, remove = kinds[ref.kind]
        if action.after is None:
            await remove(ref)
        else:
            await put(ref, action.after)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _of_tenant(self) -> Observed:
        groups = await self._groups.all_ours()
        paths = [
            f"{group['full_path']}/{names.TENANT_PROJECT if group['full_path'] == self._tenant else names.CONFIG_PROJECT}"
            for group in groups
        ]
        found = await asyncio.gather(*(self._api.get(f"/projects/{quoted(path)}") for path in paths))
        projects = [project for project in found if project is not None and marks.is_our_project(project)]
        observed: dict[Ref, Spec] = {
            marks.group_ref(str(group["full_path"])): marks.group_spec(group) for group in groups
        }
        return {**observed, **await self._with_hooks(projects)}

    async def _of_product(self, product: str) -> Observed:
        group = await self._groups.find(product)
        if group is None or not marks.is_our_group(group, self._tenant):
            return {}
        return await self._with_hooks(await self._projects.of_group(group))

    async def _with_hooks(self, projects: Sequence[Json]) -> Observed:
        observed: dict[Ref, Spec] = {}
        hooks = await asyncio.gather(*(self._hooks.of_project(project) for project in projects))
        for project, ours in zip(projects, hooks, strict=True):
            observed[marks.project_ref(project)] = marks.project_spec(project)
            observed.update({ref: marks.hook_spec(hook) for ref, hook in ours.items()})
        return observed
