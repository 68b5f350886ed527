"""What becomes of a message, decided without a socket."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_runtime.verdicts import ATTEMPTS, LADDER, Ack, DeadLetter, Nak, stack_digest, verdict


def test_no_failure_is_acknowledged():
    assert verdict(None, 1) == Ack()


def test_what_can_never_work_is_put_aside_at_once_with_its_words():
    failure = Rejected("two clusters have this name", what="cluster/east", code="name-taken")
    assert verdict(failure, 1) == DeadLetter("cluster/east: two clusters have this name", "name-taken")


@pytest.mark.parametrize(("attempt", "delay"), list(enumerate(LADDER, 1)))
@pytest.mark.parametrize("failure", [Retry("away"), ValueError("unforeseen")])
def test_the_ladder(failure, attempt, delay):
    assert verdict(failure, attempt) == Nak(delay)


def test_a_retry_climbs_no_higher_than_the_ladder():
    assert verdict(Retry("away"), 9) == Nak(LADDER[-1])


def test_what_nobody_foresaw_is_put_aside_after_six_attempts():
    assert isinstance(verdict(KeyError("x"), ATTEMPTS - 1), Nak)
    assert verdict(KeyError("x"), ATTEMPTS) == DeadLetter("KeyError after 6 attempts", "unexpected")


def test_a_failure_is_waited_for_as_long_as_it_asks():
    assert verdict(Retry("busy", after=timedelta(seconds=42)), 1, jitter=1) == Nak(42)
    assert verdict(Blocked("no namespace", by="namespace/x"), 3) == Nak(5)


def test_who_asks_for_short_delays_does_not_use_up_its_deliveries_within_a_minute():
    delays = [verdict(Blocked("no namespace", by="namespace/x"), attempt).delay for attempt in range(1, 10)]
    assert sum(delays) > 15 * 60


def test_the_message_of_an_unforeseen_failure_is_not_repeated():
    end = verdict(RuntimeError("token glpat-secret"), ATTEMPTS)
    assert "glpat" not in end.reason


@given(
    st.sampled_from([Retry, Blocked, OSError]),
    st.one_of(st.none(), st.floats(-10, 1e6)),
    st.integers(-1, 50),
    st.floats(-2, 2),
)
def test_never_a_nak_without_delay(kind, after, attempts, jitter):
    wait = None if after is None else timedelta(seconds=after)
    failure = {
        Retry: lambda: Retry("x", after=wait),
        Blocked: lambda: Blocked("x", by="y", after=wait or timedelta()),
        OSError: lambda: OSError("x"),
    }[kind]()
    end = verdict(failure, attempts, jitter)
    assert isinstance(end, DeadLetter) or end.delay >= 0.1


@given(st.integers(1, 5), st.floats(-1, 1))
def test_jitter_stays_within_a_tenth(attempts, jitter):
    delay = verdict(Retry("x"), attempts, jitter).delay
    assert abs(delay - LADDER[attempts - 1]) <= LADDER[attempts - 1] * 0.1 + 1e-9


def _fail(kind):
    raise kind("one")


def _broken(kind):
    try:
        _fail(kind)
    except kind as failure:
        return failure


def test_a_stack_has_the_same_digest_each_time_and_another_for_another_failure():
    assert stack_digest(_broken(KeyError)) == stack_digest(_broken(KeyError))
    assert stack_digest(_broken(KeyError)) != stack_digest(_broken(OSError))
