"""When a failing hook rests, and when it is given up: GitLab's numbers."""

from datetime import UTC, datetime, timedelta

import pytest

from nautes_localstack.forge.hooks.backoff import (
    Health,
    after_failure,
    after_success,
    alert_status,
    is_success,
    pause,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fail(times: int) -> tuple[Health, datetime]:
    """Fail so many times in a row, each right after the hook may be called again."""
    health, now = Health(), NOW
    for _ in range(times):
        if health.disabled_until is not None:
            now = health.disabled_until + timedelta(seconds=1)
        health = after_failure(health, now)
    return health, now


def test_three_failures_have_no_consequence() -> None:
    health, now = fail(3)
    assert (health, alert_status(health, now)) == (Health(3, None), "executable")


def test_the_fourth_failure_is_a_minute_of_rest() -> None:
    health, now = fail(4)
    assert health == Health(4, now + timedelta(minutes=1))
    assert alert_status(health, now) == "temporarily_disabled"
    assert alert_status(health, now + timedelta(minutes=1)) == "temporarily_disabled"
    assert alert_status(health, now + timedelta(minutes=1, microseconds=1)) == "executable"


@pytest.mark.parametrize(
    ("failures", "rest"),
    [
        (4, timedelta(minutes=1)),
        (5, timedelta(minutes=2)),
        (6, timedelta(minutes=4)),
        (14, timedelta(minutes=1024)),
        (15, timedelta(days=1)),
        (40, timedelta(days=1)),
    ],
)
def test_the_rest_doubles_up_to_a_day(failures: int, rest: timedelta) -> None:
    assert pause(failures) == rest


def test_the_fortieth_failure_is_the_last() -> None:
    almost, now = fail(39)
    assert alert_status(almost, now + timedelta(days=2)) == "executable"
    health, now = fail(40)
    assert alert_status(health, now) == "disabled"
    assert alert_status(health, now + timedelta(days=365)) == "disabled"
    assert after_failure(health, now + timedelta(days=365)) == health


def test_a_resting_hook_does_not_get_worse() -> None:
    health, now = fail(4)
    assert after_failure(health, now) == health


def test_a_success_forgets_all() -> None:
    assert after_success() == Health(0, None)
    assert [is_success(status) for status in (200, 299, 302, 399, 400, 404, 500)] == [
        True,
        True,
        True,
        True,
        False,
        False,
        False,
    ]
