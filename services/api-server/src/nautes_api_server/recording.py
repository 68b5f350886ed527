"""Every write through the API leaves a record, refused ones too (security rule 13): who, what, why, and the commit."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from nautes_api_server.callers import Caller
from nautes_api_server.problems import Problem
from nautes_api_server.wishes import Wish
from nautes_domain import names
from nautes_domain.effects import Cause, Effect, Result, effect_of
from nautes_domain.failures import Failure, Violation
from nautes_domain.plan import Plan
from nautes_domain.reconcile import Outcome

SERVICE = "api-server"
SYSTEM = "git"

Record = Callable[[Plan, str, Failure | None, tuple[Violation, ...]], Awaitable[None]]
"""Takes the plan, the commit that it became, the failure if there was one, and what was skipped."""


class Effects(Protocol):
    """Where records go; see `nautes_runtime.bus.Bus`."""

    async def effect(self, effect: Effect) -> bool:
        """Record one side effect."""
        ...


class Audit:
    """Writes the records of wishes."""

    def __init__(
        self, tenant: str, effects: Effects, now: Callable[[], datetime], clock: Callable[[], float]
    ) -> None:
        self._tenant = tenant
        self._effects = effects
        self._now = now
        self._clock = clock

    @asynccontextmanager
    async def timed(self, caller: Caller, wish: Wish, project: str, request: str) -> AsyncIterator[Record]:
        """Give what records a plan that is being applied; its duration counts from here."""
        began = self._clock()

        async def record(
            plan: Plan, commit: str, failure: Failure | None, skipped: tuple[Violation, ...]
        ) -> None:
            seconds = self._clock() - began
            cause = self.cause(caller, project, request, commit)
            rules = ", ".join(sorted({one.rule for one in skipped}))
            for action in plan:
                found = effect_of(
                    Outcome(action, failure, seconds),
                    tenant=self._tenant, service=SERVICE, scope=wish.scope, cause=cause, at=self._now(),
                )  # fmt: skip
                noted = {"because": f"{found.because}; checks skipped: {rules}"} if rules else {}
                await self._effects.effect(found.model_copy(update=noted))

        yield record

    async def denied(self, caller: Caller, wish: Wish, project: str, request: str, problem: Problem) -> None:
        """Record that a wish was refused. A dry run wished for nothing."""
        if wish.dry_run:
            return
        verb = "remove" if wish.removes else "save"
        await self._effects.effect(
            Effect(
                id=names.digest("denied", request, wish.entity, length=32),
                at=self._now(),
                tenant=self._tenant,
                service=SERVICE,
                cause=self.cause(caller, project, request, ""),
                scope=wish.scope,
                entity=wish.entity,
                system=SYSTEM,
                object=f"{SYSTEM} {wish.kind.kind} {wish.name}",
                verb=verb,
                because=f"{caller.person.username} asked for it through the API",
                result=Result.REJECTED,
                code=problem.reason.lower().replace("_", "-"),
                message=problem.detail,
            )
        )

    def cause(self, caller: Caller, project: str, request: str, commit: str) -> Cause:
        """Return what everything that comes of a request is ascribed to."""
        return Cause(
            delivery=f"api-{request}", repository=project, commit=commit, actor=caller.person.username,
            received_at=self._now(),
        )  # fmt: skip
