"""Deploy keys on GitLab's projects: the public halves of what the secret store holds."""

from dataclasses import dataclass

from nautes_adapters.gitlab.api import GitLabApi, Json
from nautes_adapters.gitlab.errors import Refused, is_taken


@dataclass(frozen=True, slots=True)
class DeployKey:
    """A public key that may read (or push to) one project."""

    id: int
    title: str
    public_key: str
    """OpenSSH format; the comment does not count."""
    can_push: bool


class GitLabDeployKeys:
    """Deploy keys of projects (GitLab API, "Deploy keys"). Keys with other titles are never touched."""

    def __init__(self, url: str, token: str, *, timeout: float = 10.0) -> None:
        self._api = GitLabApi(url, token, timeout=timeout)

    async def list(self, project_id: int) -> tuple[DeployKey, ...]:
        """Return all deploy keys of a project, also people's own; none if the project does not exist."""
        found = await self._api.rows(_path(project_id))
        return tuple(_deploy_key(row) for row in found)

    async def ensure(
        self,
        project_id: int,
        title: str,
        public_key: str,
        can_push: bool,  # noqa: FBT001
        *,
        replace: bool = True,
    ) -> int:
        """Make the project know this key under this title; return the key's id.

        Idempotent by title and key. With `replace`, other keys of the same title are removed once the new
        one is in place: pass False to keep the old key working until the new one is handed out, then
        call `remove_titled`.
        """
        key = await self._find(project_id, public_key)
        if key is None:
            key = await self._add(project_id, title, public_key, can_push=can_push)
        if (key.title, key.can_push) != (title, can_push):
            await self._api.put(f"{_path(project_id)}/{key.id}", {"title": title, "can_push": can_push})
        if replace:
            await self.remove_titled(project_id, title, keep=key.id)
        return key.id

    async def remove(self, project_id: int, key_id: int) -> None:
        """Remove one key; what is gone is no error."""
        await self._api.delete(f"{_path(project_id)}/{key_id:d}")

    async def remove_titled(self, project_id: int, title: str, *, keep: int | None = None) -> int:
        """Remove all keys of a title except `keep`; return how many went."""
        doomed = [key for key in await self.list(project_id) if key.title == title and key.id != keep]
        for key in doomed:
            await self.remove(project_id, key.id)
        return len(doomed)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _find(self, project_id: int, public_key: str) -> DeployKey | None:
        wanted = key_material(public_key)
        keys = await self.list(project_id)
        return next((key for key in keys if key_material(key.public_key) == wanted), None)

    async def _add(self, project_id: int, title: str, public_key: str, *, can_push: bool) -> DeployKey:
        body = {"title": title, "key": public_key, "can_push": can_push}
        try:
            return _deploy_key(await self._api.post(_path(project_id), body))
        except Refused as refused:
            found = await self._find(project_id, public_key) if is_taken(refused) else None
            if found is None:
                raise
            return found


def key_material(public_key: str) -> tuple[str, ...]:
    """Return type and body of an OpenSSH public key, without its comment."""
    return tuple(public_key.split()[:2])


def _path(project_id: int) -> str:
    return f"/projects/{project_id:d}/deploy_keys"


def _deploy_key(row: Json) -> DeployKey:
    return DeployKey(
        id=int(row["id"]),
        title=str(row.get("title") or ""),
        public_key=str(row.get("key") or ""),
        can_push=bool(row.get("can_push")),
    )
