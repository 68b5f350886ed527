"""Event sources of the clock: rules A6 and A10. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from nautes_domain.calendars import calendar_of
from nautes_domain.failures import Violation
from nautes_domain.manifests import CalendarSource
from nautes_domain.source import Path
from nautes_domain.validation.setting import Setting

_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: Final[tuple[tuple[str, int, int, list[str]], ...]] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
"""The five fields of a crontab line (crontab(5)): name, lowest, highest, words."""

_MACRO = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)")
_PART = re.compile(
    r"(?P<range>\*|(?P<low>[0-9]+|[A-Za-z]{3})(-(?P<high>[0-9]+|[A-Za-z]{3}))?)(/(?P<step>[0-9]+))?"
)
_INTERVAL = re.compile(r"([0-9]+(h|m|s))+")
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))?")
_ZONE = re.compile(r"UTC|Local|[A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2}")


def revisions(setting: Setting) -> Iterator[Violation]:
    """A10: who answers a calendar says at which revision its pipeline is read; a calendar names no commit."""
    for runtime in setting.catalog.pipelines.values():
        spec = runtime.manifest.spec
        clocks = {source.name for source in spec.event_sources if source.calendar is not None}
        for index, trigger in enumerate(spec.pipeline_triggers):
            if trigger.event_source in clocks and not trigger.revision:
                message = f"{trigger.event_source} is a calendar, which names no commit"
                path: Path = ("spec", "pipelineTriggers", index, "revision")
                yield runtime.violation(path, "A10", message, "write the branch of the pipeline repository")


def calendars(setting: Setting) -> Iterator[Violation]:
    """A6: a calendar says when, in a form that can be understood, and that comes."""
    for runtime in setting.catalog.pipelines.values():
        for index, source in enumerate(runtime.manifest.spec.event_sources):
            if source.calendar is not None:
                at: Path = ("spec", "eventSources", index, "calendar")
                found = list(problems(source.calendar)) or list(_impossible(source.calendar))
                for path, message, fix in found:
                    yield runtime.violation((*at, *path), "A6", message, fix)


def _impossible(calendar: CalendarSource) -> Iterator[tuple[Path, str, str]]:
    """Yield what has the right form and does not exist: a zone, a day, a schedule that never comes."""
    try:
        calendar_of(calendar)
    except ValueError as error:
        yield (), str(error), "write a zone, days and times that exist"


def problems(calendar: CalendarSource) -> Iterator[tuple[Path, str, str]]:
    """Yield (field, message, fix) of everything that cannot be understood."""
    if bool(calendar.schedule) == bool(calendar.interval):
        yield (), "needs exactly one of schedule and interval", "write one of them"
    if calendar.schedule and (wrong := schedule_problem(calendar.schedule)):
        yield ("schedule",), wrong, "write five fields as in crontab, such as `5 2 * * *`"
    if calendar.interval and not _INTERVAL.fullmatch(calendar.interval):
        yield (
            ("interval",),
            f"{calendar.interval[:60]!r} is no duration",
            "write hours, minutes, seconds: `1h30m`",
        )
    for index, date in enumerate(calendar.exclusion_dates):
        if not _DATE.fullmatch(date):
            yield ("exclusionDates", index), f"{date[:60]!r} is no date", "write `2026-12-24`"
    if calendar.timezone and not _ZONE.fullmatch(calendar.timezone):
        yield ("timezone",), f"{calendar.timezone[:60]!r} is no time zone", "write `Europe/Lisbon` or `UTC`"


def schedule_problem(schedule: str) -> str:
    """Return what is wrong with a crontab line, empty if nothing is."""
    if _MACRO.fullmatch(schedule):
        return ""
    parts = schedule.split()
    if len(parts) != len(_FIELDS):
        return f"a schedule has five fields, this one has {len(parts)}"
    for text, (name, low, high, words) in zip(parts, _FIELDS, strict=True):
        if not all(_is_part(one, low, high, words) for one in text.split(",")):
            return f"{text[:60]!r} is no {name}"
    return ""


def _is_part(text: str, low: int, high: int, words: list[str]) -> bool:
    found = _PART.fullmatch(text)
    if found is None or found["step"] == "0" or len(text) > 20:
        return False
    if found["range"] == "*":
        return True
    first = _number(found["low"], low, words)
    last = first if found["high"] is None else _number(found["high"], low, words)
    return low <= first <= last <= high


def _number(text: str, low: int, words: list[str]) -> int:
    """Return the number that a field's text means, -1 for a word that is none."""
    if text.isdigit():
        return int(text)
    return words.index(text.lower()) + low if text.lower() in words else -1
