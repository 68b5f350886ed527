"""Records to what people are shown: the state of a product, and the story of one delivery. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from nautes_domain.effects import Cause, Decision, Effect, Result, Status
from nautes_domain.events import Delivery

_WORST: Final = (Result.REJECTED, Result.BLOCKED, Result.RETRY, Result.DONE, Result.ALREADY)


class ScopeView(BaseModel):
    """The state of one scope over all services; `result` is the worst of them."""

    scope: str
    result: Result | None
    commit: str
    services: tuple[Status, ...]


class Step(BaseModel):
    """One thing that happened, `after` seconds since the delivery was received."""

    after: float
    what: str
    service: str
    text: str
    result: str
    duration: float = 0.0
    record: Mapping[str, Any]


class Trace(BaseModel):
    """Everything that one cause led to, in order of time."""

    cause: Cause
    started: datetime | None
    steps: tuple[Step, ...]


def scope_view(scope: str, statuses: Iterable[Status]) -> ScopeView:
    """Return the state of a scope."""
    found = tuple(sorted((one for one in statuses if one.scope == scope), key=lambda one: one.service))
    results = [one.result for one in found]
    worst = min(results, key=_WORST.index) if results else None
    commit = next((one.commit for one in found if one.service == "declarations"), "")
    return ScopeView(scope=scope, result=worst, commit=commit, services=found)


def trace(
    cause: str,
    deliveries: Iterable[Delivery],
    decisions: Iterable[Decision],
    effects: Iterable[Effect],
) -> Trace | None:
    """Return the story of a cause, None if nothing is known of it."""
    received = list(deliveries)
    decided, done = list(decisions), list(effects)
    everything = [
        *(one.cause for one in received),
        *(one.cause for one in decided),
        *(one.cause for one in done),
    ]
    if not everything:
        return None
    times = [one.received_at for one in received]
    times = times or [*(one.at for one in decided), *(one.at for one in done)]
    started = min(times)
    steps = [
        *(_delivered(one, started) for one in received),
        *(_decided(one, started) for one in decided),
        *(_done(one, started) for one in done),
    ]
    ordered = tuple(sorted(steps, key=lambda step: step.after))
    return Trace(cause=everything[0].model_copy(update={"delivery": cause}), started=started, steps=ordered)


def _after(at: datetime, started: datetime) -> float:
    return round((at - started).total_seconds(), 3)


def _delivered(delivery: Delivery, started: datetime) -> Step:
    where = f"{delivery.event} to {delivery.project} {delivery.ref}".strip()
    return Step(
        after=_after(delivery.received_at, started),
        what="delivery",
        service="webhook-gateway",
        text=f"{where} by {delivery.actor}" if delivery.actor else where,
        result="stored",
        record=delivery.model_dump(mode="json"),
    )


def _decided(decision: Decision, started: datetime) -> Step:
    return Step(
        after=_after(decision.at, started),
        what="decision",
        service="reconciler",
        text=decision.summary,
        result="decided",
        record=decision.model_dump(mode="json"),
    )


def _done(effect: Effect, started: datetime) -> Step:
    return Step(
        after=_after(effect.at, started),
        what="effect",
        service=effect.service,
        text=f"{effect.verb} {effect.object} because {effect.because}",
        result=effect.result.value,
        duration=effect.duration,
        record=effect.model_dump(mode="json"),
    )
