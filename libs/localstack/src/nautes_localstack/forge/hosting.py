"""The forge itself: who calls, what they may see, where repositories lie. No HTTP here."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nautes_localstack.forge.git.repository import Repository
from nautes_localstack.forge.hooks.payloads import SSH_PORT, Place
from nautes_localstack.forge.records import AccessToken, DeployKey, Group, Project, User
from nautes_localstack.forge.rights import Level, visible_at
from nautes_localstack.forge.store import Store

VERSION: Final = "19.0.0-nautes-local"
"""What the API reports; the suffix says that this is not GitLab."""

ROOT: Final = "root"
_ROOT_TOKEN: Final = "root token file"  # noqa: S105 - the name of a token


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, by which token."""

    user: User
    token: AccessToken


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
RUNNER: Final = Caller(
    User(id=0, username="", name="", email="", created_at=_LONG_AGO),
    AccessToken(id=0, user_id=0, name="", digest="", scopes=(), created_at=_LONG_AGO),
)
"""Stands for a runner: nobody with any right; its own token is checked by what it calls."""


class Host:
    """State and repositories below one folder, which only its owner may read."""

    def __init__(
        self, state: Path, url: str, *, ssh_port: int = 0, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.url: Final = url.rstrip("/")
        self._ssh_port = ssh_port or SSH_PORT
        self.now: Final = now
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        self.repositories: Final = state / "repositories"
        self.repositories.mkdir(exist_ok=True)
        self.scratch: Final = state / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        self.store: Final = Store(state / "forge.sqlite3")
        self._locks: dict[int, asyncio.Lock] = {}

    def admit_root(self, token: str) -> None:
        """Make the administrator `root` and let this token, and no earlier one from the file, be theirs."""
        store, now = self.store, self.now()
        root = store.users.first(lambda user: user.username == ROOT) or store.users.put(
            User(
                id=store.users.next_id(),
                username=ROOT,
                name="Administrator",
                email="root@nautes.localhost",
                is_admin=True,
                created_at=now,
            )
        )
        known = store.tokens.first(lambda one: one.name == _ROOT_TOKEN and one.user_id == root.id)
        if known:
            store.tokens.change(known, digest=digest(token))
            return
        store.tokens.put(
            AccessToken(
                id=store.tokens.next_id(),
                user_id=root.id,
                name=_ROOT_TOKEN,
                digest=digest(token),
                scopes=("api", "read_repository", "write_repository"),
                created_at=now,
            )
        )

    async def mend(self) -> None:
        """Make repositories that a crash kept from being made."""
        for project in self.store.projects:
            if not (self.repository(project).path / "HEAD").exists():
                await self.repository(project).initialise(project.default_branch)

    def authenticate(self, token: str) -> Caller | None:
        """Return who a token belongs to; None if it is unknown, revoked or expired."""
        wanted = digest(token)
        found = self.store.tokens.first(lambda one: one.digest == wanted)
        if found is None or not self.is_active(found):
            return None
        user = self.store.users.get(found.user_id)
        return Caller(user, found) if user else None

    def is_active(self, token: AccessToken) -> bool:
        """Say whether a token works: it ends at the beginning (UTC) of its last date."""
        expired = token.expires_at is not None and token.expires_at <= self.now().date()
        return not token.revoked and not expired

    def group_level(self, user: User, group: Group) -> Level:
        """Return what a user may do in a group: what membership grants, or a look at what is open."""
        opened = Level.GUEST if visible_at(group.visibility, known=True) else Level.NONE
        return max(opened, Level.ADMIN if user.is_admin else Level.NONE, self.granted_level(user, group))

    def project_level(self, user: User | None, project: Project) -> Level:
        """Return what a user, or nobody in particular, may do in a project."""
        opened = visible_at(project.visibility, known=user is not None)
        if user is None:
            return opened
        group = self.store.groups.get(project.group_id)
        if user.is_admin:
            return Level.ADMIN
        return max(opened, self.granted_level(user, group), self._granted(user, "project", project.id))

    def group(self, key: str) -> Group | None:
        """Return a group by id or full path."""
        if key.isascii() and key.isdigit():
            return self.store.groups.get(int(key))
        return self.store.groups.first(lambda one: one.full_path.lower() == key.lower())

    def project(self, key: str) -> Project | None:
        """Return a project by id or full path."""
        if key.isascii() and key.isdigit():
            return self.store.projects.get(int(key))
        return self.store.projects.first(lambda one: one.full_path.lower() == key.lower())

    def deploy_keys(self, fingerprint: str) -> list[DeployKey]:
        """Return what a public key (`SHA256:…`) opens: the same one may be a deploy key of several projects."""
        return self.store.deploy_keys.where(lambda one: one.fingerprint_sha256 == fingerprint)

    def repository(self, project: Project) -> Repository:
        """Return a project's repository; folders are named by id, so no name reaches the disk."""
        return Repository(self.repositories / f"{project.id:d}.git")

    def lock(self, project: Project) -> asyncio.Lock:
        """Return what is held while refs of a repository move, so that pushes are told of in their order."""
        return self._locks.setdefault(project.id, asyncio.Lock())

    def place(self, project: Project) -> Place:
        """Return where a project is."""
        group = self.store.groups.get(project.group_id)
        return Place(project, group.name if group else "", self.url, self._ssh_port)

    def close(self) -> None:
        """Close the state."""
        self.store.close()

    def _granted(self, user: User, kind: str, owner_id: int) -> Level:
        today = self.now().date()
        found = self.store.members.first(
            lambda one: one.user_id == user.id and one.kind == kind and one.owner_id == owner_id
        )
        if found is None or (found.expires_at is not None and found.expires_at <= today):
            return Level.NONE
        return max(level for level in Level if level <= found.access_level)

    def granted_level(self, user: User, group: Group | None) -> Level:
        """Return the most that membership in a group or one above it grants, administrator or not."""
        granted = Level.NONE
        while group is not None:
            granted = max(granted, self._granted(user, "group", group.id))
            group = None if group.parent_id is None else self.store.groups.get(group.parent_id)
        return granted


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
