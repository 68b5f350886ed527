"""What becomes of a message whose handler ended so or so. Pure: no socket, no clock, no dice."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nautes_domain import names
from nautes_domain.failures import Blocked, Rejected, Retry

LADDER: Final = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds to wait after the first, second, … failed attempt; the last one repeats."""

ATTEMPTS: Final = 6
"""After this many failures of a kind that nobody foresaw, a message goes to `DEAD`."""

SHORTEST: Final = 0.1
"""Seconds. A nak without delay is redelivered at once, a thousand times a second."""

SPREAD: Final = 0.1
"""Share of a delay by which it varies, so that messages that failed together do not return together."""


@dataclass(frozen=True, slots=True)
class Ack:
    """It is done."""


@dataclass(frozen=True, slots=True)
class Nak:
    """Bring it again after `delay` seconds; never zero."""

    delay: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Put it aside with this reason. `code` is for machines."""

    reason: str
    code: str


Verdict = Ack | Nak | DeadLetter


def verdict(failure: BaseException | None, attempts: int, jitter: float = 0.0) -> Verdict:
    """Return what to do with a message after its `attempts`-th delivery (1 is the first).

    `jitter` lies between -1 and 1. Retry and Blocked wait as long as they ask, from the sixth attempt on
    at least the last step of the ladder: deliveries are counted by the server and must not run out
    within a minute. Rejected is put aside at once. What nobody foresaw is put aside after six attempts.
    """
    if failure is None:
        return Ack()
    if isinstance(failure, Rejected):
        return DeadLetter(str(failure), failure.code)
    step = LADDER[min(max(attempts, 1), len(LADDER)) - 1] * (1 + SPREAD * max(-1.0, min(1.0, jitter)))
    if isinstance(failure, Retry | Blocked):
        if failure.after is None:
            return Nak(step)
        asked = max(failure.after.total_seconds(), SHORTEST)
        return Nak(max(asked, step) if attempts >= ATTEMPTS else asked)
    if attempts >= ATTEMPTS:
        return DeadLetter(f"{type(failure).__name__} after {attempts} attempts", "unexpected")
    return Nak(step)


class Outcome(StrEnum):
    """What became of a message, in one word."""

    ACK = "ack"
    RETRY = "retry"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    """Put aside, because somebody must change what they declared."""
    FAILED = "failed"
    """Comes again after a failure that nobody foresaw."""
    DEAD = "dead"
    """Put aside after the last attempt."""
    RETURNED = "returned"
    """Given back without a verdict: we are told to end, or the bus is away."""


def outcome(failure: BaseException | None, end: Verdict) -> Outcome:
    """Return the word for a verdict and the failure that it was found on."""
    if isinstance(end, Ack):
        return Outcome.ACK
    if isinstance(end, DeadLetter):
        return Outcome.REJECTED if isinstance(failure, Rejected) else Outcome.DEAD
    if isinstance(failure, Blocked):
        return Outcome.BLOCKED
    return Outcome.RETRY if isinstance(failure, Retry) else Outcome.FAILED


def stack_digest(failure: BaseException) -> str:
    """Return a digest of where a failure came from: its type and the functions on its stack, no line numbers.

    The same defect has the same digest over messages and small edits, so dead letters can be grouped.
    """
    frames: list[str] = []
    trace = failure.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(code.co_qualname)
        trace = trace.tb_next
    return names.digest(type(failure).__name__, *frames)
