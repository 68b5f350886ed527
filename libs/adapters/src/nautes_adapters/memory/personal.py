"""A code host in memory as people see it: members of groups with levels, and commits in their names."""

from collections.abc import Mapping
from datetime import UTC, datetime

from nautes_adapters.memory.code_host import MemoryCodeHost
from nautes_domain.access import (
    CONFLICT,
    FORBIDDEN,
    UNKNOWN_CALLER,
    Access,
    Committed,
    FileChange,
    Level,
    NewCommit,
    PastCommit,
    Tip,
)
from nautes_domain.capabilities import HostedProject, Person
from nautes_domain.failures import Rejected, Retry


class MemoryPersonal:
    """Implements `access.PersonalHost` over a code host in memory."""

    def __init__(self, host: MemoryCodeHost | None = None) -> None:
        self.host = host or MemoryCodeHost()
        self.calls: list[str] = []
        """What was asked, in order: what a real host would be called for."""
        self.away: set[str] = set()
        """Methods which the host does not answer."""
        self._levels: dict[tuple[int, str], int] = {}
        self._past: dict[str, tuple[PastCommit, ...]] = {}

    def let_in(self, person: Person, group: str, level: int) -> None:
        """Give a person a level in a group; NONE takes it away."""
        self._levels[person.id, group] = level

    async def whose(self, token: str) -> Person | None:
        """Return who a token belongs to."""
        self._asked("whose")
        return await self.host.whose(token)

    async def access(self, token: str, path: str) -> Access | None:
        """Return a project and the person's level there."""
        self._asked("access")
        return await self._access(token, path)

    async def groups_with(self, token: str, project: str) -> frozenset[str]:
        """Return the groups in which the person sees a project of this name."""
        self._asked("groups_with")
        person = await self._person(token)
        groups = {group for (one, group), level in self._levels.items() if one == person.id and level}
        found = [(group, await self.host.project(f"{group}/{project}")) for group in groups]
        return frozenset(group for group, hosted in found if hosted is not None)

    async def changed_paths(
        self, token: str, path: str, before: str, after: str, *, since_fork: bool = False
    ) -> tuple[str, ...] | None:
        """Return the paths that differ between two commits."""
        self._asked("changed_paths")
        access = await self._access(token, path)
        if access is None:
            return None
        return await self.host.changed_paths(access.project.id, before, after, since_fork=since_fork)

    async def tip(self, token: str, path: str, branch: str) -> Tip | None:
        """Return where a branch stands."""
        self._asked("tip")
        access = await self._access(token, path)
        head = None if access is None else await self.host.head(access.project.id, branch)
        if access is None or head is None:
            return None
        _allow(access, Level.REPORTER)
        return Tip(head, may_push=access.level >= Level.DEVELOPER)

    async def tree(self, token: str, path: str, commit: str) -> Mapping[str, bytes]:
        """Return all manifests at a commit."""
        self._asked("tree")
        access = await self._access(token, path)
        if access is None:
            raise Rejected("there is no such commit", what=f"commit {commit[:12]}", code="no-such-commit")
        return await self.host.tree(access.project.id, commit)

    async def commit(self, token: str, path: str, new: NewCommit) -> Committed:
        """Make one commit as the person."""
        self._asked("commit")
        person, access = await self._person(token), await self._access(token, path)
        if access is None:
            raise Rejected("there is no such project", what=path, code="no-such-project")
        _allow(access, Level.DEVELOPER)
        project = access.project.id
        parent = await self.host.head(project, new.branch) or ""
        here = await self.host.tree(project, parent) if parent else {}
        if any(here.get(change.path) != change.before for change in new.changes):
            raise Retry("somebody else changed the same files", what=path, code=CONFLICT)
        files = {change.path: change.after for change in new.changes}
        made = self.host.commit(project, new.branch, files, message=new.message)
        self._remember(path, new.changes, PastCommit(made, datetime.now(UTC), person.name, new.message))
        return Committed(made, parent)

    async def history(self, token: str, path: str, file: str, most: int) -> tuple[PastCommit, ...]:
        """Return the newest commits that changed a file."""
        self._asked("history")
        await self._person(token)
        return self._past.get(f"{path}:{file}", ())[:most]

    def _asked(self, method: str) -> None:
        self.calls.append(method)
        if method in self.away:
            raise Retry("the host does not answer", what=method, code="gitlab-unavailable")

    def _remember(self, path: str, changes: tuple[FileChange, ...], past: PastCommit) -> None:
        for change in changes:
            key = f"{path}:{change.path}"
            self._past[key] = (past, *self._past.get(key, ()))

    async def _person(self, token: str) -> Person:
        person = await self.host.whose(token)
        if person is None:
            raise Rejected("the host does not know this token", code=UNKNOWN_CALLER)
        return person

    async def _access(self, token: str, path: str) -> Access | None:
        person = await self._person(token)
        project: HostedProject | None = await self.host.project(path)
        level = self._levels.get((person.id, path.partition("/")[0]), Level.NONE)
        return None if project is None or not level else Access(project, level)


def _allow(access: Access, needed: Level) -> None:
    if access.level < needed:
        raise Rejected("the host does not let you do this", code=FORBIDDEN)
