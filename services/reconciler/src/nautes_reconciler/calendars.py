"""Calendars of runtimes: when one fires, that becomes a delivery like any other, on the same stream.

Any number of replicas may look at once. The id of a delivery derives from calendar and time, so the bus keeps one;
what comes later than the bus remembers has the name of a run that was started.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from nautes_domain import names
from nautes_domain.calendars import LOOKS, Calendar, calendar_name, calendar_of, due, to_fire
from nautes_domain.catalog import ProductCatalog
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.failures import Failure, Retry
from nautes_domain.manifests import CalendarSource, CatchUp, ProjectPipelineRuntime
from nautes_domain.snapshot import CalendarMark, IndexedProject, calendar_key
from nautes_reconciler.missed import CONFLICT, Log, Publisher
from nautes_reconciler.records import Declarations

REREAD: Final = timedelta(seconds=30)
"""Until a calendar that is declared anew is known."""

CLOCK: Final = "calendar"
"""Stands where the id of the hook would."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Marks(Protocol):
    """The bucket that keeps how far each calendar was dealt with; see `nautes_runtime.records.Bucket`."""

    async def get(self, key: str) -> CalendarMark | None:
        """Return the record, or None."""
        ...

    async def create(self, key: str, record: CalendarMark) -> int:
        """Store a first record; Retry if there is one."""
        ...

    async def put(self, key: str, record: CalendarMark) -> int:
        """Store the record; return its revision."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the record."""
        ...


@dataclass(slots=True)
class _Clock:
    """One calendar that is declared."""

    product: str
    runtime: str
    source: str
    calendar: Calendar
    policy: CatchUp
    declared: str
    repository: str
    """The pipeline repository: what fires is its event."""
    next: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    """Nothing happens before; at first it is not known."""

    @property
    def key(self) -> str:
        return calendar_key(self.product, self.runtime, self.source)


class Calendars:
    """Fires calendars. Look often: between two times it costs nothing."""

    def __init__(
        self,
        declarations: Declarations,
        marks: Marks,
        bus: Publisher,
        instance: str,
        *,
        now: Callable[[], datetime],
        log: Log,
    ) -> None:
        self._declarations = declarations
        self._marks = marks
        self._bus = bus
        self._instance = instance
        self._now = now
        self._log = log
        self._clocks: dict[str, _Clock] = {}
        self._reread = datetime.min.replace(tzinfo=UTC)

    async def look(self) -> None:
        """Fire what is due. What goes wrong with one calendar is logged, and due again at the next look."""
        now = self._now()
        if now >= self._reread:
            await self._read()
            self._reread = now + REREAD
        for clock in self._clocks.values():
            if clock.next <= now:
                try:
                    await self._fire(clock, now)
                except Failure as failure:
                    self._log.warning("calendar", of=clock.key, reason=str(failure), code=failure.code)

    async def _read(self) -> None:
        """Take up what is declared, and let go of what is not any more: declared again, it begins again."""
        found = {
            clock.key: clock
            for catalog in (await self._declarations.products()).values()
            for clock in self._declared(catalog)
        }
        for key in self._clocks.keys() - found.keys():
            await self._marks.delete(key)
        known = {key: clock for key, clock in self._clocks.items() if key in found}
        self._clocks = {
            key: known[key] if key in known and known[key].declared == clock.declared else clock
            for key, clock in found.items()
        }

    def _declared(self, catalog: ProductCatalog) -> Iterator[_Clock]:
        """Yield the calendars of a product that anybody answers."""
        for declared in catalog.pipelines.values():
            runtime = declared.manifest
            answered = {trigger.event_source for trigger in runtime.spec.pipeline_triggers}
            for source in runtime.spec.event_sources:
                if source.calendar is None or source.name not in answered:
                    continue
                try:
                    yield _clock(catalog.product, runtime, source.name, source.calendar)
                except ValueError as error:  # taken in before the rule that refuses it; the others go on
                    about = calendar_name(runtime.name, source.name)
                    self._log.warning("calendar", of=f"{catalog.product}/{about}", reason=str(error))

    async def _fire(self, clock: _Clock, now: datetime) -> None:
        until = await self._dealt_with(clock, now)
        times = to_fire(clock.calendar, until, now, clock.policy)
        if times:
            project = (await self._declarations.projects()).get((clock.product, clock.repository))
            if project is None:
                raise Retry("its repository is not there yet", what=f"coderepo/{clock.repository}")
            for instant in times:
                await self._bus.deliver(self._delivery(clock, project, instant))
        if next(due(clock.calendar, until, now), None) is not None:
            await self._marks.put(clock.key, CalendarMark(declared=clock.declared, until=now))
        clock.next = next(due(clock.calendar, now, now + LOOKS[-1]), _NEVER)

    async def _dealt_with(self, clock: _Clock, now: datetime) -> datetime:
        """Return up to when the calendar was dealt with, by whomever; from now on, if it is new."""
        found = await self._marks.get(clock.key)
        if found is not None and found.declared == clock.declared:
            return found.until
        mark = CalendarMark(declared=clock.declared, until=now)
        if found is not None:
            await self._marks.put(clock.key, mark)
            return now
        try:
            await self._marks.create(clock.key, mark)
        except Retry as failure:
            if failure.code != CONFLICT:
                raise
        return now

    def _delivery(self, clock: _Clock, project: IndexedProject, instant: datetime) -> Delivery:
        about = calendar_name(clock.runtime, clock.source)
        when = instant.isoformat()
        return Delivery(
            id=f"calendar-{names.digest(clock.product, about, when, length=32)}",
            hook=CLOCK,
            kind=DeliveryKind.CALENDAR,
            event="Calendar",
            instance=self._instance,
            project_id=project.project_id,
            project=project.path,
            about=about,
            occurred_at=when,
            received_at=self._now(),
        )


def _clock(product: str, runtime: ProjectPipelineRuntime, name: str, source: CalendarSource) -> _Clock:
    return _Clock(
        product,
        runtime.name,
        name,
        calendar_of(source),
        source.catch_up,
        names.digest(source.model_dump_json()),
        runtime.spec.pipeline_source,
    )
