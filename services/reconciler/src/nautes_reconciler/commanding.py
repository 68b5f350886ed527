"""Commands in comments on merge requests: who asks is read from the code host, and so is what they may do.

The hook call only says that there is a comment. Its words, its author and the merge request are read fresh.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nautes_domain.access import Level
from nautes_domain.catalog import ProductCatalog
from nautes_domain.comments import Command, CommandVerb, commands, may_command
from nautes_domain.discussions import Discussion, MergeRequest, Note
from nautes_domain.effects import Considered, Result
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Rejected
from nautes_domain.run_table import cell
from nautes_domain.runs import RunPhase, RunState
from nautes_domain.triggers import Match, chosen, match, pipeline_of
from nautes_reconciler.asking import FactFinder
from nautes_reconciler.discussing import Discussing
from nautes_reconciler.runs import Done, Starter
from nautes_reconciler.standing import Standing, StandingRuns

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_MOST_REASONS: Final = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a comment: what was done, what was considered, and the answer where nothing shows it."""

    summary: str
    done: tuple[Done, ...] = ()
    passed_over: tuple[Considered, ...] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command with everything that it is about."""

    command: Command
    note: Note
    request: MergeRequest
    delivery: Delivery
    catalog: ProductCatalog
    repository: str

    @property
    def by(self) -> str:
        """Who asked, in words."""
        return f"{self.note.author.username} asked for {self.command}"


def is_command(delivery: Delivery) -> bool:
    """Say whether a hook call may be of a comment for us: a new one, on a merge request, with a command."""
    return (
        delivery.kind is DeliveryKind.NOTE
        and delivery.about == "MergeRequest"
        and delivery.action == "create"
        and may_command(delivery.text)
    )


class Commanding:
    """Carries out commands. The same comment, told of twice, asks for the same runs and is answered once."""

    def __init__(
        self,
        discussion: Discussion,
        discussing: Discussing,
        facts: FactFinder,
        starter: Starter,
        standing: StandingRuns,
    ) -> None:
        self._discussion = discussion
        self._discussing = discussing
        self._facts = facts
        self._starter = starter
        self._standing = standing

    async def carry_out(self, delivery: Delivery, catalog: ProductCatalog, repository: str) -> Outcome | None:
        """Do what a comment asks for, and answer it; None if it asks for nothing. Raises Retry while the code host is away."""
        number = int(delivery.ref.split("/")[2])
        note = await self._discussion.note(delivery.project_id, number, delivery.number)
        request = await self._discussion.merge_request(delivery.project_id, number)
        if note is None or request is None or note.system:
            return Outcome("the comment is gone")
        if note.author.username == await self._facts.own_account():
            return Outcome("it was written by the platform's own account")
        found = [Asked(one, note, request, delivery, catalog, repository) for one in commands(note.body)]
        if not found:
            return None
        level = await self._discussion.access_level(delivery.project_id, note.author.id)
        if level < Level.DEVELOPER:
            outcome = _refused(found)
        else:
            outcome = _together([await self._one(asked) for asked in found])
        if outcome.answer:
            await self._discussing.answer(delivery.project_id, number, note.id, outcome.answer)
        return outcome

    async def _one(self, asked: Asked) -> Outcome:
        if asked.command.verb is CommandVerb.CANCEL:
            return await self._cancel(asked)
        if asked.request.state != "opened":
            return Outcome("", answer=f"`{asked.command}`: the merge request is {asked.request.state}.")
        if asked.command.verb is CommandVerb.TEST:
            return await self._test(asked, asked.command.means)
        again = {
            (run.runtime, run.pipeline)
            for run in await self._newest(asked)
            if run.phase.final and run.phase is not RunPhase.SUCCEEDED
        }
        if not again:
            return Outcome("", answer=f"`{asked.command}`: no run of {asked.request.head[:8]} failed.")
        return await self._test(asked, lambda runtime, pipeline: (runtime, pipeline) in again)

    async def _test(self, asked: Asked, wanted: Callable[[str, str], bool]) -> Outcome:
        """Start what answers the merge request as it stands now, as if it had been opened again."""
        opened = opened_again(asked)
        facts = await self._facts.facts(opened, asked.catalog, asked.repository)
        if asked.command.targets:  # named: filters on paths and words are not asked
            facts = facts.asked_by_name
        found = chosen(
            match(opened, asked.catalog, asked.repository, facts),
            lambda run: wanted(run.considered.runtime, pipeline_of(run)),
            asked.by,
        )
        done = await self._starter.start_all(found.runs, opened)
        return Outcome("", tuple(done), found.passed_over, _explained(asked, found, done))

    async def _cancel(self, asked: Asked) -> Outcome:
        done = [
            await self._standing.stop(one, str(asked.command), asked.by)
            for one in await self._runs(asked)
            if not one.run.phase.final and asked.command.means(one.run.runtime, one.run.pipeline)
        ]
        nothing = "" if done else f"`{asked.command}`: nothing is running."
        return Outcome("", tuple(done), answer=nothing)

    async def _newest(self, asked: Asked) -> Iterable[RunState]:
        """Return the newest run of each pipeline for the head of the merge request, as far as it is meant."""
        found = [
            one.run
            for one in await self._runs(asked)
            if one.run.commit == asked.request.head and asked.command.means(one.run.runtime, one.run.pipeline)
        ]
        # Kubernetes tells creation in whole seconds; within one, the event that came later made the later run.
        ordered = sorted(found, key=lambda run: (run.created_at or _LONG_AGO, run.received_at or _LONG_AGO))
        return {(run.runtime, run.pipeline): run for run in ordered}.values()

    async def _runs(self, asked: Asked) -> Sequence[Standing]:
        told = asked.delivery
        return await self._standing.find(
            asked.catalog, lambda run: (run.project_id, run.cause.ref) == (told.project_id, told.ref)
        )


def opened_again(asked: Asked) -> Delivery:
    """Return the event that a command stands for: the merge request as it is, asked for by this comment."""
    note = asked.note
    told = asked.delivery.model_copy(
        update={
            "actor": note.author.username,
            "occurred_at": note.created_at[:40],
            "request": f"note {note.id}",
        }
    )
    return merge_request_event(told, asked.request, f"comment /{asked.command.verb}", asked.request.head)


def merge_request_event(told: Delivery, request: MergeRequest, event: str, commit: str) -> Delivery:
    """Return the event of a merge request that was opened at a commit; who, when and by what is as it was told."""
    return told.model_copy(
        update={
            "kind": DeliveryKind.MERGE_REQUEST,
            "event": event,
            "ref": f"refs/merge-requests/{request.number}/head",
            "before": "",
            "after": commit,
            "checkout_sha": commit,
            "message_skips": False,
            "action": "open",
            "state": request.state,
            "number": request.number,
            "about": "",
            "title": request.title[:300],
            "text": "",
            "source_branch": request.source_branch,
            "target_branch": request.target_branch,
            "source_project_id": request.source_project_id,
            "draft": request.draft,
        }
    )


def _refused(found: Sequence[Asked]) -> Outcome:
    who = found[0].note.author.username
    why = f"{who} is no developer of the project"
    considered = tuple(
        Considered(
            product=one.catalog.product, runtime="", trigger=str(one.command), fired=False, reason=why,
            result=Result.REJECTED,
        )
        for one in found
    )  # fmt: skip
    wanted = ", ".join(f"`{one.command}`" for one in found)
    answer = f"{wanted}: only who is a Developer of this project may start and stop runs."
    return Outcome(why, passed_over=considered, answer=answer)


def _explained(asked: Asked, found: Match, done: Sequence[Done]) -> str:
    """Return why nothing started, or why something did not; empty where the table of runs says it all."""
    failed = [
        f"- {cell(one.considered.run)}: {cell(one.failure.why)}"
        for one in done
        if isinstance(one.failure, Rejected)
    ]
    if failed:
        return "\n".join((f"`{asked.command}`:", "", *failed))
    if found.runs:
        return ""
    reasons = [
        f"- {cell(one.runtime)} {cell(one.trigger)}: {cell(one.reason)}"
        for one in found.passed_over[:_MOST_REASONS]
    ]
    return "\n".join((f"`{asked.command}` starts nothing:", "", *(reasons or ["- no pipeline is declared"])))


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    done = tuple(one for outcome in outcomes for one in outcome.done)
    passed_over = tuple(one for outcome in outcomes for one in outcome.passed_over)
    answers = "\n\n".join(outcome.answer for outcome in outcomes if outcome.answer)
    return Outcome(f"{len(done)} runs answer a comment", done, passed_over, answers)
