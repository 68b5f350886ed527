"""What we write beneath merge requests: one table of runs, edited in place, and one answer to each comment."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from nautes_domain import run_table
from nautes_domain.discussions import Discussion, Note
from nautes_domain.plan import Action, Ref, Verb
from nautes_domain.runs import RunState

ANSWER: Final = "<!-- nautes:answer {} -->"
"""By it the answer to a comment is found again; the number is that of the comment."""

Hold = Callable[[str], AbstractAsyncContextManager[Any]]
"""Holds a key over all replicas; raises Retry while another does."""


class Discussing:
    """Writes notes under our own account, each once.

    Clusters are followed by different replicas, and runs of one merge request may be on several: who writes
    holds the merge request. Notes are read before they are written, so whoever was killed is made up for.
    """

    def __init__(self, discussion: Discussion, account: Callable[[], Awaitable[str]], hold: Hold) -> None:
        self._discussion = discussion
        self._account = account
        self._hold = hold

    async def show(self, run: RunState) -> bool:
        """Show a run in the table of its merge request; False if it stands there already."""
        project, number = run.project_id, run.merge_request
        async with self._hold(f"discussion.{project:d}.{number:d}"):
            present = await self._found(project, number, run_table.MARKER)
            rows = run_table.rows_of(present.body) if present else ()
            body = run_table.note_of(run_table.with_row(rows, run_table.row_of(run)))
            if present is not None and present.body == body:
                return False
            await self._discussion.write_note(project, number, body, note_id=present.id if present else 0)
            return True

    async def answer(self, project: int, number: int, comment: int, text: str) -> bool:
        """Answer a comment; False if that was done before."""
        marker = ANSWER.format(comment)
        async with self._hold(f"discussion.{project:d}.{number:d}"):
            if await self._found(project, number, marker) is not None:
                return False
            await self._discussion.write_note(project, number, f"{text}\n\n{marker}")
            return True

    async def _found(self, project: int, number: int, marker: str) -> Note | None:
        """Return the oldest note of ours with a marker. What others write counts for nothing."""
        notes = await self._discussion.notes_by(project, number, await self._account())
        return next((one for one in notes if marker in one.body and not one.system), None)


def shown_action(run: RunState) -> Action:
    """Return what is done to the table, for the record: the same whenever the same phase is shown."""
    ref = Ref("gitlab", "Note", "runs", f"{run.cause.repository}!{run.merge_request}")
    after = {"run": run.name, "phase": run.phase.value}
    return Action(
        Verb.UPDATE, ref, None, after, f"{run.name} is {run.phase}", f"ProjectPipelineRuntime/{run.runtime}"
    )
