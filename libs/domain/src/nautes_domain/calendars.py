"""When a calendar fires. Pure: the time is an argument, time zones are the data of package `tzdata` or the system.

Schedules are crontab lines as Debian's cron understands them (cronsim follows it, also where clocks are changed):
what should happen at a time that a day does not have, happens right after the gap; what should happen at a time
that a day has twice, happens the first time; what happens every so many minutes goes on with real time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from nautes_domain import names
from nautes_domain.manifests import CalendarSource, CatchUp

SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=366)

LOOKS: Final = tuple(timedelta(days=days) for days in (1, 7, 60, 400))
"""How far back missed times are looked for: further where nothing was found, for what comes often is found soon."""

MOST: Final = 24
"""Missed times that are caught up with at once, the latest ones, where all are wanted."""

PUNCTUAL: Final = timedelta(minutes=1)
"""What is not later than this was not missed."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TERM: Final = re.compile(r"([0-9]+)([hms])")
_UNITS: Final = {"h": 3600, "m": 60, "s": 1}
_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""crontab(5)."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar that can be asked. It has a schedule or an interval."""

    zone: tzinfo
    schedule: str = ""
    interval: timedelta = timedelta(0)
    excluded_dates: frozenset[date] = frozenset()
    """Whole days in the calendar's zone."""
    excluded_times: frozenset[datetime] = frozenset()


def calendar_of(source: CalendarSource) -> Calendar:
    """Return what was declared. Raises ValueError with words for people if it cannot be asked."""
    days, times = set(), set()
    for text in source.exclusion_dates:
        try:
            if "T" in text:
                times.add(datetime.fromisoformat(text).astimezone(UTC))
            else:
                days.add(date.fromisoformat(text))
        except (ValueError, OverflowError):
            raise ValueError(f"there is no day or time {text[:60]!r}") from None
    zone = zone_of(source.timezone)
    excluded = (frozenset(days), frozenset(times))
    if source.interval:
        return Calendar(zone, "", interval_of(source.interval), *excluded)
    return Calendar(zone, _schedule(source.schedule), timedelta(0), *excluded)


def calendar_name(runtime: str, source: str) -> str:
    """Return how a calendar is called within its product: labels hold no slash."""
    return f"{names.label(runtime)}/{names.label(source)}"


def zone_of(name: str) -> tzinfo:
    """Return a time zone; UTC for none and for `Local`, since no place is local to a platform."""
    if name in {"", "UTC", "Local"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:60]!r}") from None


def interval_of(text: str) -> timedelta:
    """Return a duration such as `1h30m`; raise ValueError if it is none, or out of bounds."""
    seconds = sum(int(number[:12]) * _UNITS[unit] for number, unit in _TERM.findall(text[:40]))
    found = timedelta(seconds=min(seconds, 10**9))
    if not SHORTEST <= found <= LONGEST:
        raise ValueError(f"{text[:60]!r} is not between one minute and a year")
    return found


def due(calendar: Calendar, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the times at which it fires, later than `after` and not later than `until`, in UTC and in order.

    Intervals are counted from 1970-01-01T00:00Z, so that every replica counts alike, after every restart.
    """
    for instant in _instants(calendar, after, until):
        local = instant.astimezone(calendar.zone)
        if local.date() not in calendar.excluded_dates and instant not in calendar.excluded_times:
            yield instant


def to_fire(calendar: Calendar, after: datetime, now: datetime, policy: CatchUp) -> Sequence[datetime]:
    """Return the times that fire now, where everything up to `after` was dealt with.

    The present one always does. Of those that were missed: with `latest` the last, unless a later one is present;
    with `all` as many as are due, up to `MOST`; with `none` none.
    """
    most = MOST if policy == "all" else 1
    found: list[datetime] = []
    for span in (PUNCTUAL,) if policy == "none" else LOOKS:
        since = max(after, now - span)
        found = list(due(calendar, since, now))
        if len(found) >= most or since == after:
            break
    return found[-most:]


def _instants(calendar: Calendar, after: datetime, until: datetime) -> Iterator[datetime]:
    if calendar.interval:
        passed = (after - _EPOCH) // calendar.interval
        instant = _EPOCH + (passed + 1) * calendar.interval
        while instant <= until:
            yield instant
            instant += calendar.interval
        return
    last = after.astimezone(UTC)
    for local in CronSim(calendar.schedule, after.astimezone(calendar.zone)):
        instant = local.astimezone(UTC)
        if instant > until:
            return
        # Within an hour that a day has twice, the same wall time comes first and is past already; and all that
        # falls into a gap falls together behind it.
        if instant > last:
            yield instant
            last = instant


def _schedule(text: str) -> str:
    """Return a crontab line that cronsim takes; raise ValueError if it never comes."""
    line = _MACROS.get(text, text)
    try:
        never = next(CronSim(line, _EPOCH), None) is None
    except CronSimError as error:
        raise ValueError(f"{text[:60]!r}: {error}") from None
    if never:
        raise ValueError(f"{text[:60]!r} never comes")
    return line
