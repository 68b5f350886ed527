"""A replaceable part of the code host: merge requests, and what is written beneath them. See `capabilities`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nautes_domain.capabilities import Person


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """A proposal to merge one branch into another, as it stands now."""

    number: int
    head: str
    source_branch: str
    target_branch: str
    source_project_id: int
    state: str = "opened"
    title: str = ""
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote beneath a merge request."""

    id: int
    author: Person
    body: str
    created_at: str = ""
    system: bool = False
    """The code host wrote it by itself."""


class Discussion(Protocol):
    """Merge requests of the code host, what is written beneath them, and who may ask for what."""

    async def merge_request(self, project_id: int, number: int) -> MergeRequest | None:
        """Return a merge request, None if there is none that we can see."""
        ...

    async def note(self, project_id: int, number: int, note_id: int) -> Note | None:
        """Return a note as it stands now, None if it is gone."""
        ...

    async def notes_by(self, project_id: int, number: int, username: str) -> Sequence[Note]:
        """Return the notes that one account wrote, oldest first."""
        ...

    async def write_note(self, project_id: int, number: int, body: str, *, note_id: int = 0) -> int:
        """Write a note, or another body of one; return its id."""
        ...

    async def access_level(self, project_id: int, user_id: int) -> int:
        """Return what a person is in a project, by GitLab's numbers, inherited or direct; 0 for no member."""
        ...
