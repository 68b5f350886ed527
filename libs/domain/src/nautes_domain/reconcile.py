"""The one engine: observe, plan, apply, record. It knows no system; targets do."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from nautes_domain import plan as planning
from nautes_domain.failures import Failure, most_urgent
from nautes_domain.plan import Action, Budget, Observed, Plan, State


class Target(Protocol):
    """One system, or one cluster of it, in which objects of ours live."""

    system: str
    """The `system` of every Ref that this target observes and applies."""

    kinds: Sequence[str]
    """The kinds it keeps, parents first."""

    async def observe(self, scope: str) -> Observed:
        """Return the objects of ours which belong to the scope. What does not carry our mark is left out."""
        ...

    async def apply(self, action: Action) -> None:
        """Make it so. Doing it twice is the same as doing it once; deleting what is gone is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one action. `seconds` is the time that applying took."""

    action: Action
    failure: Failure | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What one reconcile of one scope did."""

    scope: str
    outcomes: tuple[Outcome, ...] = ()
    unchanged: int = 0
    observe_failures: tuple[Failure, ...] = ()

    @property
    def written(self) -> int:
        """How many actions were applied; 0 when everything was already as declared."""
        return sum(1 for outcome in self.outcomes if outcome.failure is None)

    @property
    def failure(self) -> Failure | None:
        """The failure that decides about the whole, or None."""
        failed = [outcome.failure for outcome in self.outcomes if outcome.failure is not None]
        return most_urgent([*self.observe_failures, *failed])


Recorder = Callable[[Outcome], Awaitable[None]]
Clock = Callable[[], float]
Phase = Callable[[str], AbstractContextManager[object]]
"""Entered around a phase, by its name."""


async def preview(scope: str, desired: State, targets: Sequence[Target]) -> tuple[Plan, ...]:
    """Return the plan of each target, in their order. The same plans are applied by `reconcile`."""
    return tuple([await _plan_for(scope, desired, target) for target in targets])


async def reconcile(
    scope: str,
    desired: State,
    targets: Sequence[Target],
    *,
    budget: Budget,
    record: Recorder,
    clock: Clock,
    phase: Phase = nullcontext,
) -> Report:
    """Make the targets agree with `desired` within `scope`; record each action when it is done or refused.

    All plans are made and the budget checked over their sum before the first write. A failed action
    stops neither its siblings nor the other targets. Raises Rejected when the budget is exceeded.
    """
    plans: list[tuple[Target, Plan]] = []
    unseen: list[Failure] = []
    with phase("plan"):
        for target in targets:
            try:
                plans.append((target, await _plan_for(scope, desired, target)))
            except Failure as failure:
                unseen.append(failure)
        total = Plan(
            tuple(action for _, todo in plans for action in todo), sum(todo.observed for _, todo in plans)
        )
        budget.check(total)
    outcomes: list[Outcome] = []
    for target, todo in plans:
        for action in todo:
            outcome = await _attempt(target, action, clock)
            outcomes.append(outcome)
            await record(outcome)
    unchanged = sum(todo.unchanged for _, todo in plans)
    return Report(scope, tuple(outcomes), unchanged, tuple(unseen))


async def _plan_for(scope: str, desired: State, target: Target) -> Plan:
    observed = await target.observe(scope)
    return planning.plan(planning.of_system(desired, target.system), observed, order=target.kinds)


async def _attempt(target: Target, action: Action, clock: Clock) -> Outcome:
    started = clock()
    try:
        await target.apply(action)
    except Failure as failure:
        return Outcome(action, failure, clock() - started)
    return Outcome(action, None, clock() - started)
