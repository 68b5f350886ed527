"""Merge requests and notes in memory."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from nautes_domain.capabilities import Person
from nautes_domain.discussions import MergeRequest, Note
from nautes_domain.failures import Rejected


class MemoryDiscussion:
    """Implements `capabilities.Discussion`; other methods and fields stand in for people."""

    def __init__(self, account: Person) -> None:
        self.account = account
        """Who writes through `write_note`."""
        self.requests: dict[tuple[int, int], MergeRequest] = {}
        self.levels: dict[tuple[int, int], int] = {}
        """Access level by project and user."""
        self.notes: dict[tuple[int, int], list[Note]] = {}
        self._ids = itertools.count(1)

    def say(self, project_id: int, number: int, person: Person, body: str) -> Note:
        """Write a note as somebody."""
        note = Note(next(self._ids), person, body, "2026-05-04T02:00:11.000Z")
        self.notes.setdefault((project_id, number), []).append(note)
        return note

    async def merge_request(self, project_id: int, number: int) -> MergeRequest | None:
        """Return a merge request."""
        return self.requests.get((project_id, number))

    async def note(self, project_id: int, number: int, note_id: int) -> Note | None:
        """Return a note."""
        return next((one for one in self.notes.get((project_id, number), ()) if one.id == note_id), None)

    async def notes_by(self, project_id: int, number: int, username: str) -> Sequence[Note]:
        """Return the notes that one account wrote."""
        found = self.notes.get((project_id, number), ())
        return [one for one in found if one.author.username == username]

    async def write_note(self, project_id: int, number: int, body: str, *, note_id: int = 0) -> int:
        """Write a note, or change one."""
        if (project_id, number) not in self.requests:
            raise Rejected(
                "there is no such merge request", what=f"merge request {number}", code="gitlab-refused"
            )
        if not note_id:
            return self.say(project_id, number, self.account, body).id
        notes = self.notes.get((project_id, number), [])
        for index, one in enumerate(notes):
            if one.id == note_id:
                notes[index] = replace(one, body=body)
                return note_id
        raise Rejected("there is no such note", what=f"note {note_id}", code="gitlab-refused")

    async def access_level(self, project_id: int, user_id: int) -> int:
        """Return what a person is in a project."""
        return self.levels.get((project_id, user_id), 0)
