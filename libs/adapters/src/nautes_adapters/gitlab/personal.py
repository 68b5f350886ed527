"""GitLab with a person's own token: what that person sees, and commits in that person's name.

Sources: GitLab REST API v4, "Projects", "Branches", "Commits"; for `last_commit_id` also GitLab's
`app/services/files/base_service.rb` (`file_has_changed?`): it is any commit, and the write is refused if the last
commit that changed the file is another one on the branch than as of that commit. It is heeded for update, move and
delete; a create is refused if the file is there.
"""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from nautes_adapters.gitlab.api import GitLabApi, Json, quoted
from nautes_adapters.gitlab.archive import DEFAULT_LIMITS, Limits
from nautes_adapters.gitlab.code_host import GitLabCodeHost, compared, hosted_project, read_tree
from nautes_adapters.gitlab.errors import Denied, Refused
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
from nautes_domain.capabilities import Person
from nautes_domain.failures import Rejected, Retry

_TOKEN: Final = re.compile(r"[!-~]{1,512}\Z")
_STALE: Final = re.compile(
    r"already exists|doesn't exist|has changed since|refresh and try again|could not (be )?update",
    re.IGNORECASE,
)
"""GitLab's words for a commit that does not fit on its branch (`files/*_service.rb`, Gitaly's `UserCommitFiles`)."""


class GitLabPersonal:
    """Implements `access.PersonalHost` on GitLab. It keeps no token: each call brings its own."""

    def __init__(self, url: str, *, timeout: float = 10.0, limits: Limits = DEFAULT_LIMITS) -> None:
        self._url = url
        self._timeout = timeout
        self._limits = limits
        self._nobody = GitLabCodeHost(url, "none", timeout=timeout)

    async def whose(self, token: str) -> Person | None:
        """Return who a token belongs to."""
        return await self._nobody.whose(token)

    async def access(self, token: str, path: str) -> Access | None:
        """Return a project and the person's level there."""
        async with self._as(token) as api:
            found = await api.get(f"/projects/{quoted(path)}")
        return None if found is None else Access(hosted_project(found), _level(found))

    async def groups_with(self, token: str, project: str) -> frozenset[str]:
        """Return the groups in which the person sees a project of this name: one request per hundred."""
        async with self._as(token) as api:
            rows = await api.rows("/projects", search=project, simple="true", archived="false", order_by="id")
        paths = (str(row["path_with_namespace"]).rpartition("/") for row in rows)
        return frozenset(group for group, _, name in paths if name == project and "/" not in group)

    async def changed_paths(
        self, token: str, path: str, before: str, after: str, *, since_fork: bool = False
    ) -> tuple[str, ...] | None:
        """Return the paths that differ between two commits."""
        async with self._as(token) as api:
            return await compared(api, quoted(path), before, after, since_fork=since_fork)

    async def tip(self, token: str, path: str, branch: str) -> Tip | None:
        """Return where a branch stands."""
        async with self._as(token) as api:
            found = await api.get(f"/projects/{quoted(path)}/repository/branches/{quoted(branch)}")
        return None if found is None else Tip(str(found["commit"]["id"]), bool(found.get("can_push")))

    async def tree(self, token: str, path: str, commit: str) -> Mapping[str, bytes]:
        """Return all manifests at a commit from one archive; GitLab allows five a minute for one project and person."""
        async with self._as(token) as api:
            return await read_tree(api, quoted(path), commit, self._limits)

    async def commit(self, token: str, path: str, new: NewCommit) -> Committed:
        """Make one commit as the person."""
        body = {
            "branch": new.branch,
            "commit_message": new.message,
            "actions": [_action(change, new.base) for change in new.changes],
        }
        try:
            async with self._as(token) as api:
                made = await api.post(f"/projects/{quoted(path)}/repository/commits", body)
        except Refused as refused:
            if refused.status == 404:
                raise Rejected("there is no such project", what=path, code="no-such-project") from None
            if refused.status in (400, 409) and _STALE.search(refused.answer):
                raise Retry("somebody else changed the same files", what=path, code=CONFLICT) from None
            raise
        parents = made.get("parent_ids") or [""]
        return Committed(str(made["id"]), str(parents[0]))

    async def history(self, token: str, path: str, file: str, most: int) -> tuple[PastCommit, ...]:
        """Return the newest commits that changed a file."""
        async with self._as(token) as api:
            rows = await api.newest(f"/projects/{quoted(path)}/repository/commits", most, path=file)
        return tuple(_past(row) for row in rows)

    async def close(self) -> None:
        """Close the connections."""
        await self._nobody.close()

    @asynccontextmanager
    async def _as(self, token: str) -> AsyncIterator[GitLabApi]:
        """Give a client that carries the person's token, and say in our words what GitLab thinks of it."""
        if not _TOKEN.match(token):
            raise _unknown()
        api = GitLabApi(self._url, token, timeout=self._timeout)
        try:
            yield api
        except Denied as denied:
            if denied.status == 401:
                raise _unknown() from None
            raise Rejected(
                "GitLab does not let you do this",
                what=denied.what,
                who="maintainers of the group on GitLab",
                next_step="ask for a higher role in the group, or use a token with scope api",
                code=FORBIDDEN,
            ) from None
        finally:
            await api.close()


def _unknown() -> Rejected:
    return Rejected("GitLab does not know this token", code=UNKNOWN_CALLER, next_step="log in again")


def _level(project: Json) -> int:
    """Return the higher of the levels that a person has in the project itself and in its groups."""
    permissions = project.get("permissions") or {}
    held = (permissions.get(key) or {} for key in ("project_access", "group_access"))
    return max((int(one.get("access_level") or 0) for one in held), default=Level.NONE)


def _action(change: FileChange, base: str) -> dict[str, Any]:
    if change.after is None:
        return {"action": "delete", "file_path": change.path, "last_commit_id": base}
    content = {
        "file_path": change.path,
        "content": base64.b64encode(change.after).decode(),
        "encoding": "base64",
    }
    if change.before is None:
        return {"action": "create", **content}
    return {"action": "update", **content, "last_commit_id": base}


def _past(row: Json) -> PastCommit:
    at = datetime.fromisoformat(str(row["committed_date"]))
    return PastCommit(str(row["id"]), at, str(row["author_name"]), str(row["message"]))
