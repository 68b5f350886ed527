"""Merge requests and what is written beneath them. Source: GitLab REST API v4, "Merge requests", "Notes", "Members"."""

from collections.abc import Sequence

from nautes_adapters.gitlab.api import GitLabApi, Json
from nautes_domain.capabilities import Person
from nautes_domain.discussions import MergeRequest, Note


class GitLabDiscussion:
    """Implements `capabilities.Discussion`."""

    def __init__(self, url: str, token: str, *, timeout: float = 10.0) -> None:
        self._api = GitLabApi(url, token, timeout=timeout)

    async def merge_request(self, project_id: int, number: int) -> MergeRequest | None:
        """Return a merge request."""
        found = await self._api.get(_path(project_id, number))
        if found is None:
            return None
        return MergeRequest(
            number=int(found["iid"]),
            head=str(found.get("sha") or ""),
            source_branch=str(found["source_branch"]),
            target_branch=str(found["target_branch"]),
            source_project_id=int(found["source_project_id"] or 0),
            state=str(found["state"]),
            title=str(found.get("title") or ""),
            draft=bool(found.get("draft")),
        )

    async def note(self, project_id: int, number: int, note_id: int) -> Note | None:
        """Return a note."""
        found = await self._api.get(f"{_path(project_id, number)}/notes/{note_id:d}")
        return None if found is None else _note(found)

    async def notes_by(self, project_id: int, number: int, username: str) -> Sequence[Note]:
        """Return the notes that one account wrote."""
        path = f"{_path(project_id, number)}/notes"
        rows = await self._api.rows(path, sort="asc", order_by="created_at")
        return [one for one in map(_note, rows) if one.author.username == username]

    async def write_note(self, project_id: int, number: int, body: str, *, note_id: int = 0) -> int:
        """Write a note, or change one."""
        path = f"{_path(project_id, number)}/notes"
        if note_id:
            return int((await self._api.put(f"{path}/{note_id:d}", {"body": body}))["id"])
        return int((await self._api.post(path, {"body": body}))["id"])

    async def access_level(self, project_id: int, user_id: int) -> int:
        """Return what a person is in a project (GitLab API, "Get a member, including inherited ones")."""
        found = await self._api.get(f"/projects/{project_id:d}/members/all/{user_id:d}")
        if found is None or found.get("state", "active") != "active":
            return 0
        return int(found["access_level"])

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


def _path(project_id: int, number: int) -> str:
    return f"/projects/{project_id:d}/merge_requests/{number:d}"


def _note(found: Json) -> Note:
    author = found.get("author") or {}
    person = Person(
        int(author.get("id") or 0), str(author.get("username") or ""), str(author.get("name") or "")
    )
    return Note(
        id=int(found["id"]),
        author=person,
        body=str(found.get("body") or ""),
        created_at=str(found.get("created_at") or ""),
        system=bool(found.get("system")),
    )
