"""The queue of a runtime: what is planned for its runs is done to them, one step at a time, with a record of each.

Only who holds the lock of a cluster does it, see `following`; so one place lets runs go, and a limit holds.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from nautes_domain import names
from nautes_domain.capabilities import PipelineEngine
from nautes_domain.effects import effect_of
from nautes_domain.failures import Failure, most_urgent
from nautes_domain.plan import Action, Ref, Verb
from nautes_domain.queueing import Order, Schedule, Step, carried_out, schedule
from nautes_domain.reconcile import Outcome
from nautes_domain.runs import RunState
from nautes_domain.snapshot import StartedRun
from nautes_reconciler.records import Declarations
from nautes_reconciler.started import StartedRuns
from nautes_runtime.bus import Bus

Runtime = tuple[str, str]
"""Product and name."""

_AFTER: Final = {Order.RELEASE: {"state": "released"}, Order.CANCEL: {"state": "stopping"}}
_BEFORE: Final = {"state": "as created"}


class Queue:
    """Carries out the schedule of one runtime at a time. Killed at any point, the next one plans what is left."""

    def __init__(
        self,
        declarations: Declarations,
        started: StartedRuns,
        bus: Bus,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._declarations = declarations
        self._started = started
        self._bus = bus
        self._now = now
        self._clock = clock

    async def settle(
        self,
        cluster: str,
        engine: PipelineEngine,
        runtime: Runtime,
        *,
        waits: bool = True,
        first: bool = False,
    ) -> Schedule:
        """Let go, stop and delete what is due; return the plan that was carried out.

        The runs are read fresh, those in the runtime's own namespace: what others claim counts for nothing. Where
        nothing is limited and nobody `waits`, they need not be read. With `first`, steps of a predecessor that
        died are recorded as well. Raises the most urgent failure, when everything was tried.
        """
        declared = await self._declarations.runtime_on(cluster, *runtime)
        if declared is None or (declared.limits.nothing and not waits):
            return Schedule()
        runs = await engine.runs_of(*runtime, declared.namespace)
        for step in carried_out(runs, declared.limits) if first else ():
            await self._record(
                engine.address(cluster, step.run.name, step.run.namespace), step, None, 0.0, already=True
            )
        plan = schedule(runs, declared.limits)
        failures = [await self._carry_out(cluster, engine, step) for step in plan.steps]
        failure = most_urgent([one for one in failures if one is not None])
        if failure is not None:
            raise failure
        return plan

    async def _carry_out(self, cluster: str, engine: PipelineEngine, step: Step) -> Failure | None:
        ref, began = engine.address(cluster, step.run.name, step.run.namespace), self._clock()
        try:
            if step.order is Order.DELETE:
                await self._remember(cluster, step.run)
            done = await engine.steer(step.run, step.order)
        except Failure as failure:
            await self._record(ref, step, failure, self._clock() - began)
            return failure
        if done:
            await self._record(ref, step, None, self._clock() - began)
        return None

    async def _remember(self, cluster: str, run: RunState) -> None:
        """Keep the name of a run that is to go: what it answered may come again."""
        started = StartedRun(cluster=cluster, namespace=run.namespace, delivery=run.cause.delivery)
        await self._started.remember(run.name, started)

    async def _record(
        self, ref: Ref, step: Step, failure: Failure | None, seconds: float, *, already: bool = False
    ) -> None:
        effect = effect_of(
            Outcome(action_of(ref, step), failure, seconds),
            tenant=self._bus.tenant,
            service=self._bus.service,
            scope=names.scope("product", step.run.product),
            cause=step.run.cause,
            at=self._now(),
            already=already,
        )
        await self._bus.effect(effect)


def action_of(ref: Ref, step: Step) -> Action:
    """Return what is done to a run, for the record: the same whenever the same is done to it."""
    run = step.run
    verb = Verb.DELETE if step.order is Order.DELETE else Verb.UPDATE
    entity = f"ProjectPipelineRuntime/{run.runtime}"
    return Action(verb, ref, _BEFORE, _AFTER.get(step.order), step.because, entity)
