"""Places on a real code host for the contract suites."""

import base64
import itertools
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nautes_adapters.gitlab import GitLabCodeHost, GitLabSpace
from nautes_adapters.gitlab.api import GitLabApi, quoted
from nautes_domain import names
from nautes_domain.capabilities import HostedProject, Person
from nautes_domain.plan import Ref, Wanted
from support.forge import Forge
from support.target_contract import TargetCase

_NUMBERS = itertools.count(1)
GATEWAY = "https://gateway.example"


@dataclass
class HookSecret:
    """What the secret store would answer."""

    version: int = 1
    token: str = "hook-token-value"
    asked: list[str] = field(default_factory=list)

    async def __call__(self, hook: str) -> tuple[str, str, int] | None:
        self.asked.append(hook)
        return self.token, "whsec_" + base64.b64encode(b"k" * 32).decode(), self.version


def group_wanted(name: str) -> dict[Ref, Wanted]:
    return {Ref("gitlab", "Group", name): Wanted({"visibility": "private"}, f"{name} is declared")}


def project_wanted(
    group: str, project: str, version: int = 1, *, initialize: bool = True
) -> dict[Ref, Wanted]:
    """A project and its hook."""
    hook = names.hook_id(group, project)
    content = {
        "url": f"{GATEWAY}/hooks/gitlab/{hook}",
        "events": ["push_events", "tag_push_events"],
        "secret_version": version,
    }
    return {
        Ref("gitlab", "Project", project, group): Wanted(
            {"visibility": "private", "initialize": initialize}, "a repository is declared"
        ),
        Ref("gitlab", "Hook", hook, f"{group}/{project}"): Wanted(content, "pushes start pipelines"),
    }


async def add_group(api: GitLabApi, name: str, description: str) -> int:
    body = {"name": name, "path": name, "visibility": "private", "description": description}
    return int((await api.post("/groups", body))["id"])


async def add_project(api: GitLabApi, group: int, name: str, topics: Sequence[str] = ()) -> int:
    body = {
        "name": name,
        "path": name,
        "namespace_id": group,
        "topics": list(topics),
        "visibility": "private",
    }
    return int((await api.post("/projects", body))["id"])


@asynccontextmanager
async def forge_api(forge: Forge) -> AsyncIterator[GitLabApi]:
    api = GitLabApi(forge.url, forge.token)
    try:
        yield api
    finally:
        await api.close()


async def _in_use(api: GitLabApi, *paths: str) -> bool:
    found = [await api.get(f"/projects/{quoted(path)}") for path in paths]
    return all(one is not None and not one.get("archived") for one in found)


@asynccontextmanager
async def tenant_space(forge: Forge) -> AsyncIterator[TargetCase]:
    """A tenant's group, its product groups and their configuration projects."""
    number = next(_NUMBERS)
    tenant, product, theirs = (f"{word}{number}" for word in ("acme", "orchard", "theirs"))

    def declared(version: int) -> dict[Ref, Wanted]:
        return {
            **group_wanted(tenant),
            **project_wanted(tenant, names.TENANT_PROJECT, version),
            **group_wanted(product),
            **project_wanted(product, names.CONFIG_PROJECT, version),
        }

    secret = HookSecret()
    target = GitLabSpace(forge.url, forge.token, gateway_url=GATEWAY, tenant=tenant, secrets=secret)
    async with forge_api(forge) as api:
        group = await add_group(api, theirs, "nautes:somebody-else product")
        await add_project(api, group, names.CONFIG_PROJECT, ["nautes"])

        async def remains() -> bool:
            found = await api.get(f"/groups/{theirs}")
            marked = found is not None and str(found["description"]).startswith("nautes:somebody-else")
            return marked and await _in_use(api, f"{theirs}/{names.CONFIG_PROJECT}")

        async def rotate() -> None:
            secret.version = 2

        try:
            yield TargetCase(target, "tenant", declared(1), declared(2), remains, rotate)
        finally:
            await target.close()


@asynccontextmanager
async def product_space(forge: Forge) -> AsyncIterator[TargetCase]:
    """The source repositories of one product, beside a project that people made themselves."""
    number = next(_NUMBERS)
    tenant, product = f"acme{number}", f"grove{number}"

    def declared(version: int, *, initialize: bool) -> dict[Ref, Wanted]:
        return {
            **project_wanted(product, "apple-src", version),
            **project_wanted(product, "pear-src", version, initialize=initialize),
        }

    secret = HookSecret()
    target = GitLabSpace(forge.url, forge.token, gateway_url=GATEWAY, tenant=tenant, secrets=secret)
    async with forge_api(forge) as api:
        group = await add_group(api, product, f"nautes:{tenant} product {product}")
        await add_project(api, group, "notes", ["cooking"])
        await add_project(api, group, names.CONFIG_PROJECT, ["nautes"])
        own = await add_project(api, group, "own-hook", [])
        await api.post(
            f"/projects/{own}/hooks", {"url": "https://elsewhere.example/hook", "push_events": True}
        )

        async def remains() -> bool:
            hooks = await api.rows(f"/projects/{own}/hooks")
            paths = [f"{product}/{name}" for name in ("notes", names.CONFIG_PROJECT, "own-hook")]
            return len(hooks) == 1 and await _in_use(api, *paths)

        async def rotate() -> None:
            secret.version = 2

        scope = names.scope("product", product)
        before, after = declared(1, initialize=False), declared(2, initialize=True)
        try:
            yield TargetCase(target, scope, before, after, remains, rotate)
        finally:
            await target.close()


class ForgeWorld:
    """People who push to a real code host with git."""

    def __init__(self, forge: Forge, folder: Path) -> None:
        self._forge = forge
        self._folder = folder
        self.host = GitLabCodeHost(forge.url, forge.token)
        self._clones: dict[int, Path] = {}

    async def add_project(self) -> HostedProject:
        number = next(_NUMBERS)
        async with forge_api(self._forge) as api:
            group = await add_group(api, f"code{number}", "")
            await add_project(api, group, "src")
        project = await self.host.project(f"code{number}/src")
        assert project is not None
        clone = self._folder / str(project.id)
        self._git(self._folder, "init", "-q", "-b", "main", str(clone))
        self._clones[project.id] = clone
        return project

    async def commit(
        self,
        project: HostedProject,
        branch: str,
        files: Mapping[str, bytes | None],
        *,
        links: Sequence[str] = (),
        message: str = "change",
        start: str = "",
    ) -> str:
        """Commit on top of what was committed last, or of `start`, and push it."""
        clone = self._clones[project.id]
        if start:
            self._git(clone, "reset", "-q", "--hard", start)
        for path, content in files.items():
            file = clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)
        for link in links:
            (clone / link).symlink_to("README.md")
        self._git(clone, "add", "-A")
        self._git(clone, "commit", "-q", "--allow-empty", "-m", message)
        self._git(clone, "push", "-q", f"{self._forge.url}/{project.path}.git", f"HEAD:refs/heads/{branch}")
        return self._git(clone, "rev-parse", "HEAD")

    async def add_submodule(self, project: HostedProject) -> str:
        clone = self._clones[project.id]
        entry = f"160000,{'1' * 40},vendored"
        self._git(clone, "update-index", "--add", "--cacheinfo", entry)
        self._git(clone, "commit", "-q", "-m", "vendor")
        self._git(clone, "push", "-q", f"{self._forge.url}/{project.path}.git", "HEAD:refs/heads/main")
        return self._git(clone, "rev-parse", "HEAD")

    async def person(self) -> tuple[str, Person]:
        """A token and whose it is."""
        async with forge_api(self._forge) as api:
            user = await api.get("/user")
        assert user is not None
        return self._forge.token, Person(
            user["id"], user["username"], user["name"], admin=bool(user["is_admin"])
        )

    def _git(self, folder: Path, *arguments: str) -> str:
        login = base64.b64encode(f"oauth2:{self._forge.token}".encode()).decode()
        environment = {
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "HOME": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
            "GIT_CONFIG_KEY_1": "user.name",
            "GIT_CONFIG_VALUE_1": "A Developer",
            "GIT_CONFIG_KEY_2": "user.email",
            "GIT_CONFIG_VALUE_2": "developer@example.org",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
