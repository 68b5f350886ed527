"""Records to what people are shown: the state of a product, and the story of one delivery. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from nautes_domain.effects import Cause, Decision, Effect, Result, Status, ViolationRecord
from nautes_domain.events import Delivery
from nautes_domain.snapshot import Snapshot

DECLARATIONS: Final = "declarations"
"""The status that tells whether a commit was taken in; the others tell what was made of it."""

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


class Condition(BaseModel):
    """One aspect of an entity, in the shape of Kubernetes' conditions."""

    type: str
    """`Declared`: taken in from Git as it is now; `Applied`: every service made it so."""
    status: str
    """`True`, `False`, `Unknown`."""
    reason: str
    message: str = ""
    last_transition_time: datetime | None = None


class EntityState(BaseModel):
    """What became of an entity: whether it is taken in and applied, and what is wrong with it."""

    kind: str
    name: str
    commit: str = ""
    """The commit that is in force."""
    project_id: int | None = None
    """The code host's id of a repository, once it is there."""
    conditions: tuple[Condition, ...] = ()
    violations: tuple[ViolationRecord, ...] = ()
    warnings: tuple[ViolationRecord, ...] = ()


def entity_state(
    entity: tuple[str, str],
    snapshot: Snapshot | None,
    statuses: Iterable[Status],
    project_id: int | None = None,
) -> EntityState:
    """Return the state of one entity from the statuses of its scope."""
    found = list(statuses)
    violations = tuple(one for status in found for one in status.violations if (one.kind, one.name) == entity)
    warnings = tuple(one for status in found for one in status.warnings if (one.kind, one.name) == entity)
    declared = next((one for one in found if one.service == DECLARATIONS), None)
    return EntityState(
        kind=entity[0],
        name=entity[1],
        commit=snapshot.commit if snapshot else "",
        project_id=project_id,
        conditions=(_declared(declared, violations), _applied([one for one in found if one is not declared])),
        violations=violations,
        warnings=warnings,
    )


def _declared(status: Status | None, violations: tuple[ViolationRecord, ...]) -> Condition:
    if status is None:
        return Condition(type="Declared", status="Unknown", reason="NotJudged")
    if violations:
        words = violations[0].message
        return Condition(
            type="Declared",
            status="False",
            reason="RulesBroken",
            message=words,
            last_transition_time=status.at,
        )
    return Condition(type="Declared", status="True", reason="TakenIn", last_transition_time=status.at)


def _applied(statuses: list[Status]) -> Condition:
    if not statuses:
        return Condition(type="Applied", status="Unknown", reason="NotReported")
    worst = min(statuses, key=lambda one: _WORST.index(one.result))
    done = worst.result in {Result.DONE, Result.ALREADY}
    return Condition(
        type="Applied",
        status="True" if done else "False",
        reason=worst.result.value.capitalize(),
        message="" if done else f"{worst.service}: {worst.message}",
        last_transition_time=worst.at,
    )


def scope_view(scope: str, statuses: Iterable[Status]) -> ScopeView:
    """Return the state of a scope."""
    found = tuple(sorted((one for one in statuses if one.scope == scope), key=lambda one: one.service))
    results = [one.result for one in found]
    worst = min(results, key=_WORST.index) if results else None
    commit = next((one.commit for one in found if one.service == DECLARATIONS), "")
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
