"""What became of a delivery, on the bus: an effect record for each thing done, and one decision."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from nautes_domain import names
from nautes_domain.effects import Considered, Decision, effect_of
from nautes_domain.events import Delivery
from nautes_domain.reconcile import Outcome
from nautes_reconciler.runs import Done
from nautes_runtime.bus import Bus


class Recording:
    """Records. Ids derive from what is said, so that saying it twice is one record."""

    def __init__(self, bus: Bus, *, now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._now = now

    async def effects(self, delivery: Delivery, scope: str, done: Iterable[Done]) -> None:
        """Record what was done, or refused."""
        for one in done:
            if one.action is None:
                continue
            effect = effect_of(
                Outcome(one.action, one.failure, one.seconds),
                tenant=self._bus.tenant,
                service=self._bus.service,
                scope=scope,
                cause=delivery.cause,
                at=self._now(),
                already=one.already,
            )
            await self._bus.effect(effect)

    async def decision(
        self,
        delivery: Delivery,
        summary: str,
        done: Sequence[Done] = (),
        passed_over: Sequence[Considered] = (),
    ) -> None:
        """Record everything that was considered."""
        results = [f"{one.considered.run}={one.considered.result}" for one in done]
        decision = Decision(
            id=names.digest(delivery.hook, delivery.id, *results, length=32),
            at=self._now(),
            tenant=self._bus.tenant,
            cause=delivery.cause,
            kind=delivery.kind,
            content_key=delivery.content_key,
            considered=(*(one.considered for one in done), *passed_over),
            summary=summary,
        )
        await self._bus.decision(decision)
