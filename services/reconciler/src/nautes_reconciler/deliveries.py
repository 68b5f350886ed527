"""One delivery from the bus: whose repository is it, what does it mean, what became of it."""

import asyncio
from collections.abc import Sequence

from nautes_domain import names
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Blocked, Rejected, most_urgent
from nautes_domain.snapshot import IndexedProject
from nautes_domain.triggers import Match, match
from nautes_reconciler.asking import FactFinder
from nautes_reconciler.declaring import Declaring
from nautes_reconciler.missed import MissedPushes
from nautes_reconciler.recording import Recording
from nautes_reconciler.records import Declarations
from nautes_reconciler.requesting import AskedFor
from nautes_reconciler.runs import Done, Starter
from nautes_runtime.tracing import span


class Deliveries:
    """Answers deliveries. Doing one twice does nothing the second time."""

    def __init__(
        self,
        facts: FactFinder,
        declarations: Declarations,
        declaring: Declaring,
        starter: Starter,
        asked: AskedFor,
        missed: MissedPushes,
        recording: Recording,
    ) -> None:
        self._facts = facts
        self._declarations = declarations
        self._declaring = declaring
        self._starter = starter
        self._asked = asked
        self._missed = missed
        self._recording = recording

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
            await self._recording.decision(delivery, "it was told meanwhile")
            return
        if project.name in {names.CONFIG_PROJECT, names.TENANT_PROJECT}:
            await self._configuration(delivery, project)
        else:
            await self._source(delivery, project)
        await self._missed.heard(delivery)

    async def _configuration(self, delivery: Delivery, project: IndexedProject) -> None:
        if delivery.kind is not DeliveryKind.PUSH or delivery.deletes:
            await self._recording.decision(delivery, f"{delivery.event} changes no declarations")
            return
        try:
            summary = await self._declaring.take(project, delivery.cause)
        except Rejected as refusal:  # reported with the commit; the delivery itself was dealt with
            summary = f"refused: {refusal.why}"
        await self._recording.decision(delivery, summary)

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
            await self._recording.decision(delivery, f"{project.group} is suspended: {snapshot.suspended}")
            return
        catalog, scope = self._declarations.parsed(snapshot), names.scope("product", project.group)
        outcome = await self._asked.carry_out(delivery, catalog, project.name)
        if outcome is not None:
            await self._recording.effects(delivery, scope, outcome.done)
            await self._recording.decision(delivery, outcome.summary, outcome.done, outcome.passed_over)
            self._raise(outcome.done)
            return
        with span("match"):
            facts = await self._facts.facts(delivery, catalog, project.name)
            found = match(delivery, catalog, project.name, facts)
        done = await self._starter.start_all(found.runs, delivery)
        done += [await self._starter.refresh(refresh) for refresh in found.refreshes]
        shown = await self._starter.show_skips(found, delivery)
        await asyncio.gather(
            self._recording.effects(delivery, scope, [*done, *shown]),
            self._recording.decision(delivery, _summary(found, done), done, found.passed_over),
        )
        self._raise([*done, *shown])

    @staticmethod
    def _raise(done: Sequence[Done]) -> None:
        """Raise what must be tried again. What was refused is reported and will not get better by itself."""
        again = [one.failure for one in done if one.failure and not isinstance(one.failure, Rejected)]
        failure = most_urgent(again)
        if failure is not None:
            raise failure


def _summary(found: Match, done: Sequence[Done]) -> str:
    counts = (
        (len(found.runs), "run"),
        (len(found.refreshes), "refresh"),
        (sum(1 for one in done if one.failure), "failed"),
        (len(found.passed_over), "passed over"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing listens to it"
