"""One loop for every reconciling service: a request comes, the scope is made as declared, it is said what was done."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter
from typing import Any, Final

from nautes_domain.effects import Cause, Effect, Result, Status, effect_of, result_of, violations_of
from nautes_domain.events import Work
from nautes_domain.failures import Failure, Rejected, Retry, most_urgent
from nautes_domain.plan import Budget, State
from nautes_domain.reconcile import Outcome, Report, Target, reconcile
from nautes_runtime.context import ServiceContext
from nautes_runtime.traced import TracedTarget
from nautes_runtime.tracing import span

ACK_WAIT: Final = 60.0
PENDING: Final = 1024
"""Scopes that may wait for their next attempt at once; one that waits never keeps the others from running."""

RESYNC: Final = "resync"
STARTUP: Final = "startup"
"""How the cause of work begins that nobody asked for: `resync 2026-01-31T12:00:00+00:00`."""

Finished = Callable[[Report, Cause], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be done for one scope: the declared objects, the systems they live in, and how much may go.

    `commit` is that of the declarations. `finished` is called when the targets were gone through, also when
    some of it failed (see `Report.failure`); facts are stated there. What it raises counts like the rest.
    """

    desired: State
    targets: Sequence[Target]
    budget: Budget = field(default_factory=Budget)
    commit: str = ""
    finished: Finished | None = None
    gone: bool = False
    """Nothing of the scope is declared any more: once it is removed, there is no status of it either."""


Assign = Callable[[str, Cause], Awaitable[Assignment]]


class ScopeWorker:
    """Handles the work of one service: durable `<service>-work` on `WORK`, one scope at a time under its lock.

    Retry and Blocked return the request to the bus with their delay; the status tells meanwhile. Rejected is
    the end of the request: it stands in the status and nothing is put aside. A request that failed six times
    is published anew unless a newer one waits, so that work is never given up. Statuses are written when
    they say something new; resyncs that change nothing leave the status as it was, with its time and cause.
    """

    def __init__(
        self, context: ServiceContext, service: str, assign: Assign, *, concurrency: int = 4
    ) -> None:
        self._context = context
        self._service = service
        self._assign = assign
        self._unsent: deque[Effect] = deque()
        context.subscribe(
            "WORK",
            f"{service}-work",
            context.subjects.work(service),
            self.handle,
            model=Work,
            ack_wait=ACK_WAIT,
            max_ack_pending=PENDING,
            concurrency=concurrency,
            renewing=True,
        )

    async def request(self, scope: str, because: str, cause: Cause) -> None:
        """Ask for a reconcile of the scope. Requests that wait are replaced by newer ones."""
        await self._context.bus.request(self._service, Work(scope=scope, because=because, cause=cause))

    def resync(self, interval: float | timedelta, scopes: Callable[[], Awaitable[Sequence[str]]]) -> None:
        """Ask for all scopes now and every `interval` (seconds), whatever was or was not said on the bus."""

        async def all_scopes(why: str) -> None:
            at = self._context.now().isoformat(timespec="seconds")
            for scope in await scopes():
                await self.request(scope, why, Cause(delivery=f"{why} {at}"))

        async def first() -> None:
            await all_scopes(STARTUP)

        async def again() -> None:
            await all_scopes(RESYNC)

        self._context.on_start(first)
        self._context.every(interval, again)

    async def handle(self, work: Work) -> None:
        """Reconcile one scope under its lock. Raises Retry or Blocked when it has to be done again."""
        async with self._context.locks.hold(f"{self._service}.{work.scope}"):
            failure = await self._attempt(work)
        if failure is not None and not isinstance(failure, Rejected):
            raise failure

    async def _attempt(self, work: Work) -> Failure | None:
        """Reconcile and write the status. Returns the failure that decides; a defect is raised as it is."""
        commit, report, gone = "", Report(work.scope), False
        try:
            await self._flush()
            with span("assign"):
                assignment = await self._assign(work.scope, work.cause)
            commit, gone = assignment.commit, assignment.gone
            report = await self._reconcile(work, assignment)
            await self._flush()
            failure = report.failure
            if assignment.finished is not None:
                failure = most_urgent([*_present(failure), *await self._finish(assignment, report, work)])
        except Failure as raised:
            failure = raised
        except Exception as defect:
            unforeseen = Retry(f"{type(defect).__name__} in {self._service}", code="internal-error")
            await self._report(work, commit, report, unforeseen)
            raise
        if gone and failure is None:
            await self._forget(work.scope)
        else:
            await self._report(work, commit, report, failure)
        return failure

    async def _reconcile(self, work: Work, assignment: Assignment) -> Report:
        async def record(outcome: Outcome) -> None:
            effect = effect_of(
                outcome,
                tenant=self._context.settings.tenant,
                service=self._service,
                scope=work.scope,
                cause=work.cause,
                at=self._context.now(),
            )
            self._unsent.append(effect)
            self._log_effect(effect)
            # What was done cannot be observed a second time, so its record is kept until the bus has it.
            with suppress(Retry):
                await self._flush()

        with span("reconcile", {"nautes.scope": work.scope}):
            return await reconcile(
                work.scope,
                assignment.desired,
                [TracedTarget(target) for target in assignment.targets],
                budget=assignment.budget,
                record=record,
                clock=perf_counter,
                phase=span,
            )

    async def _flush(self) -> None:
        """Publish the effects that are not on the bus yet. Raises Retry when the bus is away."""
        while self._unsent:
            effect = self._unsent[0]
            await self._context.bus.effect(effect)
            # Another scope may have flushed meanwhile; the bus keeps one record per id.
            if self._unsent and self._unsent[0] is effect:
                self._unsent.popleft()

    def _log_effect(self, effect: Effect) -> None:
        self._context.log.info(
            "effect",
            verb=effect.verb,
            object=effect.object,
            because=effect.because,
            result=effect.result.value,
            reason=effect.message,
        )

    async def _finish(self, assignment: Assignment, report: Report, work: Work) -> list[Failure]:
        if assignment.finished is None:
            return []
        try:
            with span("finish"):
                await assignment.finished(report, work.cause)
        except Failure as failure:
            return [failure]
        return []

    async def _report(self, work: Work, commit: str, report: Report, failure: Failure | None) -> None:
        """Write the status if it says something new."""
        status = Status(
            service=self._service,
            scope=work.scope,
            at=self._context.now(),
            cause=work.cause,
            commit=commit or work.cause.commit,
            result=result_of(failure),
            code=failure.code if failure else "",
            message=str(failure) if failure else "",
            violations=violations_of(failure),
            written=report.written,
            unchanged=report.unchanged,
        )
        self._context.log.info(
            "reconciled",
            scope=work.scope,
            because=work.because,
            result=status.result.value,
            reason=status.message,
            written=status.written,
            unchanged=status.unchanged,
        )
        bucket, key = self._context.buckets.status, self._status_key(work.scope)
        if worth_writing(await bucket.get(key), status):
            await bucket.put(key, status)

    async def _forget(self, scope: str) -> None:
        """Remove the status of a scope of which nothing is left."""
        bucket, key = self._context.buckets.status, self._status_key(scope)
        if await bucket.get(key) is not None:  # removing again would write a marker each time
            await bucket.delete(key)
            self._context.log.info("gone", scope=scope)

    def _status_key(self, scope: str) -> str:
        return f"{self._service}.{scope}"


def worth_writing(before: Status | None, after: Status) -> bool:
    """Say whether a status says something that the one before did not.

    Its time alone is nothing new. For a resync its cause and its counts are nothing new either, unless it
    wrote something.
    """
    if before is None:
        return True
    silent = {"at"}
    if after.cause.delivery.startswith((RESYNC, STARTUP)) and not after.written:
        silent |= {"cause", "commit", "written", "unchanged"}
        if after.commit and after.commit != before.commit:
            return True
    return _material(before, silent) != _material(after, silent)


def _material(status: Status, silent: set[str]) -> dict[str, Any]:
    return status.model_dump(exclude=silent)


def _present(failure: Failure | None) -> list[Failure]:
    return [] if failure is None else [failure]


def done(status: Status | None) -> bool:
    """Say whether a scope's last reconcile went through."""
    return status is not None and status.result is Result.DONE
