"""When a status says something new."""

from datetime import timedelta

import pytest

from nautes_domain.effects import Cause, Result, Status
from nautes_runtime.scopes import worth_writing


@pytest.fixture
def before(at):
    return Status(
        service="reconciler", scope="tenant", at=at, cause=Cause(delivery="d1"), commit="c1",
        result=Result.DONE, written=3, unchanged=4,
    )  # fmt: skip


def test_the_first_one_is_new(before):
    assert worth_writing(None, before)


def test_the_same_at_another_time_is_not(before, at):
    later = before.model_copy(update={"at": at + timedelta(hours=1)})
    assert not worth_writing(before, later)


@pytest.mark.parametrize(
    "change",
    [
        {"cause": Cause(delivery="d2")},
        {"commit": "c2"},
        {"result": Result.BLOCKED},
        {"message": "waits"},
        {"written": 0},
    ],
    ids=str,
)
def test_what_a_delivery_changed_is(before, change):
    assert worth_writing(before, before.model_copy(update=change))


@pytest.mark.parametrize("why", ["resync 2026-01-31T12:00:00+00:00", "startup 2026-01-31T12:00:00+00:00"])
def test_a_resync_that_found_nothing_to_do_says_nothing(before, why):
    again = before.model_copy(update={"cause": Cause(delivery=why), "written": 0, "unchanged": 7})
    assert not worth_writing(before, again)
    assert worth_writing(before, again.model_copy(update={"written": 1}))
    assert worth_writing(before, again.model_copy(update={"result": Result.RETRY, "message": "away"}))
    assert worth_writing(before, again.model_copy(update={"commit": "c2"}))
