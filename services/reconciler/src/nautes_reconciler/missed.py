"""Pushes that nobody told us of: heads of branches and tags against those last heard of, on start and on a timer.

What is found becomes a delivery like any other, on the same stream, and is handled by the same handler. Any
number of replicas may look: the id of a found delivery derives from its content, so the bus keeps one.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from nautes_domain import heads, names
from nautes_domain.capabilities import CodeHost, Head
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Failure, Rejected, Retry
from nautes_domain.heads import MOST_REFS, Heads, Missed, heads_key
from nautes_domain.snapshot import IndexedProject
from nautes_reconciler.records import Declarations

CATCH_UP: Final = "catch-up"
"""Stands where the id of the hook would."""
CONFLICT: Final = "conflict"
"""Code of a lost compare-and-set."""
ATTEMPTS: Final = 5


class Revisioned(Protocol):
    """A bucket with compare-and-set; see `nautes_runtime.records.Bucket`."""

    async def entry(self, key: str) -> tuple[Heads, int] | None:
        """Return the record and its revision."""
        ...

    async def create(self, key: str, record: Heads) -> int:
        """Store a first record; Retry if there is one."""
        ...

    async def update(self, key: str, record: Heads, revision: int) -> int:
        """Store over a revision; Retry if there is a newer one."""
        ...


class Publisher(Protocol):
    """Where deliveries go."""

    async def deliver(self, delivery: Delivery) -> bool:
        """Store a delivery; False if it was stored before."""
        ...


class Log(Protocol):
    """A structured logger."""

    def warning(self, event: str, **fields: object) -> object:
        """Say what somebody should know."""
        ...


class MissedPushes:
    """Finds what was missed, and remembers what was heard."""

    def __init__(
        self,
        code_host: CodeHost,
        declarations: Declarations,
        known: Revisioned,
        bus: Publisher,
        instance: str,
        *,
        now: Callable[[], datetime],
        log: Log,
    ) -> None:
        self._code_host = code_host
        self._declarations = declarations
        self._known = known
        self._bus = bus
        self._instance = instance
        self._now = now
        self._log = log

    async def look(self) -> None:
        """Look at every project once. What goes wrong is logged; a code host that is away ends the look."""
        for project in (await self._declarations.projects()).values():
            try:
                await self._look_at(project)
            except Failure as failure:
                self._log.warning("a project was not looked at", project=project.path, reason=str(failure))
                if isinstance(failure, Retry) and failure.code != CONFLICT:
                    return

    async def meet(self, project_id: int) -> None:
        """Take the first look at a project when it is provisioned, unless it was taken.

        Left to the timer, that look could come after a push that nobody told of, as a first one of many refs, or one
        before the hook was there, and take it for old.
        """
        key = heads_key(project_id)
        if await self._known.entry(key) is not None:
            return
        try:
            await self._known.create(key, heads.first_look(await self._heads(project_id)))
        except Rejected:  # the look on the timer says so
            return
        except Retry as failure:
            if failure.code != CONFLICT:
                raise

    async def heard(self, delivery: Delivery) -> None:
        """Remember a delivery that was dealt with. If it is the first of a project, that is the first look at it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._remember(delivery)
            except Retry as failure:
                if failure.code != CONFLICT or attempt == ATTEMPTS:
                    raise
            else:
                return

    async def _remember(self, delivery: Delivery) -> None:
        key = heads_key(delivery.project_id)
        found = await self._known.entry(key)
        if found is None:
            await self._first_look(key, delivery)
            return
        known, revision = found
        after = heads.heard(known, delivery)
        if after != known:
            await self._known.update(key, after, revision)

    async def _first_look(self, key: str, delivery: Delivery) -> None:
        try:
            known = heads.first_look(await self._heads(delivery.project_id))
        except Rejected:  # the look on the timer says so; the delivery itself was dealt with
            return
        await self._known.create(key, heads.heard(known, delivery))

    async def was_heard(self, delivery: Delivery) -> bool:
        """Say whether what we found ourselves was told meanwhile."""
        if delivery.hook != CATCH_UP:
            return False
        found = await self._known.entry(heads_key(delivery.project_id))
        return found is not None and heads.was_heard(found[0], delivery)

    async def _look_at(self, project: IndexedProject) -> None:
        key = heads_key(project.project_id)
        found = await self._known.entry(key)
        now = await self._heads(project.project_id)
        if found is None:
            await self._known.create(key, heads.first_look(now))
            return
        known, revision = found
        missed, after = heads.look(known, now)
        if after != known:
            await self._known.update(key, after, revision)
        for one in missed:
            await self._bus.deliver(self._delivery(project, one, known.instance or self._instance))

    async def _heads(self, project_id: int) -> Mapping[str, Head]:
        now = await self._code_host.heads(project_id)
        if len(now) > MOST_REFS:
            raise Rejected(f"it has more than {MOST_REFS} branches and tags", code="too-many-refs")
        return now

    def _delivery(self, project: IndexedProject, missed: Missed, instance: str) -> Delivery:
        """Return the delivery that would have come. With the same content, it is the same run if it still comes."""
        tag = missed.ref.startswith("refs/tags/")
        identity = (str(project.project_id), missed.ref, missed.before, missed.after)
        return Delivery(
            id=f"missed-{names.digest(*identity, length=32)}",
            hook=CATCH_UP,
            kind=DeliveryKind.TAG_PUSH if tag else DeliveryKind.PUSH,
            event="Missed tag push" if tag else "Missed push",
            instance=instance,
            project_id=project.project_id,
            project=project.path,
            ref=missed.ref,
            before=missed.before,
            after=missed.after,
            checkout_sha=missed.commit,
            received_at=self._now(),
        )
