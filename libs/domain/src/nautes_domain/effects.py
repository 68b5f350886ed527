"""What was done and why: effect records, decision records, status records. Values only; nobody publishes here."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from nautes_domain import names
from nautes_domain.failures import Blocked, Failure, Rejected, Retry, Violation
from nautes_domain.plan import Verb, spec_digest
from nautes_domain.reconcile import Outcome


class Record(BaseModel):
    """A value that goes on the bus. Readers ignore fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Cause(Record):
    """What started it all: the delivery, or `resync`, `startup`, a person's command."""

    delivery: str
    repository: str = ""
    ref: str = ""
    commit: str = ""
    actor: str = ""
    received_at: datetime | None = None
    """When the delivery was received; None for what nobody pushed."""


class Result(StrEnum):
    """How an action, a scope or a decision ended."""

    DONE = "done"
    ALREADY = "already"
    """The object was there before: a second delivery of the same thing."""
    RETRY = "retry"
    BLOCKED = "blocked"
    REJECTED = "rejected"


class Effect(Record):
    """One external side effect, applied or refused (architecture section 2.5). Holds digests, never values."""

    id: str
    at: datetime
    tenant: str
    service: str
    cause: Cause
    scope: str
    entity: str
    system: str
    object: str
    verb: str
    because: str
    before: str = ""
    after: str = ""
    result: Result
    code: str = ""
    message: str = ""
    duration: float = 0.0
    """Seconds that applying took."""


class Considered(Record):
    """One trigger or deployment that a delivery was held against, and the verdict."""

    product: str
    runtime: str
    trigger: str
    fired: bool
    reason: str
    note: str = ""
    """What could not be checked and was let pass."""
    skipped: bool = False
    """It is meant for such an event on that branch, and was passed over all the same: who pushed may wonder."""
    run: str = ""
    """Name of the run or Application when it fired."""
    result: Result | None = None
    message: str = ""


class Decision(Record):
    """Everything that was considered for one delivery. One per delivery, also when nothing fired."""

    id: str
    at: datetime
    tenant: str
    cause: Cause
    kind: str
    content_key: str
    considered: tuple[Considered, ...] = ()
    summary: str = ""


class ViolationRecord(Record):
    """A violation on the wire."""

    file: str
    line: int
    kind: str
    name: str
    field: str
    rule: str
    message: str
    fix: str = ""


class Status(Record):
    """What one service last made of one scope: the read model's unit, kept in bucket `status`."""

    service: str
    scope: str
    at: datetime
    cause: Cause
    commit: str = ""
    """Commit of the declarations that were applied, or that were refused."""
    result: Result
    code: str = ""
    message: str = ""
    violations: tuple[ViolationRecord, ...] = ()
    warnings: tuple[ViolationRecord, ...] = ()
    """What was taken in and is probably not meant."""
    written: int = 0
    unchanged: int = 0


def result_of(failure: Failure | None) -> Result:
    """Return the word for an outcome."""
    if failure is None:
        return Result.DONE
    for kind, result in ((Retry, Result.RETRY), (Blocked, Result.BLOCKED), (Rejected, Result.REJECTED)):
        if isinstance(failure, kind):
            return result
    return Result.RETRY


def violations_of(failure: Failure | None) -> tuple[ViolationRecord, ...]:
    """Return the violations that a failure carries, for the wire."""
    return records_of(failure.violations) if isinstance(failure, Rejected) else ()


def records_of(violations: Iterable[Violation]) -> tuple[ViolationRecord, ...]:
    """Return violations for the wire."""
    return tuple(
        ViolationRecord(
            file=one.file, line=one.line, kind=one.kind, name=one.name,
            field=one.field, rule=one.rule, message=one.message, fix=one.fix,
        )
        for one in violations
    )  # fmt: skip


def effect_of(
    outcome: Outcome,
    *,
    tenant: str,
    service: str,
    scope: str,
    cause: Cause,
    at: datetime,
    already: bool = False,
) -> Effect:
    """Return the record of one applied or refused action; `already` says that it had been done before.

    The id derives from the cause, the object and its content, so that a redelivery which does the same
    thing again gives the same id and the bus keeps one record: the first, also where a later one finds it done.
    """
    action, failure = outcome.action, outcome.failure
    before, after = spec_digest(action.before), spec_digest(action.after)
    result = result_of(failure)
    identity = (
        service,
        cause.delivery,
        str(action.ref),
        action.verb,
        before,
        after,
        result,
        failure.why if failure else "",
    )
    return Effect(
        id=names.digest(*identity, length=32),
        at=at,
        tenant=tenant,
        service=service,
        cause=cause,
        scope=scope,
        entity=action.entity,
        system=action.ref.system,
        object=str(action.ref),
        verb=Verb(action.verb).value,
        because=action.because,
        before=before,
        after=after,
        result=Result.ALREADY if already else result,
        code=failure.code if failure else "",
        message=str(failure) if failure else "",
        duration=round(outcome.seconds, 6),
    )
