"""One delivery from the bus: whose repository is it, what does it mean, what became of it."""

from collections.abc import Callable
from datetime import datetime

from nautes_domain import names
from nautes_domain.capabilities import CodeHost
from nautes_domain.effects import Decision, Effect, Result, effect_of
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Blocked, Rejected, most_urgent
from nautes_domain.reconcile import Outcome
from nautes_domain.snapshot import IndexedProject
from nautes_domain.triggers import Match, match
from nautes_reconciler.asking import FactFinder
from nautes_reconciler.declaring import Declaring
from nautes_reconciler.missed import MissedPushes
from nautes_reconciler.records import Declarations
from nautes_reconciler.runs import Done, Starter
from nautes_runtime.bus import Bus
from nautes_runtime.tracing import span


class Deliveries:
    """Answers deliveries. Doing one twice does nothing the second time."""

    def __init__(
        self,
        code_host: CodeHost,
        declarations: Declarations,
        declaring: Declaring,
        starter: Starter,
        missed: MissedPushes,
        bus: Bus,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._facts = FactFinder(code_host, declarations.tenant)
        self._declarations = declarations
        self._declaring = declaring
        self._starter = starter
        self._missed = missed
        self._bus = bus
        self._now = now

    async def handle(self, delivery: Delivery) -> None:
        """Act on a delivery. Raises the failure that decides whether it comes again."""
        with span("find project"):
            project = await self._declarations.project(delivery.project_id)
        if project is None:
            raise Blocked(
                f"project {delivery.project_id} ({delivery.project}) is not indexed",
                by=f"project/{delivery.project_id}",
                what=f"delivery/{delivery.id}",
            )
        with span("look for repetition"):
            heard = await self._missed.was_heard(delivery)
        if heard:
            await self._decide(delivery, "it was told meanwhile", ())
            return
        if project.name in {names.CONFIG_PROJECT, names.TENANT_PROJECT}:
            await self._configuration(delivery, project)
        else:
            await self._source(delivery, project)
        await self._missed.heard(delivery)

    async def _configuration(self, delivery: Delivery, project: IndexedProject) -> None:
        if delivery.kind is not DeliveryKind.PUSH or delivery.deletes:
            await self._decide(delivery, f"{delivery.event} changes no declarations", ())
            return
        try:
            summary = await self._declaring.take(project, delivery.cause)
        except Rejected as refusal:  # reported with the commit; the delivery itself was dealt with
            summary = f"refused: {refusal.why}"
        await self._decide(delivery, summary, ())

    async def _source(self, delivery: Delivery, project: IndexedProject) -> None:
        with span("read snapshot"):
            snapshot = await self._declarations.snapshot(names.scope("product", project.group))
        if snapshot is None:
            raise Blocked(
                "the product has no valid declarations",
                by=f"product/{project.group}",
                what=f"delivery/{delivery.id}",
            )
        if snapshot.suspended:
            await self._decide(delivery, f"{project.group} is suspended: {snapshot.suspended}", ())
            return
        catalog = self._declarations.parsed(snapshot)
        with span("match"):
            facts = await self._facts.facts(delivery, catalog, project.name)
            found = match(delivery, catalog, project.name, facts)
        done = [await self._starter.start(run, delivery) for run in found.runs]
        done += [await self._starter.refresh(refresh) for refresh in found.refreshes]
        await self._record(delivery, names.scope("product", project.group), done)
        await self._decide(delivery, _summary(found, done), tuple(done), found)
        self._raise(done)

    async def _record(self, delivery: Delivery, scope: str, done: list[Done]) -> None:
        for one in done:
            if one.action is not None:
                outcome = Outcome(one.action, one.failure, one.seconds)
                await self._bus.effect(self._effect(delivery, scope, outcome, already=one.already))

    def _effect(self, delivery: Delivery, scope: str, outcome: Outcome, *, already: bool) -> Effect:
        effect = effect_of(
            outcome,
            tenant=self._bus.tenant,
            service=self._bus.service,
            scope=scope,
            cause=delivery.cause,
            at=self._now(),
        )
        return effect.model_copy(update={"result": Result.ALREADY}) if already else effect

    async def _decide(
        self, delivery: Delivery, summary: str, done: tuple[Done, ...], found: Match | None = None
    ) -> None:
        considered = (*(one.considered for one in done), *(found.passed_over if found else ()))
        results = [f"{one.considered.run}={one.considered.result}" for one in done]
        decision = Decision(
            id=names.digest(delivery.hook, delivery.id, *results, length=32),
            at=self._now(),
            tenant=self._bus.tenant,
            cause=delivery.cause,
            kind=delivery.kind,
            content_key=delivery.content_key,
            considered=considered,
            summary=summary,
        )
        await self._bus.decision(decision)

    @staticmethod
    def _raise(done: list[Done]) -> None:
        """Raise what must be tried again. What was refused is reported and will not get better by itself."""
        again = [one.failure for one in done if one.failure and not isinstance(one.failure, Rejected)]
        failure = most_urgent(again)
        if failure is not None:
            raise failure


def _summary(found: Match, done: list[Done]) -> str:
    counts = (
        (len(found.runs), "run"),
        (len(found.refreshes), "refresh"),
        (sum(1 for one in done if one.failure), "failed"),
        (len(found.passed_over), "passed over"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing listens to it"
