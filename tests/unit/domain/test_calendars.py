"""When calendars fire: clocks that are changed, days that are left out, outages. The time is given, nobody waits."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.calendars import MOST, calendar_of, due, to_fire
from nautes_domain.manifests import CalendarSource


def calendar(schedule="", *, interval="", zone="", excluded=()):
    return calendar_of(
        CalendarSource(schedule=schedule, interval=interval, timezone=zone, exclusion_dates=tuple(excluded))
    )


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fired(one, after, until):
    return [instant.isoformat()[:16] for instant in due(one, at(after), at(until))]


LISBON, NEW_YORK, ADELAIDE = "Europe/Lisbon", "America/New_York", "Australia/Adelaide"


@pytest.mark.parametrize(
    ("given", "after", "until", "times"),
    [
        # Lisbon 2026: 01:00 becomes 02:00 on 29 March, 02:00 becomes 01:00 on 25 October (both at 01:00 UTC).
        (("30 1 * * *", LISBON), "2026-03-28T12:00", "2026-03-30T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        (("5 2 * * *", LISBON), "2026-03-28T00:00", "2026-03-30T12:00", ["2026-03-28T02:05", "2026-03-29T01:05", "2026-03-30T01:05"]),
        (("30 1 * * *", LISBON), "2026-10-24T12:00", "2026-10-26T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        (("0 1,2 * * *", LISBON), "2026-10-25T00:00", "2026-10-25T03:00", ["2026-10-25T02:00"]),
        (("0 1,2 * * *", LISBON), "2026-10-24T23:00", "2026-10-25T03:00", ["2026-10-25T00:00", "2026-10-25T02:00"]),
        # In both hours that are called 1 o'clock, half-hourly goes on; in the hour that is not there, nothing is made up for.
        (("*/30 1 * * *", LISBON), "2026-10-24T23:59", "2026-10-25T04:00", ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
        (("0 * * * *", LISBON), "2026-03-29T00:00", "2026-03-29T02:00", ["2026-03-29T01:00", "2026-03-29T02:00"]),
        # All that falls into the gap falls together behind it, and is done once.
        (("15,45 1 * * *", LISBON), "2026-03-28T20:00", "2026-03-29T20:00", ["2026-03-29T01:00"]),
        (("30 2 * * *", NEW_YORK), "2026-03-07T12:00", "2026-03-09T12:00", ["2026-03-08T07:00", "2026-03-09T06:30"]),
        (("30 1 * * *", NEW_YORK), "2026-11-01T00:00", "2026-11-01T12:00", ["2026-11-01T05:30"]),
        # Asked again within the hour that is there twice: the first of both is past.
        (("45 1 * * *", NEW_YORK), "2026-11-01T06:10", "2026-11-01T20:00", []),
        (("0 9 * * *", ADELAIDE), "2026-10-03T00:00", "2026-10-04T12:00", ["2026-10-03T22:30"]),
        (("@daily", ""), "2026-01-01T00:00", "2026-01-03T00:00", ["2026-01-02T00:00", "2026-01-03T00:00"]),
        (("0 0 29 2 *", ""), "2026-01-01T00:00", "2029-01-01T00:00", ["2028-02-29T00:00"]),
        (("0 12 13 * fri", ""), "2026-02-01T00:00", "2026-02-14T00:00", ["2026-02-06T12:00", "2026-02-13T12:00"]),
        (("0 8 * * MON-FRI", LISBON), "2026-07-10T12:00", "2026-07-13T12:00", ["2026-07-13T07:00"]),
    ],
)  # fmt: skip
def test_a_schedule_is_that_of_a_wall_clock_in_its_zone(given, after, until, times):
    schedule, zone = given
    assert fired(calendar(schedule, zone=zone), after, until) == times


def test_an_interval_does_not_care_about_clocks_and_counts_alike_everywhere():
    half = calendar(interval="30m", zone=LISBON)
    assert fired(half, "2026-03-29T00:10", "2026-03-29T02:00") == [
        "2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30", "2026-03-29T02:00",
    ]  # fmt: skip
    assert fired(calendar(interval="7h"), "1970-01-01T00:00", "1970-01-02T00:00") == [
        "1970-01-01T07:00", "1970-01-01T14:00", "1970-01-01T21:00",
    ]  # fmt: skip


def test_days_and_times_that_are_excluded_are_those_of_the_zone():
    # Half past midnight of Christmas Day in Auckland is still the 24th in UTC.
    one = calendar("30 0 * * *", zone="Pacific/Auckland", excluded=["2026-12-25", "2026-12-26T11:30:00Z"])
    assert fired(one, "2026-12-23T00:00", "2026-12-28T00:00") == [
        "2026-12-23T11:30",
        "2026-12-25T11:30",
        "2026-12-27T11:30",
    ]
    assert fired(
        calendar(interval="12h", excluded=["2026-12-24"]), "2026-12-23T12:00", "2026-12-25T00:00"
    ) == ["2026-12-25T00:00"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"schedule": "0 0 30 2 *"}, "'0 0 30 2 *'"),
        ({"schedule": "5 2 * * *", "zone": "Europe/Atlantis"}, "no time zone"),
        ({"schedule": "5 2 * * *", "zone": "../../etc/passwd"}, "no time zone"),
        ({"interval": "59s"}, "between one minute"),
        ({"interval": "99999999999999h"}, "between one minute"),
        ({"interval": "1h", "excluded": ["2026-02-30"]}, "no day or time '2026-02-30'"),
        ({"interval": "1h", "excluded": ["2026-12-24T25:00:00Z"]}, "no day or time"),
    ],
)
def test_what_cannot_come_is_refused_in_words(given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        calendar(**given)


OUTAGE = at("2026-05-04T09:00"), at("2026-05-04T12:00:20")
"""Three hours and a bit, in which an hourly calendar has three times."""


@pytest.mark.parametrize(
    ("one", "policy", "hours"),
    [
        (calendar("0 * * * *"), "latest", [12]),
        (calendar("0 * * * *"), "all", [10, 11, 12]),
        (calendar("0 * * * *"), "none", [12]),
        (calendar("50 * * * *"), "latest", [11]),
        (calendar("50 * * * *"), "all", [9, 10, 11]),
        (calendar("50 * * * *"), "none", []),
        (calendar("0 3 * * *"), "latest", []),
        (calendar("0 * * * *", excluded=["2026-05-04T11:00:00Z", "2026-05-04T12:00:00Z"]), "latest", [10]),
    ],
)
def test_after_an_outage_of_three_hours(one, policy, hours):
    assert [instant.hour for instant in to_fire(one, *OUTAGE, policy)] == hours


def test_after_a_long_outage_the_latest_is_found_however_rare_and_all_are_bounded():
    since, now = at("2026-01-10T00:00"), at("2026-05-04T12:00")
    assert to_fire(calendar("0 5 1 * *"), since, now, "latest") == [at("2026-05-01T05:00")]
    assert to_fire(calendar("0 5 1 1 *"), since, now, "latest") == []
    minutes = to_fire(calendar("* * * * *"), since, now, "all")
    assert (len(minutes), minutes[-1]) == (MOST, now)
    assert len(to_fire(calendar("0 5 1 * *"), since, now, "all")) == 4


SCHEDULES = st.sampled_from(
    ["*/7 * * * *", "30 1 * * *", "15,45 1-2 * * *", "*/20 2 * * *", "0 3 * * sun", "59 23 28-31 * *", "0 */5 * * *"]
)  # fmt: skip
CALENDARS = st.builds(
    calendar,
    SCHEDULES,
    zone=st.sampled_from(["", LISBON, NEW_YORK, ADELAIDE, "America/St_Johns", "Africa/Casablanca", "Australia/Lord_Howe"]),
    excluded=st.lists(st.sampled_from(["2026-03-29", "2026-10-25", "2026-11-01"])),
) | st.builds(lambda minutes: calendar(interval=f"{minutes}m"), st.integers(1, 3000))  # fmt: skip
CHANGES = [
    at("2026-03-08T06:00"),
    at("2026-03-29T00:00"),
    at("2026-04-04T15:00"),
    at("2026-10-25T00:00"),
    at("2026-11-01T04:00"),
]
INSTANTS = st.builds(
    lambda day, seconds: day + timedelta(seconds=seconds), st.sampled_from(CHANGES), st.integers(-90_000, 90_000)
)  # fmt: skip


@given(CALENDARS, st.tuples(INSTANTS, INSTANTS, INSTANTS).map(sorted))
def test_it_does_not_matter_when_and_how_often_one_looks(one, times):
    first, middle, last = times
    whole = list(due(one, first, last))
    assert list(due(one, first, middle)) + list(due(one, middle, last)) == whole
    assert all(first < instant <= last for instant in whole)
    assert all(earlier < later for earlier, later in pairwise(whole))
    assert not {instant.astimezone(one.zone).date() for instant in whole} & one.excluded_dates


@given(CALENDARS, st.tuples(INSTANTS, INSTANTS).map(sorted), st.sampled_from(["latest", "all", "none"]))
def test_what_fires_is_due_and_nothing_that_is_punctual_is_left_out(one, times, policy):
    after, now = times
    whole, found = list(due(one, after, now)), to_fire(one, after, now, policy)
    assert set(found) <= set(whole)
    assert (found[-1:] == whole[-1:]) or policy == "none"
    assert len(found) <= (MOST if policy == "all" else 1)
    if policy == "all":
        assert found == whole[-MOST:]
