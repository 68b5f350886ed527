"""Hooks of ours on GitLab's projects: made, changed, re-enabled, removed."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from nautes_adapters.gitlab import marks
from nautes_adapters.gitlab.api import GitLabApi, Json, quoted
from nautes_domain.failures import Blocked, Retry
from nautes_domain.plan import Ref, Spec

HookSecrets = Callable[[str], Awaitable[tuple[str, str, int] | None]]
"""Hook id -> (token, signing token, version); None while there is no secret."""


class Hooks:
    """Project hooks under one gateway's URL (GitLab API, "Project webhooks")."""

    def __init__(self, api: GitLabApi, prefix: str, secrets: HookSecrets) -> None:
        self._api = api
        self._prefix = prefix
        self._secrets = secrets

    async def of_project(self, project: Json) -> Mapping[Ref, Json]:
        """Return our hooks of one project by address."""
        found = await self._api.rows(f"/projects/{project['id']}/hooks")
        return marks.hook_refs(found, str(project["path_with_namespace"]), self._prefix)

    async def put(self, ref: Ref, spec: Spec) -> None:
        """Make or change a hook with the newest secret; Blocked until there is one."""
        project = await self._project(ref)
        if project is None:
            raise Blocked("its project does not exist yet", by=f"project/{ref.scope}", code="no-such-project")
        body = await self._body(ref, spec)
        path = f"/projects/{project['id']}/hooks"
        found = (await self.of_project(project)).get(ref)
        if found is not None and not marks.is_disabled(found):
            await self._api.put(f"{path}/{found['id']}", body, secret=True)
            return
        await self._api.post(path, body, secret=True)
        if found is not None:
            # GitLab re-enables a disabled hook only after a successful test, which needs a commit to test
            # with; a new hook has no failures. It is made first, so that no push falls in between.
            await self._api.delete(f"{path}/{found['id']}")

    async def remove(self, ref: Ref) -> None:
        """Delete a hook of ours."""
        project = await self._project(ref)
        found = None if project is None else (await self.of_project(project)).get(ref)
        if project is not None and found is not None:
            await self._api.delete(f"/projects/{project['id']}/hooks/{found['id']}")

    async def _project(self, ref: Ref) -> Json | None:
        return await self._api.get(f"/projects/{quoted(ref.scope)}")

    async def _body(self, ref: Ref, spec: Spec) -> Json:
        secret = await self._secrets(ref.name)
        if secret is None:
            raise Blocked("its secret is not issued yet", by=f"secret/{ref.name}", code="no-such-secret")
        token, signing_token, version = secret
        if version < spec["secret_version"]:
            raise Retry(
                f"version {spec['secret_version']} of its secret cannot be read yet",
                after=timedelta(seconds=1),
                code="secret-stale",
            )
        return marks.hook_body(spec, token, signing_token, version)
