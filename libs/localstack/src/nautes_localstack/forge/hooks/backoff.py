"""When GitLab stops calling a failing hook, and when it tries again. Pure.

Source: GitLab, app/models/concerns/web_hooks/auto_disabling.rb, and "Webhooks", section "Auto-disabled webhooks".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

GRACE: Final = 3
"""Failures in a row without consequence."""
LAST: Final = 39
"""Failures in a row after which one more disables the hook for good."""
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(days=1)
GROWTH: Final = 2


@dataclass(frozen=True, slots=True)
class Health:
    """How a hook fared lately."""

    recent_failures: int = 0
    disabled_until: datetime | None = None


def alert_status(health: Health, now: datetime) -> str:
    """Return `executable`, `temporarily_disabled` or `disabled`, the words of the API."""
    if health.recent_failures > LAST:
        return "disabled"
    if health.recent_failures > GRACE and health.disabled_until is not None and health.disabled_until >= now:
        return "temporarily_disabled"
    return "executable"


def after_failure(health: Health, now: datetime) -> Health:
    """Return the health after one more failure. A hook that is disabled already does not get worse."""
    if alert_status(health, now) != "executable":
        return health
    failures = health.recent_failures + 1
    if failures <= GRACE:
        return Health(failures, health.disabled_until)
    return Health(failures, now + pause(failures))


def pause(failures: int) -> timedelta:
    """Return how long a hook rests after so many failures in a row: 1 min from the 4th, doubling, at most a day."""
    doublings = max(failures - GRACE - 1, 0)
    # Cut before multiplying: 2**36 minutes is more than a timedelta holds.
    factor: int = GROWTH ** min(doublings, 11)
    return min(FIRST_PAUSE * factor, LONGEST_PAUSE)


def after_success() -> Health:
    """Return the health after an answer that counts as success."""
    return Health()


def is_success(status: int) -> bool:
    """Say whether an answer counts as success: redirects do, and are not followed."""
    return 200 <= status < 400
