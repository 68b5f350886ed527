"""GitLab as the code host: what is read, and commit statuses. Source of paths: GitLab REST API v4."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from nautes_adapters.gitlab.api import GitLabApi, Json, quoted
from nautes_adapters.gitlab.archive import DEFAULT_LIMITS, Limits, manifests
from nautes_adapters.gitlab.errors import DENIED, Refused
from nautes_domain.capabilities import CommitState, CommitStatus, Head, HostedProject, Person
from nautes_domain.failures import Rejected

_OBJECT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_TOKEN = re.compile(r"[!-~]{1,512}\Z")
_FILE_LIMIT: Final = 1024 * 1024
"""Largest single file that `read` returns, in bytes."""
_MOST_DIFFS: Final = 1_000
"""GitLab's default for files in a comparison (instance setting `diff_max_files`): at it, some may be missing."""


_REGULAR = frozenset({"100644", "100755"})
"""Modes of files in Git trees; 120000 is a symbolic link, 160000 a submodule."""


async def read_tree(api: GitLabApi, project: str, commit: str, limits: Limits) -> Mapping[str, bytes]:
    """Return all manifests at a commit from one archive. `project` is an id, or a quoted path.

    Raises Rejected (code `no-such-commit`, and those of `archive.manifests`).
    """
    url = f"/projects/{project}/repository/archive.tar.gz"
    packed = await api.raw(url, limits.packed, sha=commit, include_lfs_blobs="false")
    if packed is None:
        raise Rejected("there is no such commit", what=f"commit {commit[:12]}", code="no-such-commit")
    return manifests(packed, commit, limits)


class GitLabCodeHost:
    """Implements `capabilities.CodeHost` on GitLab, or on what answers like it."""

    def __init__(
        self, url: str, token: str, *, timeout: float = 10.0, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._limits = limits
        self._api = GitLabApi(url, token, timeout=timeout)
        self._account = ""

    async def project(self, path: str) -> HostedProject | None:
        """Return a project by path with namespace; None if we cannot see one."""
        found = await self._api.get(f"/projects/{quoted(path)}")
        return None if found is None else hosted_project(found)

    async def head(self, project_id: int, branch: str) -> str | None:
        """Return the commit at the head of a branch, None without such a branch."""
        found = await self._api.get(f"/projects/{project_id:d}/repository/branches/{quoted(branch)}")
        return None if found is None else str(found["commit"]["id"])

    async def heads(self, project_id: int) -> Mapping[str, Head]:
        """Return where all branches and tags stand, by full ref."""
        repository = f"/projects/{project_id:d}/repository"
        found: dict[str, Head] = {}
        for row in await self._api.rows(f"{repository}/branches"):
            commit = str(row["commit"]["id"])
            found[f"refs/heads/{row['name']}"] = Head(commit, commit)
        for row in await self._api.rows(f"{repository}/tags"):
            commit = str((row.get("commit") or {}).get("id") or "")
            found[f"refs/tags/{row['name']}"] = Head(str(row["target"]), commit)
        return found

    async def message(self, project_id: int, commit: str) -> str:
        """Return the whole message of a commit; Rejected (`no-such-commit`) where there is none."""
        self._check_commit(commit)
        found = await self._api.get(f"/projects/{project_id:d}/repository/commits/{commit}")
        if found is None:
            raise Rejected("there is no such commit", what=f"commit {commit[:12]}", code="no-such-commit")
        return str(found["message"])

    async def tree(self, project_id: int, commit: str) -> Mapping[str, bytes]:
        """Return all manifests at a commit by path, from one archive.

        One request instead of one per file; GitLab allows five a minute for one project ("Rate limit on
        downloads of archives"), more raise Retry with GitLab's wait. Files that `.gitattributes` keeps out of
        archives count as not there. Raises Rejected (codes `no-such-commit`, `symlink`, `submodule`, `too-large`).
        """
        self._check_commit(commit)
        return await read_tree(self._api, f"{project_id:d}", commit, self._limits)

    async def read(self, project_id: int, path: str, commit: str) -> bytes:
        """Return one file at a commit, at most 1 MiB; Rejected (`no-such-file`) where there is none."""
        self._check_commit(commit)
        missing = Rejected(
            f"there is no file {path[:200]} at {commit[:12]}", what=path[:200], code="no-such-file"
        )
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise missing
        url = f"/projects/{project_id:d}/repository/files/{quoted(path)}/raw"
        content = await self._api.raw(url, _FILE_LIMIT, ref=commit)
        if content is None:
            raise missing
        return content

    async def files(self, project_id: int, commit: str, folder: str) -> Sequence[str]:
        """Return the paths of all files below a folder (GitLab API, "Repositories", "List repository tree")."""
        self._check_commit(commit)
        where = {"path": folder} if folder else {}
        rows = await self._api.rows(
            f"/projects/{project_id:d}/repository/tree", ref=commit, recursive="true", **where
        )
        return sorted(str(row["path"]) for row in rows if row.get("mode") in _REGULAR)

    async def changed_paths(
        self, project_id: int, before: str, after: str, *, since_fork: bool = False
    ) -> tuple[str, ...] | None:
        """Return the paths that differ between two commits; see `compared`."""
        return await compared(self._api, str(project_id), before, after, since_fork=since_fork)

    async def set_status(self, project_id: int, commit: str, status: CommitStatus) -> None:
        """Report on a commit. GitLab refuses a transition to the state that it is in; that is no error.

        Before 17.6 it knows no `skipped`, and is told of success: nothing is wrong, and the description says what was.
        """
        self._check_commit(commit)
        body = {
            "state": status.state.value,
            "name": status.name,
            "description": status.description[:255],
            **({"ref": status.ref} if status.ref else {}),
            **({"target_url": status.url} if status.url else {}),
        }
        try:
            await self._api.post(f"/projects/{project_id:d}/statuses/{commit}", body)
        except Refused as refused:
            if status.state is CommitState.SKIPPED and "state does not have a valid value" in refused.answer:
                done = replace(
                    status, state=CommitState.SUCCESS, description=f"skipped: {status.description}"
                )
                await self.set_status(project_id, commit, done)
            elif "Cannot transition status" not in refused.answer:
                raise

    async def status(self, project_id: int, commit: str, name: str, ref: str = "") -> CommitStatus | None:
        """Return the newest status of a name, None if there is none or its state is not one that we set.

        GitLab API, "List the statuses of a commit": the latest only, of a name, of a ref.
        """
        self._check_commit(commit)
        path = f"/projects/{project_id:d}/repository/commits/{commit}/statuses"
        rows = await self._api.rows(path, name=name, **({"ref": ref} if ref else {}))
        if not rows:
            return None
        newest = max(rows, key=lambda row: int(row["id"]))
        if newest["status"] not in set(CommitState):
            return None
        return CommitStatus(
            state=CommitState(newest["status"]),
            name=str(newest["name"]),
            description=str(newest.get("description") or ""),
            ref=str(newest.get("ref") or ""),
            url=str(newest.get("target_url") or ""),
        )

    async def account(self) -> str:
        """Return our own user name, asked for once."""
        if not self._account:
            found = await self._api.get("/user")
            if found is None:
                raise Rejected("GitLab does not know our token", who="platform team", code=DENIED)
            self._account = str(found["username"])
        return self._account

    async def whose(self, token: str) -> Person | None:
        """Return who a token belongs to, asked with that token alone; None if GitLab does not know it."""
        if not _TOKEN.match(token):
            return None
        api = GitLabApi(self._url, token, timeout=self._timeout)
        try:
            found = await api.get("/user")
        except Rejected as rejected:
            if rejected.code == DENIED:
                return None
            raise
        finally:
            await api.close()
        if found is None:
            return None
        named = (int(found["id"]), str(found["username"]), str(found.get("name") or ""))
        return Person(*named, admin=found.get("is_admin") is True)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    @staticmethod
    def _check_commit(commit: str) -> None:
        if not _OBJECT_ID.match(commit):
            raise Rejected("this is not a full commit id", what=commit[:64], code="no-such-commit")


async def compared(
    api: GitLabApi, project: str, before: str, after: str, *, since_fork: bool
) -> tuple[str, ...] | None:
    """Return the paths that differ between two commits, old and new names of what moved; `project` as in URLs.

    `since_fork` compares with the common ancestor, as GitLab does for merge requests.
    None when GitLab cannot say: a branch's first push or deletion (all zeros), a commit that is gone,
    a comparison that was cut off (`compare_timeout` is set when the diff overflowed).
    """
    if not all(_OBJECT_ID.match(one) and one.strip("0") for one in (before, after)):
        return None
    straight = "false" if since_fork else "true"
    query = {"from": before, "to": after, "straight": straight}
    found = await api.get(f"/projects/{project}/repository/compare", **query)
    if found is None or found.get("compare_timeout"):
        return None
    diffs = found.get("diffs", [])
    if len(diffs) >= _MOST_DIFFS:
        return None
    return tuple(sorted({str(diff[key]) for diff in diffs for key in ("old_path", "new_path")}))


def hosted_project(found: Json) -> HostedProject:
    """Return our words for GitLab's project."""
    return HostedProject(
        id=int(found["id"]),
        path=str(found["path_with_namespace"]),
        default_branch=str(found.get("default_branch") or ""),
        web_url=str(found.get("web_url") or ""),
    )
